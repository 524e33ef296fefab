import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { UsageError } from "../errors.js";
import { loadRecipe, parseRecipe } from "../recipe/load.js";
import type { TrainingRecipe } from "../recipe/schema.js";
import { trainRun } from "../train/run.js";
import { RunFolder, type RunRecord, type StepMetrics } from "../train/run-folder.js";
import type { CallOptions, NoticeEvent } from "./events.js";
import type { TrainingRecipeInput } from "./inputs/training-recipe.js";
import { Task } from "./task.js";

/** Told once, before the first step. */
export interface TrainPlanEvent {
  type: "plan";
  /** Optimiser updates in all. */
  steps: number;
  /** Updates that earlier calls have done. */
  done: number;
  /** Training examples of an epoch. */
  examples: number;
  /** Tokens of an epoch, prompts included. */
  tokensPerEpoch: number;
  /** Examples of one update. */
  batchSize: number;
  /** qlora, lora or full. */
  method: TrainingRecipe["method"];
  /** it, rt or text. */
  mode: TrainingRecipe["mode"];
}

/** Told after each optimiser update. */
export interface TrainStepEvent {
  type: "step";
  /** Number of the update, from 1. */
  step: number;
  /** Epochs gone by, with the part of the one under way. */
  epoch: number;
  /** Mean cross-entropy in nats per target token. */
  loss: number;
  /** Of this update, after warm-up and decay. */
  learningRate: number;
  /** L2 norm of the gradient before clipping. */
  gradNorm: number;
  /** Tokens trained on since the start of the run. */
  tokens: number;
  /** Of this update. */
  tokensPerSecond: number;
  /** Mean loss over the validation rows, after the updates where it was computed. */
  validationLoss?: number;
}

/** What `train` tells. */
export type TrainEvent = NoticeEvent | TrainPlanEvent | TrainStepEvent;

/** Options of `train`. */
export interface TrainOptions extends CallOptions<TrainEvent> {
  /** A recipe file (YAML), or a recipe as data with the same keys. */
  recipe: string | TrainingRecipeInput;
  /** Fields over the recipe's, as `evoke train --set` takes them, such as `lora.r=16`. Only with a recipe file. */
  set?: readonly string[] | undefined;
  /** Run folder; default: `out` of the recipe, else `runs/NAME` after the recipe file, else `runs/MODE`. */
  out?: string | undefined;
  /** What to do with a run that the folder holds: go on (true), refuse (false, the default), or "auto": go on if there is one. */
  resume?: boolean | "auto" | undefined;
  /** Address of a Ray cluster that trains; default: the recipe's. `local` trains here whatever the recipe says. */
  on?: string | undefined;
  /** On a cluster: begin a job of its own, also where one of the same recipe runs or ran. Default false. */
  fresh?: boolean | undefined;
}

/** A finished training. */
export interface TrainResult {
  /** Run folder; every call that takes a model takes it. */
  folder: string;
  /** Optimiser updates done, and epochs gone by. */
  steps: number;
  /** Epochs trained, with the part of the last one. */
  epochs: number;
  /** Loss of the last update; absent where a finished run has none on record. */
  loss?: number;
  /** The last validation's loss; absent without validation rows. */
  validationLoss?: number;
  /** Whether the run ended because its validation loss no longer fell. */
  stoppedEarly: boolean;
  /** Folder of the PEFT adapter, or of the model where all weights were trained. */
  weights: string;
}

/**
 * Fine-tunes a model. The run folder holds checkpoints, metrics and the adapter; an aborted run goes on with `resume`, and its
 * result is that of a run that was never stopped, to the byte.
 *
 * @throws UsageError for a recipe, file or folder that cannot be used; FailureError when the work fails (memory, disk, a loss
 * that is not finite); the signal's reason when it is aborted, after the state was saved.
 */
export function train(options: TrainOptions): Task<TrainEvent, TrainResult> {
  return new Task<TrainEvent, TrainResult>(options, async ({ signal, emit, say }) => {
    const { resume = false, on, fresh = false } = options;
    const recipe = await recipeOf(options);
    const out = folderOf(options, recipe);
    const cluster = on === "local" ? undefined : (on ?? recipe.cluster?.address);
    if (cluster === undefined && fresh) throw new UsageError("fresh is for jobs on a cluster; name one with on (--on)");
    const run = cluster === undefined ? trainRun : (await import("../cluster/ray/train.js")).clusterTrainRun;
    const record = await run(recipe, {
      ...(cluster === undefined ? {} : { on: cluster, fresh }),
      out,
      resume: resume === "auto" ? new RunFolder(out).exists() : resume,
      signal,
      say,
      onPlan: (plan) => {
        const { method, mode, batch } = recipe;
        emit({ type: "plan", ...plan, batchSize: batch.micro * batch.accumulation, method, mode });
      },
      onStep: (metrics) => emit(stepEvent(metrics)),
    });
    return result(out, record);
  });
}

function recipeOf({ recipe, set = [] }: TrainOptions): Promise<TrainingRecipe> {
  if (typeof recipe === "string") return loadRecipe(recipe, set);
  return Promise.resolve(parseRecipe({ ...recipe }));
}

function folderOf({ recipe, out }: TrainOptions, { out: own, mode }: TrainingRecipe): string {
  const name = typeof recipe === "string" ? basename(recipe).replace(/\.ya?ml$/, "") : mode;
  return out ?? own ?? join("runs", name);
}

function stepEvent(metrics: StepMetrics): TrainStepEvent {
  const { step, epoch, loss, lr, grad_norm, tokens, tokens_per_s, validation_loss } = metrics;
  return {
    type: "step",
    ...{ step, epoch, loss, learningRate: lr, gradNorm: grad_norm, tokens, tokensPerSecond: tokens_per_s },
    ...(validation_loss === undefined ? {} : { validationLoss: validation_loss }),
  };
}

function result(folder: string, { progress, loss, validationLoss, stoppedEarly }: RunRecord): TrainResult {
  const model = join(folder, "model");
  return {
    folder,
    steps: progress.step,
    epochs: progress.epoch,
    ...(loss === undefined ? {} : { loss }),
    ...(validationLoss === undefined ? {} : { validationLoss }),
    stoppedEarly: stoppedEarly === true,
    weights: existsSync(join(model, "config.json")) ? model : new RunFolder(folder).adapter(),
  };
}
