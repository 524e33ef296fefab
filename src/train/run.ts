/** A training run from recipe to adapter: prepares, trains, and leaves a run folder behind. */
import { existsSync } from "node:fs";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { FailureError, UsageError } from "../errors.js";
import { acquireRunLock, type RunLock } from "../files/run-lock.js";
import { type DecoderWeights, loadDecoderWeights } from "../model/weights.js";
import type { TrainingRecipe } from "../recipe/schema.js";
import { OutOfMemoryError } from "../runtime/device.js";
import { openNewestCheckpoint } from "./checkpoint-folder.js";
import { checkSameRun } from "./identity.js";
import { lengthChange, scheduleOf } from "./length.js";
import { MetricLog } from "./metric-log.js";
import { AdamW } from "./optimiser.js";
import { saveResult } from "./result.js";
import { RunFolder, type RunRecord, type StepMetrics } from "./run-folder.js";
import { prepareRun, type RunSetup, startingAdapter } from "./setup.js";
import { Trainer, type TrainerOptions, type TrainingResult } from "./trainer.js";
import { TrainingModel } from "./training-model.js";

/** How a run is made and who hears of it. */
export interface TrainRunOptions {
  /** Run folder. */
  out: string;
  resume: boolean;
  /** Aborted: the state is saved, and the call throws the signal's reason. */
  signal?: AbortSignal;
  /** A line worth telling the user. */
  say(line: string): void;
  /** Told the plan before the first step, and each step. */
  onPlan?(plan: { steps: number; done: number; examples: number; tokensPerEpoch: number }): void;
  onStep?(metrics: StepMetrics): void;
}

/** Runs a recipe. Throws UsageError, FailureError or the signal's reason; the run folder tells the state in all cases. */
export async function trainRun(recipe: TrainingRecipe, options: TrainRunOptions): Promise<RunRecord> {
  const { out, say, signal } = options;
  signal?.throwIfAborted();
  const elsewhere = recipe.report_to.filter((tracker) => tracker !== "tensorboard");
  if (elsewhere.length)
    say(`report_to: ${elsewhere.join(", ")}: without effect here; only Ray jobs and exports report there`);
  const folder = new RunFolder(out);
  if (folder.exists() && !options.resume)
    throw new UsageError(`${out}: already holds a run; use --resume to continue it, or another --out`);
  const before = folder.exists() ? folder.record() : undefined;
  const setup = await prepareRun(recipe, before, { say, signal });
  let lock: RunLock | undefined;
  try {
    signal?.throwIfAborted();
    lock = acquireRunLock(out);
    if (before) {
      checkSameRun(before, setup.identity, out);
      const { progress, status, stoppedEarly } = before;
      if (status === "done" && (stoppedEarly || setup.length.steps <= progress.step)) {
        say(`${out}: this run is finished (${progress.step} steps); nothing to do`);
        return before;
      }
    }
    return await execute(setup, folder, before, options);
  } finally {
    setup.checkpoint.close();
    lock?.release();
  }
}

/** Trains, and keeps the record of how it went. */
async function execute(
  setup: RunSetup,
  folder: RunFolder,
  before: RunRecord | undefined,
  options: TrainRunOptions,
): Promise<RunRecord> {
  const { recipe, record, train, length } = setup;
  const { signal } = options;
  folder.create(recipe);
  folder.write(record);
  for (const row of setup.skipped) folder.log(`left out: ${row}`);
  folder.log(`start: ${recipe.method} ${recipe.mode}, ${train.length} examples, ${length.steps} steps`);
  let weights: DecoderWeights | undefined;
  let model: TrainingModel | undefined;
  try {
    const { precision, plan, device } = setup;
    weights = loadDecoderWeights(setup.checkpoint, { precision, doubleQuant: recipe.quantization.double_quant });
    const { keptLayers, compiledTokens } = plan;
    const adapter = await startingAdapter(setup, weights);
    model = await TrainingModel.create(device, weights, { adapter, keptLayers, compiledTokens, signal });
    const result = await runTrainer(setup, folder, before, model, weights, options);
    await finish(setup, folder, model, weights, result);
    return record;
  } catch (error) {
    const stopped = signal?.aborted && error === signal.reason;
    record.status = stopped ? "interrupted" : "failed";
    const reported = stopped ? error : explained(error);
    record.message = reported instanceof Error ? reported.message : String(reported);
    throw reported;
  } finally {
    folder.write(record);
    await model?.dispose();
    weights?.close();
  }
}

