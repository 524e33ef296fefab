/** What a recipe comes to for another trainer: its rows as tokens and labels, its steps, its model's name there. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { planEpoch } from "../../data/batch-plan.js";
import type { TrainingExample } from "../../data/encode.js";
import { loadTrainingExamples } from "../../data/training-examples.js";
import { UsageError } from "../../errors.js";
import { resolveModel } from "../../hub/resolve-model.js";
import { modelShape } from "../../model/model-shape.js";
import { type TrainedSettings, trainedSettings } from "../../peft/trained-adapter.js";
import type { TrainingRecipe } from "../../recipe/schema.js";
import { localTime } from "../../tokenizer/template-date.js";
import { loadTokenizer } from "../../tokenizer/tokenizer.js";
import { plannedSteps } from "../../train/length.js";
import { checkLaunch, type LaunchPlan, sharedBatch } from "./launch.js";

export interface TrainingPlan {
  recipe: TrainingRecipe;
  /** Folder or Hub name that the other tool loads. */
  model: { name: string; revision?: string };
  /** Undefined when all weights are trained. */
  adapter?: TrainedSettings;
  /** Optimiser steps in all and of one pass over the rows. */
  steps: number;
  stepsPerEpoch: number;
  warmupSteps: number;
  precision: "bfloat16" | "float32";
  /** Batch of one process. */
  batch: { micro: number; accumulation: number };
  /** Rows are read in the order of the file, which is that of evoke's first pass. */
  inSequence: boolean;
  /** Several processes. */
  launch?: LaunchPlan;
  train: readonly TrainingExample[];
  validation: readonly TrainingExample[];
  /** Rows cut at `max_length`, and left out. */
  truncated: number;
  dropped: number;
  /** Where the base model is on this machine. */
  modelPath: string;
  /** The date that the chat template was told, where it asks for one: else exports of another hour have equal bytes. */
  templateTime?: string;
}

export interface PlanOptions {
  /** The base model as the other tool sees it: `hf:ORG/NAME[@REV]` or a path. Default: where the recipe's model is. */
  model?: string;
  precision: "bfloat16" | "float32";
  /** Read the rows in evoke's order of the first pass, in every pass. */
  inSequence?: boolean;
  /** Several processes, and how they share the model. */
  launch?: Omit<LaunchPlan, "precision">;
  say(line: string): void;
}

/** @throws UsageError when the recipe asks for what bitsandbytes and PEFT cannot do, or its model is no folder for them. */
export async function planTraining(recipe: TrainingRecipe, options: PlanOptions): Promise<TrainingPlan> {
  const { say, precision } = options;
  const { type, block_size } = recipe.quantization;
  if (type === "nf4" && block_size !== 64)
    throw new UsageError(`quantization.block_size: bitsandbytes uses blocks of 64, not ${block_size}`);
  const launch = options.launch && { ...options.launch, precision };
  if (launch) checkLaunch(launch, recipe);
  const path = await resolveModel(recipe.model, { say, weights: false });
  const adapter = recipe.method === "full" ? undefined : trainedSettings(modelShape(path), recipe);
  const templateTime = localTime();
  const tokenizer = await loadTokenizer(path, { templateTime });
  const { train, validation, truncated, dropped } = await loadTrainingExamples(recipe, tokenizer, say);
  const { micro, accumulation } = recipe.batch;
  const { steps, perEpoch } = plannedSteps(train.length, micro * accumulation, {
    epochs: recipe.epochs,
    maxSteps: recipe.max_steps,
  });
  return {
    recipe,
    model: options.model === undefined ? modelAt(recipe.model, path) : namedModel(options.model),
    adapter,
    steps,
    stepsPerEpoch: perEpoch,
    warmupSteps: recipe.schedule.warmup_steps || Math.ceil(recipe.schedule.warmup_ratio * steps),
    precision,
    batch: launch ? sharedBatch(recipe.batch, launch.processes) : recipe.batch,
    inSequence: options.inSequence ?? false,
    ...(launch ? { launch } : {}),
    train: inOrder(train, recipe),
    validation,
    truncated,
    dropped,
    modelPath: path,
    ...(recipe.template === "model" && /strftime_now/.test(tokenizer.chatTemplate ?? "") ? { templateTime } : {}),
  };
}

/** Rows as evoke's first pass takes them, so that a trainer that reads them in sequence makes the same updates. */
function inOrder(train: readonly TrainingExample[], { seed, batch, max_length }: TrainingRecipe): TrainingExample[] {
  const plan = planEpoch(
    train.map(({ tokens }) => tokens.length),
    {
      seed,
      epoch: 0,
      microBatch: batch.micro,
      accumulation: batch.accumulation,
      packing: false,
      maxLength: max_length,
    },
  );
  return plan.flat().map((index) => train[index]!);
}

/** The Hub name and the very commit of a model from the Hub, else its folder. */
function modelAt(reference: string, path: string): TrainingPlan["model"] {
  const [, repository, revision] = /models--([^/\\]+)[/\\]snapshots[/\\]([0-9a-f]{40})$/.exec(path) ?? [];
  if (repository !== undefined) return { name: repository.replace("--", "/"), revision };
  if (existsSync(join(path, "config.json"))) return { name: resolve(path) };
  throw new UsageError(
    `${reference}: is no Hugging Face folder, which the other trainer needs; name one with --model (a path there, or hf:ORG/NAME)`,
  );
}

function namedModel(text: string): TrainingPlan["model"] {
  if (!text.startsWith("hf:")) return { name: text };
  const [name, revision] = text.slice(3).split("@");
  return { name: name!, ...(revision ? { revision } : {}) };
}

/**
 * A row as TRL and Axolotl take it without tokenising again: labels are the token ids where the loss is taken and −100
 * elsewhere, so that both train on the very tokens and masks that evoke does.
 */
export function labelledRow({ tokens, mask }: TrainingExample): {
  input_ids: number[];
  attention_mask: number[];
  labels: number[];
} {
  const ids = [...tokens];
  return { input_ids: ids, attention_mask: ids.map(() => 1), labels: ids.map((id, i) => (mask[i] ? id : -100)) };
}
