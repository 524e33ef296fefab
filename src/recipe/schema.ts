import { z } from "zod";
import { clusterSchema } from "./cluster.js";
import { presetNames } from "./presets.js";

/**
 * The training recipe: what `evoke train RECIPE.yaml` reads. Every field has its meaning, unit and range in
 * `.describe()`, which is also what `evoke schema recipe` prints. Defaults are the numbers of the paper's QLoRA
 * recipe (Response Tuning, arXiv 2410.02465); fields whose default depends on another one are settled in
 * `resolve.ts`.
 */

const positiveInteger = z.int().min(1);
const fraction = z.number().min(0).lt(1);

const dataSchema = z.strictObject({
  path: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .transform((path) => (Array.isArray(path) ? path : [path]))
    .describe(
      "Training rows: one JSONL or JSON file, or a list of them read in order. Relative to the recipe's folder.",
    ),
  format: z
    .enum(["auto", "prompt-completion", "alpaca", "sharegpt", "messages", "text"])
    .default("auto")
    .describe("Row schema; auto looks at the first row of each file."),
  columns: z
    .record(z.string(), z.string())
    .default({})
    .describe("Column mapping, wanted name: name in the file, e.g. {instruction: question, output: answer}."),
  max_examples: positiveInteger.optional().describe("Keep only the first N rows over all files; all when absent."),
  skip_invalid: z
    .boolean()
    .default(false)
    .describe("Count and skip rows that cannot be used instead of stopping at the first one."),
  validation: z
    .union([z.string().min(1), z.number().gt(0).lt(1)])
    .optional()
    .describe(
      "Rows for the validation loss: a file (relative to the recipe's folder), or the fraction of the training rows to hold out (above 0, below 1). None when absent.",
    ),
});

const loraSchema = z.strictObject({
  r: positiveInteger.default(64).describe("Rank of the update matrices."),
  alpha: z.number().positive().default(16).describe("Scale: the update is multiplied by alpha / r."),
  dropout: fraction.default(0.1).describe("Dropout on the input of the update, 0 to below 1."),
  target_modules: z
    .union([z.literal("all-linear"), z.array(z.string().min(1)).min(1)])
    .default("all-linear")
    .describe(
      "all-linear (every linear layer but the output head), or a list of module names such as [q_proj, v_proj].",
    ),
  use_rslora: z
    .boolean()
    .default(false)
    .describe("Rank-stabilised LoRA: the update is multiplied by alpha / √r, so that large ranks keep learning."),
  use_dora: z
    .boolean()
    .default(false)
    .describe("DoRA: the length of each row of the adapted weights is trained apart from its direction."),
});

const quantizationSchema = z.strictObject({
  type: z
    .enum(["nf4", "int8", "none"])
    .optional()
    .describe("How the frozen base weights are stored. Default: nf4 for method qlora, none for lora and full."),
  double_quant: z.boolean().default(true).describe("nf4: quantise the block scales too (0.37 bits a weight less)."),
  block_size: z
    .union([z.literal(32), z.literal(64), z.literal(128), z.literal(256), z.literal(512), z.literal(1024)])
    .default(64)
    .describe("nf4: weights that share one scale."),
});

const optimizerSchema = z.strictObject({
  lr: z.number().positive().default(1e-4).describe("Peak learning rate of AdamW."),
  betas: z
    .tuple([fraction, fraction])
    .default([0.9, 0.999])
    .describe("Decay rates of AdamW's first and second moment, each 0 to below 1."),
  eps: z.number().positive().default(1e-8).describe("AdamW's epsilon."),
  weight_decay: z.number().min(0).default(0).describe("AdamW's decoupled weight decay."),
});

const scheduleSchema = z.strictObject({
  type: z
    .enum(["constant", "linear", "cosine"])
    .default("constant")
    .describe("Learning rate after the warm-up: constant, or falling to 0 at the last step."),
  warmup_steps: z
    .int()
    .min(0)
    .default(0)
    .describe("Optimiser steps over which the rate rises linearly from 0; if above 0, wins over warmup_ratio."),
  warmup_ratio: fraction.default(0).describe("The same as a fraction of all optimiser steps."),
});

const batchSchema = z.strictObject({
  micro: positiveInteger.default(8).describe("Examples computed at once. Counts examples whether packed or not."),
  accumulation: positiveInteger
    .default(8)
    .describe("Micro-batches summed for one optimiser step; batch size = micro × accumulation."),
});

const memorySchema = z.strictObject({
  budget_gb: z
    .number()
    .positive()
    .optional()
    .describe("Memory the run may use, in 10⁹ bytes. Default: what is free when it starts, less a reserve."),
  recompute: z
    .enum(["auto", "all", "none"])
    .default("auto")
    .describe("Layers whose activations are computed again in the backward pass: auto = as many as the budget needs."),
});

const validationSchema = z.strictObject({
  every_steps: positiveInteger
    .optional()
    .describe("Optimiser steps between validation losses. Default: once at the end of each epoch."),
  max_examples: positiveInteger.optional().describe("Use only the first N validation rows; all when absent."),
});

