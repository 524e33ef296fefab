/** One changed setting at a time: another job, or the same one. The lists come from the schemas, so that no field is missed. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeTinyModel, writeTinyRows } from "../../../tests/support/tiny-model.js";
import { clusterSchema } from "../../recipe/cluster.js";
import { parseRecipe } from "../../recipe/load.js";
import { recipeJsonSchema } from "../../recipe/schema.js";
import { CLUSTER_EFFECTS, type Effect, idleSettings, RECIPE_EFFECTS, toldSettings } from "./field-effects.js";
import { prepareJob } from "./prepare.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-effects-"));
const rows = join(folder, "rows.jsonl");

beforeAll(() => {
  writeTinyModel(join(folder, "model"));
  writeTinyModel(join(folder, "other"));
  appendFileSync(join(folder, "other", "config.json"), "\n"); // other bytes are another model
  writeTinyRows(rows, 12);
  writeTinyRows(join(folder, "more.jsonl"), 11);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Change = [value: unknown, effect?: Effect];

/** Other values than those of the job below, with their effect where it is not the field's. */
const CLUSTER_CHANGES: Record<string, Change[]> = {
  address: [["ray://elsewhere:8265"]],
  token_env: [["OTHER_TOKEN"]],
  workers: [[3]],
  gpus_per_worker: [[2], [0, "other"]],
  cpus_per_worker: [[4]],
  resources_per_worker: [[{ special: 1 }]],
  model: [["/mnt/model"], ["hf:org/model@main"]],
  storage: [["/shared/other"], ["s3://bucket/prefix"]],
  storage_local: [["/here"]],
  precision: [["bfloat16"]],
  pip: [["default"], [["torch==2.13.0"]]],
  runtime_env: [[{ env_vars: { A: "1" } }]],
  env: [[["HF_TOKEN"]], [["OMP_NUM_THREADS"], "other"]],
  retries: [[7]],
  patience_minutes: [[3]],
};

/** By leaf of the recipe's schema. */
const RECIPE_CHANGES: Record<string, Change[]> = {
  model: [["./other"]],
  adapter: [], // read by content, see the tests of identity.ts
  preset: [["paper-qlora", "other"]], // its values are other ones
  method: [["qlora"]],
  mode: [["it"]],
  template: [["model"]],
  count_newline_after_eos: [[true]],
  "data.path": [["more.jsonl"]],
  "data.format": [["prompt-completion"]],
  "data.columns": [],
  "data.max_examples": [[5]],
  "data.skip_invalid": [[true]],
  "data.validation": [[0.4]],
  "lora.r": [[3]],
  "lora.alpha": [[3]],
  "lora.dropout": [[0.2]],
  "lora.target_modules": [[["q_proj"]]],
  "lora.use_rslora": [[true]],
  "lora.use_dora": [[true]],
  "quantization.type": [["int8"]],
  "quantization.double_quant": [[false]],
  "quantization.block_size": [[32]],
  "optimizer.lr": [[1e-3]],
  "optimizer.betas": [[[0.8, 0.9]]],
  "optimizer.eps": [[1e-6]],
  "optimizer.weight_decay": [[0.1]],
  "schedule.type": [["cosine"]],
  "schedule.warmup_steps": [[2]],
  "schedule.warmup_ratio": [[0.5]],
  "batch.micro": [[4]],
  "batch.accumulation": [[4]],
  epochs: [],
  max_steps: [[7]],
  max_length: [[30]],
  max_grad_norm: [[1]],
  packing: [[false]],
  "memory.budget_gb": [[3]],
  "memory.recompute": [["all"]],
  "validation.every_steps": [[2]],
  "validation.max_examples": [[1]],
  "early_stop.patience": [[2]],
  "early_stop.min_delta": [[0.1]],
  "checkpoint.every_steps": [[3]],
  "checkpoint.keep": [[4]],
  report_to: [[["wandb"]]],
  seed: [[5]],
  device: [["cpu"]],
  threads: [[1]],
  out: [["elsewhere"]],
};

let unchanged: ReturnType<typeof job> | undefined;
const JOB = { storage: "/shared", workers: 2, gpus_per_worker: 1 };

/** What makes a job known, and what joining it tells. */
async function job(recipe: Record<string, unknown> = {}, cluster: Record<string, unknown> = {}) {
  const said: string[] = [];
  const common = { model: join(folder, "model"), method: "lora", mode: "rt", max_steps: 6, max_length: 64 };
  const parts = {
    data: { path: rows, validation: 0.2 },
    batch: { micro: 2, accumulation: 2 },
    early_stop: {},
    lora: { r: 2 },
  };
  const parsed = parseRecipe(merge({ ...common, ...parts }, recipe));
  const settings = { ...JOB, ...clusterSchema.parse({ ...JOB, ...cluster }) };
  const prepared = await prepareJob(parsed, settings, {
    say: (line) => said.push(line),
    env: { OMP_NUM_THREADS: "4", HF_TOKEN: "hf_secret" },
  });
  return { id: prepared.id, told: toldSettings(parsed, settings), said, fields: prepared.identity.fields };
}

