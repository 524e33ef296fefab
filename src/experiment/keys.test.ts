import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { EXPERIMENT_CHANGES, RECIPE_CHANGES, SELF_INSTRUCT_CHANGES } from "../../tests/support/key-changes.js";
import { sha256 } from "../files/sha256.js";
import { loadExperiment } from "../recipe/experiment-load.js";
import { experimentJsonSchema } from "../recipe/experiment-schema.js";
import { recipeJsonSchema } from "../recipe/schema.js";
import { selfInstructSchema } from "../self-instruct/recipe.js";
import { Inputs } from "./inputs.js";
import { planExperiment } from "./plan.js";

const home = mkdtempSync(join(tmpdir(), "evoke-keys-"));
const dataDir = join(home, "data");
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true, force: true });
});

/** An experiment with every kind of step, in which every setting has something to act on. */
const TEXT = `name: keys
models: { base: ./model, other: ./other.gguf, judge: "openai:j@http://h/v1", hub: "hf:org/model" }
model: base
data:
  rows: { path: rows.jsonl }
  more: { path: more.jsonl }
  prepared: { prepare: ./rows.jsonl, max_examples: 3, columns: { prompt: prompt, completion: completion } }
  refined: { refine: rows, refiner: judge, prompt: refine.txt }
  mixed: { mix: rows, safety: ./safety.jsonl, count: 1 }
  made: { model: judge, self_instruct: { seed_tasks: ./seeds.jsonl, prompts: prompts, adapter: ./adapter } }
recipe: { batch: { micro: 2, accumulation: 1 }, max_steps: 2, data: { validation: validation.jsonl }, adapter: ./adapter, early_stop: { patience: 2 } }
cluster: { address: "ray://h:8265", workers: 2, gpus_per_worker: 1 }
arms:
  base:
  icl: { prompt: ./icl.txt }
  named: { prompt: urial }
  far: { model: hub }
  it: { mode: it, data: rows }
  rt: { mode: rt, data: [rows, refined, mixed, prepared, made] }
evaluations:
  asked: { suites: instruct, rows: { instruct: questions.jsonl }, chat_template: tulu, arms: [base, icl, named, far, it, rt] }
  core: { suites: [piqa, gsm8k], limit: 2, arms: [base, it] }
  judged: { suites: [alpaca_eval, just_eval, xstest], judge: judge, judge_prompt: judge.txt, judge_safety_prompt: judge.txt, reference: reference.json, difficulty: difficulty.csv, arms: [base] }
  plain: { suites: [alpaca_eval, xstest], judge: judge, arms: [base] }
  versus: { suites: alpaca_eval, judge: judge, reference_arm: it, arms: [base] }
  tasks: { suites: user_tasks, bertscore: ./encoder, arms: [base] }
  ranks: { suites: response_ranking, arms: [base], rows: { response_ranking: rows.jsonl } }
published: [{ source: paper, arms: { it: { piqa.acc: 0.5 } } }]
llm: { retries: 1 }
`;

/** Files that the experiment reads, and which steps a change in each reaches. */
const FILES: Readonly<Record<string, RegExp>> = {
  "model/config.json": /./,
  "model/model.safetensors": /./,
  "model/tokenizer.json": /./,
  "other.gguf": /^$/,
  "encoder/model.safetensors": /tasks$/,
  "adapter/adapter_model.safetensors": /^(data\.made|train|(eval|answers)\.(it|rt)|eval\.base\.versus)/,
  "rows.jsonl": /^(data\.(prepared|refined|mixed)|train|(eval|answers)\.(it|rt)|eval\.base\.(versus|ranks))/,
  "more.jsonl": /^$/,
  "validation.jsonl": /^(train|(eval|answers)\.(it|rt)|eval\.base\.versus)/,
  "refine.txt": /^(data\.refined|train\.rt|eval\.rt)/,
  "safety.jsonl": /^(data\.mixed|train\.rt|eval\.rt)/,
  "seeds.jsonl": /^(data\.made|train\.rt|eval\.rt)/,
  "prompts/classify.txt": /^(data\.made|train\.rt|eval\.rt)/,
  "icl.txt": /^eval\.icl/,
  "questions.jsonl": /asked$/,
  "judge.txt": /^eval\.base\.judged$/,
  "reference.json": /^eval\.base\.judged$/,
  "difficulty.csv": /^eval\.base\.judged$/,
  "data/core/piqa/validation.jsonl": /core$/,
  "data/core/gsm8k/test.jsonl": /core$/,
  "data/core/gsm8k/train.jsonl": /core$/,
  "data/alpaca_eval/alpaca_eval.json": /(judged|plain|versus)$/,
  "data/alpaca_eval/reference_outputs_gpt4_1106_preview.json": /plain$/,
  "data/just_eval/just_eval_instruct.jsonl": /judged$/,
  "data/refusal/xstest_prompts.csv": /(judged|plain)$/,
  "data/self_instruct/user_oriented_instructions.jsonl": /tasks$/,
  "hub/models--org--model/refs/main": /^eval\.far/,
};

function write(path: string, text: string): void {
  mkdirSync(dirname(join(home, path)), { recursive: true });
  writeFileSync(join(home, path), text);
}

