/** A training run from recipe to adapter: loads, checks, trains, and leaves a run folder behind. */
import { existsSync } from "node:fs";
import { cp, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { openCheckpoint } from "../checkpoint/open.js";
import { loadTrainingExamples } from "../data/training-examples.js";
import { FailureError, InterruptedError, UsageError } from "../errors.js";
import { chatFiles } from "../export/hf-files.js";
import { acquireRunLock } from "../files/run-lock.js";
import { sha256OfFile } from "../files/sha256.js";
import { resolveModel } from "../hub/resolve-model.js";
import type { Adapter, AdapterShape } from "../model/adapter.js";
import { decoderConfig } from "../model/architectures/index.js";
import { type DecoderWeights, loadDecoderWeights, type Precision } from "../model/weights.js";
import { loadAdapter, saveAdapter } from "../peft/adapter-io.js";
import { peftBase } from "../peft/base-model.js";
import { trainedShape } from "../peft/trained-adapter.js";
import type { TrainingRecipe } from "../recipe/schema.js";
import { EventFileWriter } from "../report/tensorboard.js";
import { Device } from "../runtime/device.js";
import { localTime } from "../tokenizer/template-date.js";
import { loadTokenizer } from "../tokenizer/tokenizer.js";
import { openNewestCheckpoint } from "./checkpoint-folder.js";
import { runIdentity, versions } from "./identity.js";
import { planMemory } from "./memory-plan.js";
import { AdamW } from "./optimiser.js";
import { newAdapter, readAdapter } from "./parameter-store.js";
import { RunFolder, type RunRecord, type StepMetrics } from "./run-folder.js";
import { listenForStop } from "./signals.js";
import { saveTrainedModel } from "./trained-model.js";
import { plannedSteps, Trainer } from "./trainer.js";
import { TrainingModel } from "./training-model.js";

export interface TrainRunOptions {
  /** Run folder. */
  out: string;
  resume: boolean;
  /** A line worth telling the user. */
  say(line: string): void;
  /** Told the plan before the first step, and each step. */
  onPlan?(plan: { steps: number; done: number; examples: number; tokensPerEpoch: number }): void;
  onStep?(metrics: StepMetrics): void;
}

const precisionOf: Record<TrainingRecipe["quantization"]["type"], Precision> = {
  nf4: "nf4",
  int8: "int8",
  none: "float32",
};

/** Runs a recipe. Throws UsageError, FailureError or InterruptedError; the run folder tells the state in all cases. */
export async function trainRun(recipe: TrainingRecipe, options: TrainRunOptions): Promise<RunRecord> {
  const { out, say } = options;
  const folder = new RunFolder(out);
  if (folder.exists() && !options.resume)
    throw new UsageError(`${out}: already holds a run; use --resume to continue it, or another --out`);
  const started = new Date().toISOString();
  const modelPath = await resolveModel(recipe.model, { say });
  // A resumed run keeps its date: templates may write it.
  const before = options.resume && folder.exists() ? folder.record() : undefined;
  const templateTime = before?.templateTime ?? localTime(new Date(started));
  const tokenizer = await loadTokenizer(modelPath, { templateTime });
  const checkpoint = openCheckpoint(modelPath);
  const config = decoderConfig(checkpoint.config, checkpoint.source);
  const examples = await loadTrainingExamples(recipe, tokenizer, say, config.vocabSize);
  const { train, validation, truncated, dropped, validationTruncated, validationDropped } = examples;
  const shape = recipe.method === "full" ? undefined : trainedShape(config, recipe);
  const lengths = train.map(({ tokens }) => tokens.length);
  const batchSize = recipe.batch.micro * recipe.batch.accumulation;
  const device = await Device.open({
    device: recipe.device === "auto" ? "cpu" : recipe.device,
    threads: recipe.threads,
  });
  const precision = precisionOf[recipe.quantization.type];
  const plan = planMemory({
    config,
    adapter: shape,
    precision,
    lengths,
    microBatch: recipe.batch.micro,
    budgetBytes: recipe.memory.budget_gb === undefined ? undefined : recipe.memory.budget_gb * 1e9,
    recompute: recipe.memory.recompute,
    rowTokens: options.resume && folder.exists() ? folder.record().memory?.rowTokens : undefined,
    onHost: device.name === "cpu",
  });
  const { perEpoch, steps } = plannedSteps(train.length, batchSize, {
    epochs: recipe.epochs,
    maxSteps: recipe.max_steps,
  });
  const identity = runIdentity(recipe, train, validation);
  const record: RunRecord = {
    model: recipe.model,
    modelPath,
    method: recipe.method,
    mode: recipe.mode,
    template: recipe.template,
    templateTime,
    seed: recipe.seed,
    status: "running",
    identity,
    versions: versions(),
    device: { name: device.name, threads: device.threads },
    data: {
      files: Object.fromEntries(recipe.data.path.map((path) => [path, sha256OfFile(path)])),
      examples: train.length,
      validation: validation.length,
      truncated,
      dropped,
      validationTruncated,
      validationDropped,
    },
    memory: { keptLayers: plan.keptLayers, rowTokens: plan.rowTokens, estimateBytes: Math.round(plan.estimate) },
    progress: { step: 0, steps, epoch: 0 },
    started,
  };

  const lock = acquireRunLock(out);
  const stop = listenForStop((signal) => say(`${signal}: finishing the step and saving; once more to quit at once`));
  let writer: EventFileWriter | undefined;
  let opened: TrainingModel | undefined;
  // A run that this one must not or need not continue keeps its record as it is.
  let ours = false;
  try {
    if (options.resume && folder.exists()) {
      const before = folder.record();
      if (before.identity !== identity)
        throw new UsageError(`${out}: holds a run of another recipe, data or model; use another --out`);
      if (before.status === "done") {
        say(`${out}: this run is finished (${before.progress.step} steps); nothing to do`);
        return before;
      }
      record.started = before.started;
    }
    ours = true;
    folder.create(recipe);
    folder.write(record);
    for (const row of examples.skipped) folder.log(`left out: ${row}`);
    folder.log(`start: ${recipe.method} ${recipe.mode}, ${train.length} examples, ${steps} steps`);
    const weights = loadDecoderWeights(checkpoint, { precision, doubleQuant: recipe.quantization.double_quant });
    const start = shape && (await startingAdapter(recipe, weights, shape));
    const model = await TrainingModel.create(device, weights, {
      adapter: start,
      keptLayers: plan.keptLayers,
      compiledTokens: plan.compiledTokens,
    });
    opened = model;
    const optimiser = new AdamW(device, {
      betas: recipe.optimizer.betas,
      epsilon: recipe.optimizer.eps,
      weightDecay: recipe.optimizer.weight_decay,
    });
    const saveResult = async (target: string): Promise<void> => {
      const temporary = `${target}.tmp`;
      await rm(temporary, { recursive: true, force: true });
      await mkdir(temporary, { recursive: true });
      if (shape) {
        await saveAdapter(temporary, await readAdapter(device, model.groups.slice(0, config.layers), shape), {
          base: peftBase(recipe.model, modelPath),
        });
      } else {
        const chat = chatFiles(tokenizer, recipe.template);
        await saveTrainedModel(temporary, checkpoint, modelPath, weights, model, device, chat);
      }
      await rm(target, { recursive: true, force: true });
      await rename(temporary, target);
    };
    const best = join(out, "best");
    const trainer = new Trainer(
      model,
      optimiser,
      train,
      validation,
      {
        learningRate: recipe.optimizer.lr,
        schedule: {
          type: recipe.schedule.type,
          warmupSteps: recipe.schedule.warmup_steps || Math.ceil(recipe.schedule.warmup_ratio * steps),
        },
        microBatch: recipe.batch.micro,
        accumulation: recipe.batch.accumulation,
        packing: recipe.packing,
        rowTokens: plan.rowTokens,
        maxLength: recipe.max_length,
        steps,
        maxGradNorm: recipe.max_grad_norm ?? undefined,
        seed: recipe.seed,
        validateEvery: recipe.validation.every_steps,
        earlyStop: recipe.early_stop && { patience: recipe.early_stop.patience, minDelta: recipe.early_stop.min_delta },
        checkpointEvery: recipe.checkpoint.every_steps,
        keepCheckpoints: recipe.checkpoint.keep,
        identity,
      },
      folder.checkpoints(),
      {
        step: (metrics) => {
          folder.append(metrics);
          writer?.scalar("train/loss", metrics.loss, metrics.step);
          writer?.scalar("train/learning_rate", metrics.lr, metrics.step);
          writer?.scalar("train/grad_norm", metrics.grad_norm, metrics.step);
          writer?.scalar("train/tokens_per_s", metrics.tokens_per_s, metrics.step);
          if (metrics.validation_loss !== undefined) {
            writer?.scalar("validation/loss", metrics.validation_loss, metrics.step);
            record.validationLoss = metrics.validation_loss;
          }
          record.loss = metrics.loss;
          record.progress = { step: metrics.step, steps, epoch: metrics.epoch };
          options.onStep?.(metrics);
        },
        best: () => saveResult(best),
        stopping: () => stop.signal,
      },
    );
    let done = 0;
    const from = options.resume ? openNewestCheckpoint(folder.checkpoints(), identity, say) : undefined;
    if (from) {
      done = from.state.step;
      await trainer.restore(from);
      from.close();
      say(`continuing after step ${done}`);
    }
    folder.truncateMetrics(done);
    writer = new EventFileWriter(folder.tensorboard(), from ? { fromStep: done + 1 } : {});
    const tokensPerEpoch = lengths.reduce((a, b) => a + b, 0);
    options.onPlan?.({ steps, done, examples: train.length, tokensPerEpoch });
    folder.log(`${perEpoch} steps an epoch, ${plan.keptLayers} of ${config.layers} layers keep their activations`);
    const result = await trainer.run();
    const target = shape ? folder.adapter() : join(out, "model");
    if (recipe.early_stop && existsSync(best)) await cp(best, target, { recursive: true });
    else await saveResult(target);
    record.progress = { step: result.state.step, steps, epoch: result.state.epoch };
    record.status = "done";
    record.finished = new Date().toISOString();
    if (result.stoppedEarly)
      record.message = `stopped early; best validation loss at step ${result.state.bestValidation?.step}`;
    folder.log(`done after ${result.state.step} steps`);
    return record;
  } catch (error) {
    record.status = error instanceof InterruptedError ? "interrupted" : "failed";
    record.message = diskFull(error)?.message ?? (error as Error).message;
    throw diskFull(error) ?? error;
  } finally {
    if (ours) folder.write(record);
    writer?.close();
    await opened?.dispose();
    checkpoint.close();
    stop.release();
    lock.release();
  }
}

function diskFull(error: unknown): FailureError | undefined {
  if ((error as NodeJS.ErrnoException).code !== "ENOSPC") return undefined;
  return new FailureError("the disk is full; free some space and run again with --resume", { cause: error });
}

async function startingAdapter(recipe: TrainingRecipe, weights: DecoderWeights, shape: AdapterShape): Promise<Adapter> {
  if (recipe.adapter === undefined) return newAdapter(weights, shape, recipe.seed);
  const loaded = await loadAdapter(recipe.adapter, weights.config);
  return { ...loaded, shape };
}