function merge(base: Record<string, unknown>, over: Record<string, unknown>): Record<string, unknown> {
  const inner = (name: string): unknown => {
    const [a, b] = [base[name], over[name]];
    return typeof b === "object" && !Array.isArray(b) && b !== null
      ? merge((a ?? {}) as Record<string, unknown>, b as Record<string, unknown>)
      : b;
  };
  return { ...base, ...Object.fromEntries(Object.keys(over).map((name) => [name, inner(name)])) };
}

const nested = (path: string, value: unknown): Record<string, unknown> =>
  path.split(".").reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as Record<string, unknown>;

function leaves(schema: Record<string, unknown>, prefix = ""): string[] {
  const properties = (schema.properties ?? {}) as Record<string, Record<string, unknown>>;
  return Object.entries(properties).flatMap(([name, inner]) =>
    inner.properties && `${prefix}${name}` !== "cluster" ? leaves(inner, `${prefix}${name}.`) : [`${prefix}${name}`],
  );
}

function recipeEffect(leaf: string): Effect {
  const [block, ...rest] = leaf.split(".");
  const effect = (RECIPE_EFFECTS as Record<string, Effect | Record<string, Effect>>)[block!]!;
  return typeof effect === "string" ? effect : effect[rest.join(".")]!;
}

async function expectEffect(effect: Effect, changed: Awaited<ReturnType<typeof job>>, name: string): Promise<void> {
  const before = await (unchanged ??= job());
  expect(changed.id === before.id).toBe(effect !== "other");
  const told = Object.keys(before.told).filter((field) => before.told[field] !== changed.told[field]);
  if (effect === "told") expect(told).toEqual([name]);
  if (effect === "joins" || effect === "nothing") expect(told).toEqual([]);
  expect(changed.said.some((line) => line.startsWith(name) && line.includes("without effect"))).toBe(
    effect === "nothing",
  );
}

describe("every field", () => {
  it("of the cluster has an effect and a change to prove it", () => {
    const fields = Object.keys(clusterSchema.shape).sort();
    expect(Object.keys(CLUSTER_EFFECTS).sort()).toEqual(fields);
    expect(Object.keys(CLUSTER_CHANGES).sort()).toEqual(fields);
  });

  it("of the recipe has an effect and a change to prove it", () => {
    const found = leaves(recipeJsonSchema()).filter((name) => name !== "cluster");
    expect(Object.keys(RECIPE_CHANGES).sort()).toEqual(found.sort());
    for (const leaf of found) expect(recipeEffect(leaf), leaf).toBeDefined();
  });

  it("stands in the guide with its effect", () => {
    const guide = readFileSync(new URL("../../../docs/guides/cluster.md", import.meta.url), "utf8");
    const words: Record<Effect, string> = {
      other: "another job",
      told: "joins, said",
      joins: "joins",
      nothing: "without effect, said",
    };
    const rows = new Map(
      [...guide.matchAll(/^\| (`.*`) \| (another job|joins, said|joins|without effect, said)\b.*\|$/gm)].flatMap(
        ([, names, effect]) => [...names!.matchAll(/`([^`]+)`/g)].map(([, name]) => [name!, effect!] as const),
      ),
    );
    const wanted: [string, Effect][] = Object.entries(CLUSTER_EFFECTS).map(([name, effect]) => [
      `cluster.${name}`,
      effect,
    ]);
    for (const [name, effect] of Object.entries(RECIPE_EFFECTS))
      if (typeof effect === "string") wanted.push([name, effect]);
      else for (const [inner, own] of Object.entries(effect)) wanted.push([`${name}.${inner}`, own as Effect]);
    expect([...rows].sort()).toEqual(wanted.map(([name, effect]) => [name, words[effect]]).sort());
  });
});

describe("another value of a cluster's field", () => {
  const cases = Object.entries(CLUSTER_CHANGES).flatMap(([name, changes]) =>
    changes.map(
      ([value, effect = CLUSTER_EFFECTS[name as keyof typeof CLUSTER_EFFECTS] as Effect]) =>
        [name, value, effect] as const,
    ),
  );
  it.each(cases)("%s: %j: %s", async (name, value, effect) => {
    await expectEffect(effect, await job({}, { [name]: value }), `cluster.${name}`);
  });
});

describe("another value of a recipe's field", () => {
  const cases = Object.entries(RECIPE_CHANGES).flatMap(([leaf, changes]) =>
    changes.map(([value, effect = recipeEffect(leaf)]) => [leaf, value, effect] as const),
  );
  it.each(cases)("%s: %j: %s", async (leaf, value, effect) => {
    const given = leaf === "data.path" || leaf === "model" ? join(folder, value as string) : value;
    if (leaf === "quantization.block_size") {
      const set = { method: "qlora", ...nested(leaf, given) };
      await expect(job(set)).rejects.toThrow(/blocks of 64, not 32/);
      return;
    }
    await expectEffect(effect, await job(nested(leaf, given)), leaf);
  });
});

it("values of the environment are in the identity only where they steer arithmetic", async () => {
  const { fields } = await job({}, { env: ["HF_TOKEN", "OMP_NUM_THREADS"] });
  expect(fields["cluster.env"]).toBe('{"OMP_NUM_THREADS":"4"}');
  expect(JSON.stringify(fields)).not.toContain("hf_secret");
});

it("nothing is said of what was not given", () => {
  const recipe = parseRecipe({ model: "m", data: { path: "x" } });
  expect(idleSettings(recipe)).toEqual([]);
});