beforeAll(() => {
  vi.stubEnv("HF_HUB_OFFLINE", "1");
  vi.stubEnv("HF_HUB_CACHE", join(home, "hub"));
  for (const name of Object.keys(FILES)) write(name, `${name}\n`);
  write("hub/models--org--model/refs/main", "a".repeat(40));
});

interface Keys {
  byId: Map<string, string>;
  all: Set<string>;
}

async function keysOf(sets: readonly string[] = [], text = TEXT): Promise<Keys> {
  const file = join(home, "e.yaml");
  writeFileSync(file, text);
  const loaded = loadExperiment(file, { sets });
  const inputs = new Inputs({ dataDir, fetchMissing: false, say: () => {} });
  const steps = await planExperiment(loaded, loaded.experiment.models, inputs);
  return { byId: new Map(steps.map(({ id, key }) => [id, key])), all: new Set(steps.map(({ key }) => key)) };
}

const changedIds = (before: Keys, after: Keys): string[] =>
  [...before.byId].filter(([id, key]) => after.byId.has(id) && after.byId.get(id) !== key).map(([id]) => id);

/** Whether no step has another key: at most there are more steps, or fewer. */
function hasSame(before: Keys, after: Keys): boolean {
  const [fewer, more] = [before.all, after.all].sort((a, b) => a.size - b.size) as [Set<string>, Set<string>];
  return [...fewer].every((key) => more.has(key));
}

/** Paths of all fields of a JSON Schema; entries that users name are `*`. */
function fields(schema: unknown, at = ""): string[] {
  const { properties, type, additionalProperties, items } = schema as Record<string, Record<string, unknown>>;
  const below = (name: string): string => (at ? `${at}.${name}` : name);
  if (properties) return Object.entries(properties).flatMap(([name, each]) => fields(each, below(name)));
  if ((type as unknown) === "object" && additionalProperties?.properties)
    return fields(additionalProperties, below("*"));
  if ((type as unknown) === "array" && items?.properties) return fields(items, below("*"));
  return [at];
}

const TABLES = [
  ["experiment", experimentJsonSchema(), EXPERIMENT_CHANGES],
  ["recipe", recipeJsonSchema(), RECIPE_CHANGES],
  ["Self-Instruct recipe", z.toJSONSchema(selfInstructSchema, { io: "input" }), SELF_INSTRUCT_CHANGES],
] as const;

describe.each(TABLES)("every field of the %s", (_, schema, changes) => {
  it("has an entry that says what a change of it reaches, and no other has", () => {
    expect(Object.keys(changes).sort()).toEqual(fields(schema).sort());
  });

  it("changes the keys of what it reaches and no others", async () => {
    const before = await keysOf();
    const wrong: string[] = [];
    for (const [field, tries] of Object.entries(changes))
      for (const { set, reaches } of tries) {
        const [sets, text] = typeof set === "string" ? [[set.replaceAll("HOME", home)], TEXT] : [[], set(TEXT)];
        const problem = await keysOf(sets, text).then(
          (after) => fault(before, after, reaches),
          (error: Error) => error.message,
        );
        if (problem !== undefined) wrong.push(`${field} by ${sets[0] ?? "another text"}: ${problem}`);
      }
    expect(wrong).toEqual([]);
  });
});

/** What is wrong with the keys after a change. */
function fault(before: Keys, after: Keys, reaches: RegExp | undefined): string | undefined {
  const changed = changedIds(before, after);
  const strange = changed.filter((id) => !reaches?.test(id));
  if (strange.length > 0) return `reaches ${strange.join(", ")}`;
  if (reaches === undefined) return hasSame(before, after) ? undefined : "a step has another key";
  return changed.length > 0 ? undefined : "reaches nothing";
}

it("counts more than 200 single changes", () => {
  const tries = TABLES.flatMap(([, , changes]) => Object.values(changes).flat());
  expect(tries.length + Object.keys(FILES).length).toBeGreaterThanOrEqual(220);
});

it.each(Object.entries(FILES))("%s enters the keys of what reads it", async (name, reaches) => {
  const before = await keysOf();
  const kept = readFileSync(join(home, name));
  if (name.endsWith("refs/main")) write(name, "b".repeat(40));
  else appendFileSync(join(home, name), "changed");
  const changed = changedIds(before, await keysOf());
  writeFileSync(join(home, name), kept);
  if (reaches.source === "^$") return expect(changed).toEqual([]);
  expect(changed).not.toEqual([]);
  expect(changed.filter((id) => !reaches.test(id))).toEqual([]);
  expect(sha256(kept)).toBe(sha256(readFileSync(join(home, name))));
});

describe("one piece of work", () => {
  it("is not done again because an arm is renamed or a seed is added", async () => {
    const before = await keysOf();
    const renamed = await keysOf(
      [],
      TEXT.replaceAll(/\bit\b(?=[:,\]\n ]|$)/g, "tuned").replaceAll("mode: tuned", "mode: it"),
    );
    expect(renamed.byId.has("train.tuned")).toBe(true);
    expect(hasSame(before, renamed)).toBe(true);
    expect(hasSame(before, await keysOf(["seeds=[0, 5]"]))).toBe(true);
  });

  it("is done once where two arms are the same", async () => {
    const twice = await keysOf(["arms.again={mode: it, data: rows}"]);
    expect(twice.byId.get("train.again")).toBe(twice.byId.get("train.it"));
    expect(twice.all.size).toBeLessThan(twice.byId.size);
  });
});
