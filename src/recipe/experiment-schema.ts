import { z } from "zod";
import { RULES } from "../generate/rules.js";
import { clusterSchema } from "./cluster.js";
import { originalPromptsSchema } from "./original-prompts.js";
import { weightsSchema } from "./weights.js";

/**
 * The experiment file: what `evoke run EXPERIMENT.yaml` reads. Every field has its meaning, unit and range in
 * `.describe()`, which is also what `evoke schema experiment` prints.
 */

/** Names become parts of folder names and of `--set` paths. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_+-]*$/;
const name = z.string().regex(NAME, "expected a name of letters, digits, _, + and -");
const positiveInteger = z.int().min(1);
const text = z.string().min(1);

/** A map whose entries are named by the user; `key:` without a value means an entry with all defaults. */
const named = <T extends z.ZodType>(entry: T) => z.record(name, entry);

const dataSchema = z.strictObject({
  path: z
    .union([text, z.array(text).min(1)])
    .optional()
    .describe("Rows that exist already: a JSONL file (or several), relative to the experiment file."),
  prepare: text
    .optional()
    .describe("Bring a source into training form: a name of `evoke data list`, hf:ORG/NAME[@REV][:SPLIT], or a file."),
  refine: text.optional().describe("Let a model rewrite the responses of this data entry."),
  mix: text.optional().describe("Append refusals to this data entry."),
  self_instruct: z
    .union([text, z.record(z.string(), z.unknown())])
    .optional()
    .describe("Make rows by Self-Instruct: a recipe file, or the recipe itself."),
  max_examples: positiveInteger.optional().describe("prepare: keep at most this many rows, drawn by seed."),
  max_characters: positiveInteger
    .optional()
    .describe("prepare: only rows whose prompt and completion have at most this many characters together."),
  skip: z
    .int()
    .min(0)
    .optional()
    .describe(
      "prepare: leave out the first rows of the draw, so that two entries with one seed share no row. Default 0.",
    ),
  seed: z
    .int()
    .min(0)
    .optional()
    .describe("prepare, mix, refine with a temperature: seed of the draws. Default: the first of seeds."),
  columns: z
    .strictObject({ prompt: text, completion: text, input: text.optional() })
    .optional()
    .describe("prepare: columns of a source whose shape is not known."),
  skip_invalid: z.boolean().optional().describe("prepare: leave malformed rows out and count them."),
  refiner: text.optional().describe("refine: model that rewrites (a name of models, or a reference)."),
  prompt: text.optional().describe("refine: file with {prompt} and {response}, in place of the built-in prompt."),
  marker: text.optional().describe('refine: what the refined response comes after. Default "Refined response:".'),
  max_new_tokens: positiveInteger.optional().describe("refine: most tokens of an answer. Default 8192."),
  temperature: z.number().min(0).optional().describe("refine: 0, the default, takes the most probable token."),
  original_prompts: originalPromptsSchema
    .optional()
    .describe("refine, self_instruct: prompts of the original project, over the experiment's choice."),
  weights: weightsSchema.optional().describe("refine: weights of a local model. Default: float32."),
  safety: text
    .optional()
    .describe("mix: safety examples: a data entry, a source, or a file. Default: the source `safety`."),
  count: z.int().min(0).optional().describe("mix: refusals to append; 0 appends none."),
  model: text.optional().describe("self_instruct: who writes (a name of models, or a reference)."),
});

const armSchema = z.strictObject({
  title: text.optional().describe("What the arm is called in tables. Default: its name."),
  model: text.optional().describe("Base model (a name of models, or a reference). Default: the experiment's model."),
  mode: z
    .enum(["it", "rt", "text"])
    .optional()
    .describe("Tuning: it (instruction and response), rt (responses alone) or text. Without it nothing is trained."),
  data: z
    .union([text, z.array(text).min(1)])
    .optional()
    .describe("Rows to tune on: a data entry, or several, one after the other."),
  set: z
    .record(z.string(), z.unknown())
    .optional()
    .describe("Changes to the experiment's training recipe, for this arm: a block of recipe fields."),
  prompt: text
    .optional()
    .describe("In-context learning without tuning: urial, urial_r, 0shot, or a file with {instruction}."),
  rules: z
    .array(z.enum(RULES))
    .min(1)
    .optional()
    .describe("Rules by which a base model answers (docs/guides/instructability.md): eos, diversity, uniform."),
  chat_template: z
    .enum(["tulu", "model", "none"])
    .optional()
    .describe("How conversations become text for this arm, over the evaluation's choice."),
});