const earlyStopSchema = z.strictObject({
  patience: positiveInteger.default(3).describe("Stop after this many validations in a row without improvement."),
  min_delta: z
    .number()
    .min(0)
    .default(0)
    .describe("How much the validation loss must fall to count as an improvement."),
});

/** Trackers that both TRL and Axolotl know, by TRL's names. */
const TRACKERS = ["wandb", "mlflow", "tensorboard", "trackio", "comet_ml"] as const;

const checkpointSchema = z.strictObject({
  every_steps: positiveInteger
    .default(50)
    .describe("Optimiser steps between checkpoints. One is also written at the end and when the run is stopped."),
  keep: positiveInteger.default(2).describe("Newest checkpoints kept on disk."),
});

/** Schema of a training recipe after its preset and the `--set` values were applied. */
export const trainingRecipeSchema = z.strictObject({
  model: z
    .string()
    .min(1)
    .describe(
      "Base model: a folder, a .gguf file, hf:ORG/NAME[@REV], pip:NAME==VERSION or bundled:mini; several with commas, the first reachable one is used. A path that starts with ./ or ../ is relative to the recipe's folder.",
    ),
  adapter: z
    .string()
    .min(1)
    .optional()
    .describe("PEFT adapter folder to continue from, relative to the recipe's folder."),
  preset: z
    .enum(presetNames)
    .optional()
    .describe("Named set of values (the paper's recipes) that the other fields override."),
  method: z
    .enum(["qlora", "lora", "full"])
    .default("qlora")
    .describe(
      "qlora: adapter over a quantised base; lora: adapter over the base as quantization.type says; full: all weights.",
    ),
  mode: z
    .enum(["it", "rt", "text"])
    .default("it")
    .describe(
      "it: instruction and response, loss on the response; rt: the response alone; text: plain language modelling, loss on every token.",
    ),
  template: z
    .enum(["tulu", "model"])
    .default("tulu")
    .describe("How turns become text: the paper's <|user|>/<|assistant|> tags, or the model's own chat template."),
  count_newline_after_eos: z
    .boolean()
    .default(false)
    .describe(
      "Also take the loss on the newline that follows the end-of-sequence token, as the paper's reference code does.",
    ),
  data: dataSchema.describe("Training and validation rows."),
  lora: loraSchema
    .prefault({})
    .describe(
      "Adapter (methods qlora and lora). With `adapter`, that one keeps its own shape: leave this out, or repeat it.",
    ),
  quantization: quantizationSchema.prefault({}).describe("Storage of the frozen base weights."),
  optimizer: optimizerSchema.prefault({}).describe("AdamW."),
  schedule: scheduleSchema.prefault({}).describe("Learning rate over the run."),
  batch: batchSchema.prefault({}).describe("Examples in a step."),
  epochs: z
    .number()
    .positive()
    .default(10)
    .describe("Passes over the training rows; a fraction ends within a pass. Ignored when max_steps is given."),
  max_steps: positiveInteger.optional().describe("Optimiser steps in all; overrides epochs."),
  max_length: z.int().min(2).default(2048).describe("Longest example in tokens; the rest is cut off and reported."),
  max_grad_norm: z
    .number()
    .positive()
    .nullable()
    .default(0.3)
    .describe("Gradients are scaled down to this global L2 norm; null: no clipping."),
  packing: z
    .boolean()
    .default(true)
    .describe(
      "Lay the examples of a micro-batch one behind the other without padding; they never see each other, and the loss is the same.",
    ),
  memory: memorySchema.prefault({}).describe("Memory limits."),
  validation: validationSchema.prefault({}).describe("When the validation loss is computed."),
  early_stop: earlyStopSchema
    .optional()
    .describe("Stop when the validation loss no longer falls; needs data.validation. Off when absent."),
  checkpoint: checkpointSchema.prefault({}).describe("Checkpoints for resuming."),
  report_to: z
    .array(z.enum(TRACKERS))
    .default([])
    .describe(
      "Trackers that a Ray job and exported recipes report to; keys and addresses are read from the environment there. Runs of this machine always write TensorBoard's files, and report nowhere else.",
    ),
  seed: z.int().min(0).default(0).describe("Seed of the data order, the dropout and the initial adapter."),
  device: z.enum(["auto", "cpu", "webgpu", "cuda"]).default("auto").describe("Where the arithmetic runs."),
  threads: positiveInteger.optional().describe("CPU threads. Default: as many as the process may use."),
  out: z
    .string()
    .min(1)
    .optional()
    .describe("Run folder, relative to the current folder, as --out. Default: a new folder under runs/."),
  cluster: clusterSchema.optional().describe("A Ray cluster that trains instead of this machine."),
});

/** A recipe with every default filled in. Keys are those of the YAML file. */
export type TrainingRecipe = Omit<z.output<typeof trainingRecipeSchema>, "lora"> & {
  /** Complete for a new adapter; with `adapter`, only what the recipe itself says, to be compared with that one. */
  lora: Partial<z.output<typeof loraSchema>>;
  quantization: { type: "nf4" | "int8" | "none" };
};

/** JSON Schema (draft 2020-12) of a recipe file, for editors and `evoke schema recipe`. */
export function recipeJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(trainingRecipeSchema, { io: "input" }) as Record<string, unknown>;
}