async function runTrainer(
  setup: RunSetup,
  folder: RunFolder,
  before: RunRecord | undefined,
  model: TrainingModel,
  weights: DecoderWeights,
  options: TrainRunOptions,
): Promise<TrainingResult> {
  const { recipe, record, device, train, validation, length, plan, config, identity } = setup;
  const { say } = options;
  const optimiser = new AdamW(device, {
    betas: recipe.optimizer.betas,
    epsilon: recipe.optimizer.eps,
    weightDecay: recipe.optimizer.weight_decay,
  });
  let metricLog: MetricLog | undefined;
  const trainer = new Trainer(
    model,
    optimiser,
    train,
    validation,
    trainerOptions(setup, options.signal),
    folder.checkpoints(),
    {
      step: (metrics) => {
        metricLog?.step(metrics);
        options.onStep?.(metrics);
      },
      best: () => saveResult(setup, model, weights, bestFolder(folder)),
    },
  );
  let done = 0;
  const from = before && openNewestCheckpoint(folder.checkpoints(), identity.id, say);
  if (from) {
    done = from.state.step;
    const change = lengthChange(recipe, done, before.progress.steps, length.steps);
    if (change) say(change);
    await trainer.restore(from);
    from.close();
    say(`continuing after step ${done}`);
  }
  try {
    metricLog = new MetricLog(folder, record, done);
    const tokensPerEpoch = train.reduce((sum, { tokens }) => sum + tokens.length, 0);
    options.onPlan?.({ steps: length.steps, done, examples: train.length, tokensPerEpoch });
    const kept = `${plan.keptLayers} of ${config.layers} layers keep their activations`;
    folder.log(`${length.perEpoch} steps an epoch, ${kept}`);
    return await trainer.run();
  } finally {
    metricLog?.close();
  }
}

function trainerOptions({ recipe, plan, length, identity }: RunSetup, signal?: AbortSignal): TrainerOptions {
  const { early_stop } = recipe;
  return {
    learningRate: recipe.optimizer.lr,
    schedule: scheduleOf(recipe, length.steps),
    microBatch: recipe.batch.micro,
    accumulation: recipe.batch.accumulation,
    packing: recipe.packing,
    rowTokens: plan.rowTokens,
    maxLength: recipe.max_length,
    steps: length.steps,
    maxGradNorm: recipe.max_grad_norm ?? undefined,
    seed: recipe.seed,
    validateEvery: recipe.validation.every_steps,
    earlyStop: early_stop && { patience: early_stop.patience, minDelta: early_stop.min_delta },
    checkpointEvery: recipe.checkpoint.every_steps,
    keepCheckpoints: recipe.checkpoint.keep,
    identity: identity.id,
    signal,
  };
}

/** Where the values of the best validation lie while a run with early stopping goes on. */
const bestFolder = (folder: RunFolder): string => join(folder.path, "best");

async function finish(
  setup: RunSetup,
  folder: RunFolder,
  model: TrainingModel,
  weights: DecoderWeights,
  { state, stoppedEarly }: TrainingResult,
): Promise<void> {
  const { recipe, record, length, shape } = setup;
  const target = shape ? folder.adapter() : join(folder.path, "model");
  const best = bestFolder(folder);
  const kept = recipe.early_stop && existsSync(best) ? state.bestValidation?.step : undefined;
  if (kept === undefined) await saveResult(setup, model, weights, target);
  else {
    await cp(best, target, { recursive: true });
    folder.keepStep(record, kept);
  }
  record.progress = { step: state.step, steps: length.steps, epoch: state.epoch };
  record.status = "done";
  record.finished = new Date().toISOString();
  if (stoppedEarly) {
    record.stoppedEarly = true;
    record.message = `stopped early; best validation loss at step ${state.bestValidation?.step}`;
  }
  folder.log(`done after ${state.step} steps`);
}

/** What can be done about an error, where a run can say it better than what threw it. */
function explained(error: unknown): unknown {
  if ((error as NodeJS.ErrnoException).code === "ENOSPC")
    return new FailureError("the disk is full; free some space and run again with --resume", { cause: error });
  if (error instanceof OutOfMemoryError)
    return new FailureError(
      "out of memory: lower batch.micro, max_length or memory.budget_gb, then run again with --resume",
      { cause: error },
    );
  return error;
}
