/** The training loop. */
import { planEpoch } from "../data/batch-plan.js";
import type { TrainingExample } from "../data/encode.js";
import { FailureError } from "../errors.js";
import { type LoadedCheckpoint, type NamedTensor, saveCheckpoint, type TrainingState } from "./checkpoint-folder.js";
import { balancedRows, type TrainingRow, trainingRow } from "./examples.js";
import type { AdamW } from "./optimiser.js";
import type { StepMetrics } from "./run-folder.js";
import { type Schedule, scheduleFactor } from "./schedule.js";
import type { TrainingModel } from "./training-model.js";

export interface TrainerOptions {
  learningRate: number;
  schedule: Schedule;
  microBatch: number;
  accumulation: number;
  packing: boolean;
  /** Longest row in tokens; a micro-batch of more is computed in several rows, with the same result. */
  rowTokens: number;
  maxLength: number;
  /** Optimiser updates in all. */
  steps: number;
  maxGradNorm?: number;
  seed: number;
  validateEvery?: number;
  earlyStop?: { patience: number; minDelta: number };
  checkpointEvery: number;
  keepCheckpoints: number;
  identity: string;
  /** Aborted: what is done is saved and the run throws the reason; an update under way is made again on resuming. */
  signal?: AbortSignal;
}

/** What the trainer tells as it goes. */
export interface TrainerEvents {
  step(metrics: StepMetrics): void;
  /** A validation improved on all before it. */
  best(loss: number, step: number): Promise<void>;
}

export interface TrainingResult {
  state: TrainingState;
  loss: number;
  stoppedEarly: boolean;
}

export class Trainer {
  private state: TrainingState;
  /** The newest state on the disk has all that this one has. */
  private saved = true;

  constructor(
    private readonly model: TrainingModel,
    private readonly optimiser: AdamW,
    private readonly examples: readonly TrainingExample[],
    private readonly validation: readonly TrainingExample[],
    private readonly options: TrainerOptions,
    private readonly checkpoints: string,
    private readonly events: TrainerEvents,
  ) {
    this.state = {
      step: 0,
      epoch: 0,
      stepInEpoch: 0,
      targetTokens: 0,
      tokens: 0,
      stale: 0,
      identity: options.identity,
    };
  }

  /** Continues from a checkpoint. */
  async restore(checkpoint: LoadedCheckpoint): Promise<void> {
    this.state = checkpoint.state;
    for (const { id, parameters } of this.model.groups)
      for (const parameter of parameters)
        for (const part of ["value", "m", "v"] as const) {
          const data = checkpoint.tensor(`${id}/${parameter.name}.${part}`);
          this.model.device.free(parameter[part]);
          parameter[part] = await this.model.device.upload("float32", data, parameter.dims);
        }
  }

  async run(): Promise<TrainingResult> {
    try {
      return await this.loop();
    } catch (error) {
      const { signal } = this.options;
      if (signal?.aborted && error === signal.reason && !this.saved) await this.save();
      throw error;
    }
  }

  private async loop(): Promise<TrainingResult> {
    const { options, state } = this;
    let loss = Number.NaN;
    // A run that was killed after its last validation has stopped already.
    let stoppedEarly = this.hasStopped();
    if (state.unvalidated) {
      loss = state.unvalidated.loss;
      stoppedEarly = await this.finishStep(state.unvalidated);
    }
    while (state.step < options.steps && !stoppedEarly) {
      const plan = this.epochPlan(state.epoch);
      while (state.stepInEpoch < plan.length && state.step < options.steps && !stoppedEarly) {
        const metrics = await this.update(plan);
        loss = metrics.loss;
        stoppedEarly = await this.finishStep(metrics);
        if (state.stepInEpoch === 0) break; // the epoch is over
      }
    }
    return { state, loss, stoppedEarly };
  }

  /** One update of the values, with its figures. */
  private async update(plan: readonly number[][]): Promise<StepMetrics> {
    const { state } = this;
    const began = performance.now();
    const rows = this.rowsOf(plan[state.stepInEpoch]!);
    const { stepLoss: loss, norm, lr } = await this.step(rows);
    this.saved = false;
    state.step++;
    state.stepInEpoch++;
    const tokens = rows.reduce((sum, { row }) => sum + row.used, 0);
    state.tokens += tokens;
    state.targetTokens += rows.reduce((sum, { targets }) => sum + targets, 0);
    const epochEnds = state.stepInEpoch === plan.length;
    const metrics = {
      step: state.step,
      epoch: state.epoch + state.stepInEpoch / plan.length,
      loss,
      lr,
      grad_norm: norm,
      tokens: state.tokens,
      tokens_per_s: tokens / ((performance.now() - began) / 1000),
      rss_bytes: process.memoryUsage.rss(),
    };
    if (epochEnds) {
      state.epoch++;
      state.stepInEpoch = 0;
    }
    return metrics;
  }

