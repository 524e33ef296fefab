/** Recipes over one small model and its rows, trained on a cluster and here, and compared step by step. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { evoke, type Outcome, repositoryRoot } from "../program.js";
import { TOKEN } from "./ray.js";

export interface Step {
  step: number;
  loss: number;
  grad_norm: number;
  validation_loss?: number;
}

export interface Distance {
  loss: number;
  norm: number;
  validation: number;
}

export const env = { RAY_AUTH_TOKEN: TOKEN };

/** Settings that the tests' recipes share. */
const COMMON = {
  model: "./model",
  data: { path: "rows.jsonl", validation: 0.1 },
  lora: { r: 8, alpha: 16, dropout: 0 },
  optimizer: { lr: 1e-3 },
  schedule: { type: "cosine", warmup_steps: 3 },
  batch: { micro: 2, accumulation: 4 },
  max_steps: 20,
  max_length: 128,
  validation: { every_steps: 10 },
  threads: 1,
};

export class Runs {
  readonly folder = mkdtempSync(join(tmpdir(), "evoke-cluster-"));

  constructor() {
    cpSync(join(repositoryRoot, "models/mini"), join(this.folder, "model"), { recursive: true });
    const rows = Array.from({ length: 48 }, (_, i) => ({
      prompt: `Count on from ${i}${i % 3 ? "" : ", slowly, please"}.`,
      completion: Array.from({ length: 1 + (i % 7) }, (_, k) => `Then comes ${i + k}.`).join(" "),
    }));
    writeFileSync(join(this.folder, "rows.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  }

  /** Writes a recipe: the common settings and others; undefined takes one out. */
  recipe(name: string, settings: Record<string, unknown>): string {
    const path = join(this.folder, `${name}.yaml`);
    writeFileSync(path, JSON.stringify({ ...COMMON, ...settings }));
    return path;
  }

  out(name: string): string {
    return join(this.folder, name);
  }

  onRay(path: string, name: string, address: string, more: string[] = []): Promise<Outcome> {
    return evoke(["train", path, "--on", address, "--out", this.out(name), ...more], { env });
  }

  here(path: string, name: string): Promise<Outcome> {
    return evoke(["train", path, "--on", "local", "--out", this.out(name), "--quiet"]);
  }

  steps(name: string): Step[] {
    const path = join(this.out(name), "metrics.jsonl");
    if (!existsSync(path)) return [];
    const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
    return lines.map((line) => JSON.parse(line) as Step);
  }

  /** Waits until a run has told a step. */
  async reached(name: string, step: number): Promise<void> {
    await expect.poll(() => this.steps(name).at(-1)?.step ?? 0).toBeGreaterThanOrEqual(step);
  }

  /** Largest differences of two runs of the same steps; norms are compared by their ratio. */
  distance(a: string, b: string): Distance {
    const [x, y] = [this.steps(a), this.steps(b)];
    expect(x.map(({ step }) => step)).toEqual(y.map(({ step }) => step));
    const validated = (steps: Step[]) => steps.map(({ validation_loss }) => validation_loss !== undefined);
    expect(validated(x)).toEqual(validated(y));
    const most = (of: (left: Step, right: Step) => number): number =>
      Math.max(...x.map((left, i) => Math.abs(of(left, y[i]!) || 0)));
    const found = {
      loss: most((l, r) => l.loss - r.loss),
      norm: most((l, r) => l.grad_norm / r.grad_norm - 1),
      validation: most((l, r) => (l.validation_loss ?? 0) - (r.validation_loss ?? 0)),
    };
    process.stdout.write(`${a} against ${b}: ${x.length} steps, ${JSON.stringify(found)}\n`);
    return found;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