const evaluationSchema = z.strictObject({
  title: text.optional().describe("Heading in the report. Default: the entry's name."),
  suites: z
    .union([text, z.array(text).min(1)])
    .transform((suites) => (Array.isArray(suites) ? suites : [suites]))
    .describe("Names that `evoke eval` takes, such as core, alpaca_eval, just_eval, refusal, user_tasks, instruct."),
  arms: z.array(text).min(1).optional().describe("Arms to evaluate. Default: all."),
  limit: positiveInteger.optional().describe("Only the first rows of each part."),
  shots: z.int().min(0).optional().describe("Worked examples before each question. Default: the benchmark's own."),
  k: positiveInteger.optional().describe("response_ranking: responses drawn for each instruction. Default 5."),
  seed: z
    .int()
    .min(0)
    .optional()
    .describe(
      "Seed of draws: alpaca_eval's judgements, responses (response_ranking) and other instructions (reference_likelihood). Default: the first of seeds.",
    ),
  chat_template: z
    .enum(["tulu", "model", "none"])
    .optional()
    .describe(
      "How conversations become text. Default: as a tuned arm was trained, also where choices are scored; plain text for other arms' choices. none turns it off.",
    ),
  bos: z
    .enum(["tokenizer", "none"])
    .optional()
    .describe(
      "Scored choices: what stands before a context. tokenizer, the default: what its tokenizer puts there; none: nothing, as lm-evaluation-harness 0.4.5.",
    ),
  weights: weightsSchema
    .optional()
    .describe("Weights of local models. Default: float32, which keeps their own precision; int8 writes faster."),
  max_new_tokens: positiveInteger.optional().describe("Most tokens of an answer. Default: the suite's own."),
  judge: text.optional().describe("Model that judges answers (a name of models, or a reference)."),
  judge_max_new_tokens: positiveInteger
    .optional()
    .describe("Most tokens of a judgement. Default: the suite's own; small models that judge may ramble up to it."),
  judge_prompt: text.optional().describe("File with the judge's prompt, in place of the built-in one."),
  judge_safety_prompt: text.optional().describe("just_eval: the same for its rows about safety."),
  original_prompts: originalPromptsSchema
    .optional()
    .describe(
      "Judge prompts, in-context ones and worked examples of the original tools, over the experiment's choice.",
    ),
  rows: z.record(z.string(), text).optional().describe("A suite's rows, by suite: files, or data entries."),
  reference: text.optional().describe("alpaca_eval: file of outputs to compare with."),
  reference_arm: text.optional().describe("alpaca_eval: compare with the answers of this arm."),
  difficulty: text.optional().describe("alpaca_eval: difficulty table for the length-controlled win rate."),
  bertscore: z
    .union([z.boolean(), text])
    .optional()
    .describe("user_tasks: BERTScore as well, by roberta-large (true) or the encoder named."),
  skip_invalid: z.boolean().optional().describe("Leave malformed rows out and count them."),
});

const publishedTableSchema = z.strictObject({
  title: text.describe("Heading of the table in the report."),
  note: text.optional().describe("Why it is not measured here, or how it could be."),
  columns: z.array(text).min(1).describe("Headings of the columns after the rows' names."),
  rows: z
    .record(z.string(), z.array(z.union([z.string(), z.number()])))
    .describe("Cells by the name of the row, in the columns' order, as they were printed."),
});

