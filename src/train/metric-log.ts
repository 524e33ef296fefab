/** Where the numbers of each step go: the run's metrics.jsonl, its record, TensorBoard. */
import { EventFileWriter } from "../report/tensorboard.js";
import type { RunFolder, RunRecord, StepMetrics } from "./run-folder.js";

export class MetricLog {
  private readonly writer: EventFileWriter;

  /** @param done steps made before; metrics of later ones, which will be made again, are dropped. */
  constructor(
    private readonly folder: RunFolder,
    private readonly record: RunRecord,
    done: number,
  ) {
    folder.truncateMetrics(done);
    this.writer = new EventFileWriter(folder.tensorboard(), done > 0 ? { fromStep: done + 1 } : {});
  }

  step(metrics: StepMetrics): void {
    const { folder, record, writer } = this;
    folder.append(metrics);
    writer.scalar("train/loss", metrics.loss, metrics.step);
    writer.scalar("train/learning_rate", metrics.lr, metrics.step);
    writer.scalar("train/grad_norm", metrics.grad_norm, metrics.step);
    writer.scalar("train/tokens_per_s", metrics.tokens_per_s, metrics.step);
    if (metrics.validation_loss !== undefined) {
      writer.scalar("validation/loss", metrics.validation_loss, metrics.step);
      record.validationLoss = metrics.validation_loss;
    }
    record.loss = metrics.loss;
    record.progress = { step: metrics.step, steps: record.progress.steps, epoch: metrics.epoch };
  }

  close(): void {
    this.writer.close();
  }
}
