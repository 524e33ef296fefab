/** Bad input to `evoke train`: one clear line, the right exit code, nothing half-written. */
import { cpSync, existsSync, mkdtempSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { evoke } from "../program.js";
import { writeTinyModel, writeTinyRows } from "../support/tiny-model.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-errors-"));
const BASE = `model: ./model
method: lora
mode: it
data: { path: rows.jsonl }
lora: { r: 4, alpha: 8, dropout: 0 }
batch: { micro: 4, accumulation: 1 }
max_steps: 2
threads: 1
`;

beforeAll(() => {
  writeTinyModel(join(folder, "model"));
  writeTinyRows(join(folder, "rows.jsonl"), 8);
});

let runs = 0;

async function train(recipe: string, ...more: string[]) {
  const name = `case-${runs++}`;
  const path = join(folder, `${name}.yaml`);
  writeFileSync(path, recipe);
  const out = join(folder, name);
  const outcome = await evoke(["train", path, "--out", out, "--quiet", ...more]);
  return { ...outcome, out, lines: outcome.stderr.trim().split("\n") };
}

/** A copy of the model with something done to it. */
function model(name: string, change: (copy: string) => void): string {
  const copy = join(folder, name);
  cpSync(join(folder, "model"), copy, { recursive: true });
  change(copy);
  return BASE.replace("./model", `./${name}`);
}

function editConfig(copy: string, changes: Record<string, unknown>): void {
  const path = join(copy, "config.json");
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...changes }));
}

const rows = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return BASE.replace("rows.jsonl", name);
};

interface Case {
  recipe: () => string;
  code: 1 | 2;
  says: RegExp;
  /** The run had begun: its folder exists and tells the failure. */
  begun?: boolean;
}

const cases: Record<string, Case> = {
  "a missing data file": {
    recipe: () => BASE.replace("rows.jsonl", "none.jsonl"),
    code: 2,
    says: /none\.jsonl: no such file/,
  },
  "an unknown key": {
    recipe: () => `${BASE}lerning_rate: 1\n`,
    code: 2,
    says: /case-\d+\.yaml:\d+: unknown key "lerning_rate"; did you mean/,
  },
  "a broken file": { recipe: () => `${BASE}lora: [`, code: 2, says: /case-\d+\.yaml:\d+/ },
  "an unknown architecture": {
    recipe: () => model("unknown", (copy) => editConfig(copy, { model_type: "mamba" })),
    code: 2,
    says: /unknown architecture "mamba"; supported: llama/,
  },
  "a wrong tensor shape": {
    recipe: () => model("wide", (copy) => editConfig(copy, { intermediate_size: 256 })),
    code: 2,
    says: /weight "model\.layers\.0\.mlp\.gate_proj\.weight" has shape \[128, 64\], config\.json asks for \[256, 64\]/,
    begun: true,
  },
  "truncated weights": {
    recipe: () => model("short", (copy) => truncateSync(join(copy, "model.safetensors"), 5000)),
    code: 1,
    says: /truncated/,
  },
  "an empty dataset": { recipe: () => rows("empty.jsonl", ""), code: 2, says: /empty/ },
  "a row without a response": {
    recipe: () => rows("half.jsonl", '{"prompt": "a", "completion": "b"}\n{"prompt": "only this"}\n'),
    code: 2,
    says: /half\.jsonl:2: /,
  },
  "only rows that do not fit": {
    recipe: () =>
      `${rows("long.jsonl", `${JSON.stringify({ prompt: "word ".repeat(400), completion: "b" })}\n`)}max_length: 16\n`,
    code: 2,
    says: /no row can be trained on; the first: .*max_length 16/,
  },
  "too little memory": {
    recipe: () => `${BASE}memory: { budget_gb: 0.1 }\n`,
    code: 1,
    says: /not enough memory: about .* GB needed, 0\.1 GB allowed by memory\.budget_gb/,
  },
  "an adapter for another base": {
    recipe: () => `${BASE}adapter: ${join(process.cwd(), "src/train/fixtures/lora-init")}\n`,
    code: 2,
    says: /adapter|base|shape/,
  },
  "a learning rate that blows up": {
    recipe: () => `${BASE.replace("max_steps: 2", "max_steps: 40")}optimizer: { lr: 1.0e+30 }\nmax_grad_norm: null\n`,
    code: 1,
    says: /is not finite at step \d+ \(examples [\d, …]+\); the last checkpoint is kept/,
    begun: true,
  },
};

describe("evoke train with", () => {
  for (const [name, { recipe, code, says, begun }] of Object.entries(cases))
    it(name, async () => {
      const outcome = await train(recipe());
      expect(outcome.code, outcome.stderr).toBe(code);
      expect(outcome.stderr).toMatch(says);
      expect(outcome.lines).toHaveLength(1);
      expect(outcome.stdout).toBe("");
      if (begun)
        expect(JSON.parse(readFileSync(join(outcome.out, "run.json"), "utf8"))).toMatchObject({ status: "failed" });
      else expect(existsSync(join(outcome.out, "run.json"))).toBe(false);
      expect(existsSync(join(outcome.out, "adapter"))).toBe(false);
    });

  it("a folder that holds a run already", async () => {
    const first = await train(BASE);
    expect(first.code, first.stderr).toBe(0);
    const again = await evoke([
      "train",
      join(folder, `${first.out.split("/").pop()}.yaml`),
      "--out",
      first.out,
      "--quiet",
    ]);
    expect(again.code).toBe(2);
    expect(again.stderr).toMatch(/already holds a run; use --resume/);
    const resumed = await evoke([
      "train",
      join(folder, `${first.out.split("/").pop()}.yaml`),
      "--out",
      first.out,
      "--resume",
    ]);
    expect(resumed.code).toBe(0);
    expect(resumed.stderr).toMatch(/nothing to do/);
  });
});