const publishedSchema = z.strictObject({
  source: text.describe("Where the figures are from, such as a paper and its table."),
  url: z.string().optional().describe("Address of the source."),
  note: text.optional().describe("What a reader must know to compare, such as the model they were measured on."),
  arms: z
    .record(z.string(), z.record(z.string(), z.number().nullable()))
    .describe(
      "Figures by arm and SUITE.METRIC (or EVALUATION/SUITE.METRIC), in our units (accuracies and rates 0 to 1, win rates 0 to 100); null: published, but not at hand.",
    )
    .default({}),
  tables: z
    .array(publishedTableSchema)
    .default([])
    .describe("Published tables that have no counterpart here, such as people's judgements or other base models."),
});

const llmSchema = z.strictObject({
  concurrency: positiveInteger.optional().describe("Requests under way at once, for each step. Default 8."),
  retries: z.int().min(0).optional().describe("Attempts after the first one. Default 9."),
  timeout: z.number().positive().optional().describe("Most seconds for one attempt. Default 300."),
  max_requests: positiveInteger.optional().describe("A step stops after this many requests, retries included."),
  max_tokens: positiveInteger.optional().describe("A step stops after this many tokens, prompts included."),
  api_key_env: text.optional().describe("Environment variable with the key. Default OPENAI_API_KEY."),
  price: z
    .tuple([z.number().min(0), z.number().min(0)])
    .optional()
    .describe("US dollars per million prompt and output tokens, for the estimate."),
  api: z.enum(["auto", "completions", "chat"]).optional().describe("Endpoint for plain prompts."),
  steps: positiveInteger.default(4).describe("Steps that only wait for servers, run at once beside local work."),
});

/** A value of a sweep; `{name}` in data, arms and evaluations stands for it. */
const sweepValue = z.union([z.string(), z.number(), z.boolean()]);

export const experimentSchema = z.strictObject({
  name: name.optional().describe("Short name; the default output folder is runs/NAME. Default: the file's name."),
  title: text.optional().describe("Title of the report."),
  description: text.optional().describe("What is asked, for the report's head."),
  models: named(text).describe(
    "Models by name: folder, .gguf, hf:…, pip:…, bundled:mini, or openai:NAME@BASE_URL; with commas, the first that can be reached.",
  ),
  original_prompts: originalPromptsSchema
    .default(false)
    .describe(
      "Ask with the prompts of the papers' own code, fetched: true; auto takes evoke's own, and says so, where they cannot be had. A prompt named in a file comes first.",
    ),
  model: text.optional().describe("Base model of the arms (a name of models). Default: the first of models."),
  sweep: z
    .record(name, z.array(sweepValue).min(1))
    .default({})
    .describe(
      "Values by name. An entry of data, arms or evaluations with {name} in its key is made once for each value; {name} in its fields stands for the value.",
    ),
  data: named(dataSchema).default({}).describe("Data sets by name, each a file or a step that makes one."),
  recipe: z
    .record(z.string(), z.unknown())
    .default({})
    .describe("Training settings of all arms: fields of a training recipe, such as preset and epochs."),
  arms: named(armSchema).describe("What is compared: untuned, in-context, IT, RT, or any change of the recipe."),
  evaluations: named(evaluationSchema).default({}).describe("What each arm is measured by."),
  seeds: z
    .array(z.int().min(0))
    .min(1)
    .default([0])
    .describe("Each tuned arm is trained once for each seed; figures are means over them."),
  published: z.array(publishedSchema).default([]).describe("Published figures, for the report's reference column."),
  llm: llmSchema.prefault({}).describe("Requests to servers."),
  smoke: z
    .record(z.string(), z.unknown())
    .optional()
    .describe("Laid over the file with --smoke: the same experiment, small. A null takes an entry out."),
  cluster: clusterSchema.optional().describe("A Ray cluster for the trainings, as in a recipe."),
});

/** An experiment with its sweeps expanded and its defaults filled in. */
export type Experiment = Omit<z.output<typeof experimentSchema>, "smoke">;
export type DataEntry = z.output<typeof dataSchema>;
export type Arm = z.output<typeof armSchema>;
export type Evaluation = z.output<typeof evaluationSchema>;
export type LlmSettings = z.output<typeof llmSchema>;

/** JSON Schema (draft 2020-12) of an experiment file, for editors and `evoke schema experiment`. */
export function experimentJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(experimentSchema, { io: "input" }) as Record<string, unknown>;
}
