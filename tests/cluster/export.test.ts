/** Exported recipes as TRL and Axolotl read them, and as TRL trains on them. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evoke } from "../program.js";

const python = process.env.EVOKE_CLUSTER_PYTHON ?? "python3";
const checker = fileURLToPath(new URL("./check_export.py", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "evoke-export-"));
const offline = { ...process.env, HF_HUB_OFFLINE: "1", HF_HOME: join(folder, "hf"), CUDA_VISIBLE_DEVICES: "" };
const ALL = ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"];

const RECIPES: Record<string, Record<string, unknown>> = {
  qlora: { preset: "paper-qlora", mode: "rt", max_length: 48 },
  lora: { preset: "paper-lora", mode: "it", data: { path: "rows.jsonl", validation: 0.25 } },
  full: { preset: "paper-full", epochs: 1.5, batch: { micro: 2, accumulation: 1 } },
  plain: {
    method: "lora",
    mode: "rt",
    lora: { r: 4, alpha: 8, dropout: 0, target_modules: ["q_proj", "v_proj"] },
    schedule: { type: "constant", warmup_steps: 3 },
    batch: { micro: 4, accumulation: 1 },
    max_steps: 4,
    max_grad_norm: null,
    data: { path: "rows.jsonl", validation: 0.25 },
    validation: { every_steps: 2 },
    early_stop: { patience: 1 },
  },
};

/** What each should come to, in both tools' words. */
const EXPECTED: Record<string, object> = {
  qlora: {
    learning_rate: 1e-4,
    scheduler: "constant",
    warmup: 0,
    batch: [8, 8],
    epochs: 10,
    max_steps: -1,
    clip: 0.3,
    epsilon: 1e-8,
    quantization: { bits: 4, double: true },
    lora: { r: 64, alpha: 16, targets: ALL },
    evaluates: false,
    examples: 20,
    validation: 0,
  },
  lora: {
    scheduler: "cosine",
    warmup: 100,
    batch: [4, 8],
    epochs: 3,
    clip: 1,
    quantization: { bits: 8, double: false },
    lora: { r: 16, alpha: 16, targets: ALL },
    evaluates: true,
    examples: 15,
    validation: 5,
  },
  full: { learning_rate: 2e-5, scheduler: "cosine", warmup: 1, epochs: 1.5, quantization: null, lora: null },
  plain: {
    scheduler: "constant_with_warmup",
    warmup: 3,
    max_steps: 4,
    clip: 0,
    lora: { r: 4, alpha: 8, targets: ["q_proj", "v_proj"] },
    evaluates: true,
  },
};

beforeAll(async () => {
  const rows = Array.from({ length: 20 }, (_, i) => ({
    prompt: `Say ${i}.`,
    completion: `It is ${i}. `.repeat(1 + i),
  }));
  writeFileSync(join(folder, "rows.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  mkdirSync(join(folder, "out"));
  for (const [name, settings] of Object.entries(RECIPES)) {
    const recipe = { model: "bundled:mini", data: { path: "rows.jsonl" }, ...settings };
    writeFileSync(join(folder, `${name}.yaml`), JSON.stringify(recipe));
    for (const to of ["trl", "axolotl"]) {
      const out = join(folder, "out", `${name}-${to}`);
      const args = ["export", "recipe", join(folder, `${name}.yaml`), "--to", to, "--out", out];
      expect((await evoke([...args, "--precision", "float32"])).code).toBe(0);
    }
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("an exported recipe", () => {
  it("is read by TRL's and Axolotl's own parsers as it was meant, labels included", () => {
    const names = Object.keys(RECIPES).flatMap((name) => [`${name}-trl`, `${name}-axolotl`]);
    const output = execFileSync(python, [checker, ...names.map((name) => join(folder, "out", name))], {
      encoding: "utf8",
      env: offline,
      stdio: "pipe",
    });
    const read = JSON.parse(output.trim().split("\n").at(-1)!) as { tool: string; learnt: number }[];
    for (const [i, name] of names.entries()) {
      const [recipe, tool] = name.split("-") as [string, string];
      const learnt = readFileSync(join(folder, "out", name, "data", "train.jsonl"), "utf8")
        .trim()
        .split("\n")
        .flatMap((line) => (JSON.parse(line) as { labels: number[] }).labels)
        .filter((label) => label !== -100).length;
      expect({ name, read: read[i] }).toMatchObject({ name, read: { tool, learnt, ...EXPECTED[recipe] } });
    }
  });

  it("trains in TRL, by its command line and, where that lacks something, by the program beside it", () => {
    const run = (name: string, command: string, args: string[]): void => {
      const cwd = join(folder, "out", name);
      execFileSync(command, [...args, "--config", "sft.yaml", "--use_cpu", "true"], {
        cwd,
        env: offline,
        stdio: "ignore",
      });
      expect(existsSync(join(cwd, "output", "adapter_model.safetensors"))).toBe(true);
    };
    run("qlora-trl", python, ["-m", "trl.cli.main", "sft", "--max_steps", "1", "--load_in_4bit", "false"]);
    run("plain-trl", python, ["train.py"]);
  });
});