  /** What follows an update: validation, its figures told, a checkpoint where one is due. @returns whether to stop early. */
  private async finishStep(metrics: StepMetrics): Promise<boolean> {
    const { options, state } = this;
    let stoppedEarly = false;
    if (this.validation.length && this.validationDue(state.stepInEpoch === 0)) {
      state.unvalidated = metrics; // an abort in here is saved with it
      metrics.validation_loss = await this.validate();
      stoppedEarly = await this.judge(metrics.validation_loss);
    }
    delete state.unvalidated;
    this.events.step(metrics);
    const ends = state.step === options.steps || stoppedEarly;
    if (ends || state.step % options.checkpointEvery === 0) await this.save();
    if (!ends) options.signal?.throwIfAborted();
    return stoppedEarly;
  }

  /** The examples of each update of an epoch. */
  private epochPlan(epoch: number): number[][] {
    const { microBatch, accumulation, packing, maxLength, seed } = this.options;
    const lengths = this.examples.map(({ tokens }) => tokens.length);
    const micro = planEpoch(lengths, { seed, epoch, microBatch, accumulation, packing, maxLength });
    const steps: number[][] = [];
    for (let at = 0; at < micro.length; at += accumulation) steps.push(micro.slice(at, at + accumulation).flat());
    return steps;
  }

  /** An update's rows, laid out when it is made. Which examples form it does not depend on how they are laid. */
  private rowsOf(indices: readonly number[]): TrainingRow[] {
    const { rowTokens, microBatch } = this.options;
    const lengths = (index: number): number => this.examples[index]!.tokens.length;
    return balancedRows(indices, lengths, rowTokens, microBatch).map((row) =>
      trainingRow(row.map((index) => ({ ...this.examples[index]!, index }))),
    );
  }

  /** One update. Nothing is changed when a loss or gradient is not finite. */
  private async step(rows: readonly TrainingRow[]): Promise<{ stepLoss: number; norm: number; lr: number }> {
    const { options, state, model } = this;
    await model.zeroGradients();
    const targets = rows.reduce((sum, row) => sum + row.targets, 0);
    let stepLoss = 0;
    for (const row of rows) {
      const part = await model.accumulate(row, targets, { seed: options.seed, epoch: state.epoch });
      if (!Number.isFinite(part)) throw this.notFinite("loss", [row]);
      stepLoss += part;
    }
    let squared = 0;
    for (const { parameters } of model.groups) squared += await this.optimiser.squaredNorm(parameters);
    const norm = Math.sqrt(squared);
    if (!Number.isFinite(norm)) throw this.notFinite("gradient", rows);
    const limit = options.maxGradNorm;
    // The same guard against division by zero as PyTorch's clip_grad_norm_.
    const gradientScale = limit === undefined ? 1 : Math.min(1, limit / (norm + 1e-6));
    const lr = options.learningRate * scheduleFactor(options.schedule, state.step, options.steps);
    const sizes = { learningRate: lr, gradientScale, step: state.step + 1 };
    for (const { parameters } of model.groups) await this.optimiser.update(parameters, sizes);
    return { stepLoss, norm, lr };
  }

  private notFinite(what: string, rows: readonly TrainingRow[]): FailureError {
    const indices = rows.flatMap(({ documents }) => documents.map(({ index }) => index));
    const shown = indices.slice(0, 8).join(", ") + (indices.length > 8 ? ", …" : "");
    return new FailureError(
      `the ${what} is not finite at step ${this.state.step + 1} (examples ${shown}); the last checkpoint is kept. ` +
        "Lower optimizer.lr or look at those examples, then run again with --resume",
    );
  }

  private validationDue(epochEnds: boolean): boolean {
    const every = this.options.validateEvery;
    if (every === undefined) return epochEnds || this.state.step === this.options.steps;
    return this.state.step % every === 0;
  }

  /** Mean loss over all targets of the validation examples. */
  private async validate(): Promise<number> {
    const lengths = (index: number): number => this.validation[index]!.tokens.length;
    const indices = [...this.validation.keys()];
    let loss = 0;
    let targets = 0;
    for (const row of balancedRows(indices, lengths, this.options.rowTokens, indices.length)) {
      const result = await this.model.evaluate(trainingRow(row.map((index) => this.validation[index]!)));
      loss += result.loss;
      targets += result.targets;
    }
    return loss / targets;
  }

  /** Keeps count of improvements; true when it is time to stop. */
  private async judge(loss: number): Promise<boolean> {
    const { state } = this;
    const { earlyStop } = this.options;
    if (!state.bestValidation || loss < state.bestValidation.loss - (earlyStop?.minDelta ?? 0)) {
      state.bestValidation = { loss, step: state.step };
      state.stale = 0;
      if (earlyStop) await this.events.best(loss, state.step);
      return false;
    }
    state.stale++;
    return this.hasStopped();
  }

  private hasStopped(): boolean {
    const { earlyStop } = this.options;
    return earlyStop !== undefined && this.state.stale >= earlyStop.patience;
  }

  /** A full checkpoint of where the run stands. */
  private async save(): Promise<void> {
    const tensors: NamedTensor[] = [];
    for (const { id, parameters } of this.model.groups)
      for (const parameter of parameters)
        for (const part of ["value", "m", "v"] as const) {
          const data = (await this.model.device.download(parameter[part])) as Float32Array;
          tensors.push({ name: `${id}/${parameter.name}.${part}`, dims: parameter.dims, data });
        }
    saveCheckpoint(this.checkpoints, this.state, tensors, this.options.keepCheckpoints);
    this.saved = true;
  }
}
