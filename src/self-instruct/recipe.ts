import { dirname, isAbsolute, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { UsageError } from "../errors.js";
import { originalPromptsSchema } from "../recipe/original-prompts.js";
import { type Layer, mergeLayers, overrideLayer, parseOverride, valueAt } from "../recipe/overrides.js";
import { describeIssues } from "../recipe/problems.js";
import { weightsSchema } from "../recipe/weights.js";
import { readYaml } from "../recipe/yaml-source.js";

const count = z.int().min(1);
const share = z.number().min(0).max(1);

const STARTER_SEEDS = fileURLToPath(new URL("../../examples/self-instruct/seed_tasks.jsonl", import.meta.url));

/** A Self-Instruct recipe. Defaults are the paper's and its code's. */
export const selfInstructSchema = z.strictObject({
  model: z.string().min(1).describe("who writes: a local model or openai:NAME@BASE_URL"),
  adapter: z.string().optional().describe("PEFT adapter on top of a local model"),
  out: z.string().optional().describe("run folder; default runs/NAME"),
  seed_tasks: z
    .string()
    .default(STARTER_SEEDS)
    .describe(
      "JSON Lines of seed tasks, or a name of `evoke data list`; default: the starter set that ships with evoke",
    ),
  seed: z.int().min(0).default(42),
  num_instructions: count.default(100).describe("machine-made instructions to reach"),
  classification_seeds_only: z.boolean().default(false).describe("prompt with classification seed tasks alone"),
  prompts: z.string().optional().describe("folder whose files take the place of the built-in prompts"),
  original_prompts: originalPromptsSchema
    .optional()
    .describe("the original project's prompts, fetched: true, false, or auto (where they can be had); default false"),
  weights: weightsSchema
    .default("float32")
    .describe("weights of a local model: float32 keeps their own precision, int8 writes faster"),
  chat: z.boolean().default(false).describe("send prompts as chat messages"),
  bootstrap: z
    .strictObject({
      instructions_per_prompt: count.default(8),
      machine_instructions_per_prompt: z.int().min(0).default(2),
      requests_per_batch: count.default(5),
      similarity_threshold: share.default(0.7),
      max_tokens: count.default(1024),
      temperature: z.number().min(0).default(0.7),
      top_p: share.default(0.5),
      presence_penalty: z.number().default(2),
      cut_responses: z.enum(["drop", "trim"]).default("drop"),
      max_idle_batches: count.default(20),
    })
    .prefault({}),
  classify: z
    .strictObject({
      max_tokens: count.optional().describe("most tokens of an answer; default 3, with chat 64"),
    })
    .prefault({}),
  instances: z
    .strictObject({
      max_instances: count.default(5),
      max_tokens_classification: count.default(300),
      max_tokens_generation: count.default(350),
      presence_penalty: z.number().default(1.5),
    })
    .prefault({}),
  prepare: z
    .strictObject({
      include_seed_tasks: z.boolean().default(true),
      num_instructions: count.optional().describe("use the instances of this many instructions"),
      completion_style: z.enum(["plain", "continuation"]).default("plain"),
    })
    .prefault({}),
  llm: z
    .strictObject({
      concurrency: count.optional(),
      retries: z.int().min(0).optional(),
      timeout: z.number().positive().optional(),
      max_requests: count.optional(),
      max_tokens: count.optional(),
      api_key_env: z.string().optional(),
      api: z.enum(["auto", "completions", "chat"]).optional(),
    })
    .prefault({}),
  train: z.string().optional().describe("training recipe to run on finetuning.jsonl afterwards"),
});

export type SelfInstructRecipe = z.output<typeof selfInstructSchema>;

/** JSON Schema of the recipe, for editors and messages. */
function selfInstructJsonSchema(): object {
  return z.toJSONSchema(selfInstructSchema, { io: "input" });
}

/**
 * Reads a recipe with `--set a.b=v` over it; relative paths count from the recipe's folder.
 *
 * @throws UsageError naming file and line, or the `--set`.
 */
export function loadSelfInstructRecipe(path: string, sets: readonly string[] = []): SelfInstructRecipe {
  const file = readYaml(path);
  const overrides = sets.map(parseOverride);
  let merged = anchorSelfInstruct(file.data, resolve(dirname(path)));
  for (const override of overrides)
    merged = mergeLayers(merged, anchorSelfInstruct(overrideLayer(override), resolve(".")));
  const parsed = selfInstructSchema.safeParse(merged);
  if (parsed.success) return parsed.data;
  const problems = describeIssues(parsed.error.issues, selfInstructJsonSchema(), (keys) => valueAt(merged, keys));
  const { path: keys, message } = problems[0]!;
  const set = overrides.findLast((override) =>
    override.path.every((key, i) => keys[i] === undefined || keys[i] === key),
  );
  const line = file.lineOf(keys);
  throw new UsageError(`${set ? `--set ${set.text}` : line === undefined ? path : `${path}:${line}`}: ${message}`);
}

/** Makes the paths of a layer absolute; names of data sets and model references stay. */
export function anchorSelfInstruct(layer: Layer, folder: string): Layer {
  const result: Layer = { ...layer };
  for (const key of ["seed_tasks", "prompts", "train", "adapter"]) {
    const value = result[key];
    if (typeof value === "string" && !isAbsolute(value) && (key !== "seed_tasks" || /[./\\]/.test(value)))
      result[key] = resolve(folder, value);
  }
  const { model } = result;
  if (typeof model === "string" && /^\.{1,2}[/\\]/.test(model)) result.model = resolve(folder, model);
  return result;
}
