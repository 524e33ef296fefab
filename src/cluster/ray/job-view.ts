/** What a run folder and the terminal show of a job: its output turned into metrics, progress and a result. */
import { appendFileSync, existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { EventFileWriter } from "../../report/tensorboard.js";
import type { TrainRunOptions } from "../../train/run.js";
import type { RunFolder, RunRecord, StepMetrics } from "../../train/run-folder.js";
import { type JobEvent, parseJobLine } from "./job-events.js";
import type { PreparedJob } from "./prepare.js";
import type { JobResult } from "./result.js";

/** Words of Ray, its autoscaler and Ray Train for what a job waits for. */
const WAITING =
  /pending (task|actor|node)|insufficient|no available node type|cannot be (scheduled|fulfilled|placed)|waiting (for|on) |not enough resources|infeasible|autoscaler.*(error|warning|adding|launch)/i;

export class JobView {
  /** Last step told. */
  step = 0;
  /** Whether its workers have begun. */
  started = false;
  /** Why the job failed, in its own words. */
  error?: string;
  /** The last line that the job printed for people. */
  lastLine?: string;
  /** With early stop: the step that the result is of. */
  bestStep?: number;

  private writer?: EventFileWriter;
  private files: Pick<JobResult, "kind" | "files"> | undefined;
  private readonly pieces = new Map<string, Map<number, Uint8Array>>();
  private readonly reasons = new Set<string>();
  private readonly tokensUpTo: number[];
  private readonly output: string;

  constructor(
    private readonly folder: RunFolder,
    private readonly record: RunRecord,
    private readonly prepared: PreparedJob,
    private readonly options: TrainRunOptions,
  ) {
    let tokens = 0;
    this.tokensUpTo = [0, ...prepared.stepTokens.map((count) => (tokens += count))];
    this.output = join(folder.path, "job-output.txt");
    if (existsSync(this.output)) renameSync(this.output, join(folder.path, "job-output.previous.txt"));
  }

  /** Takes a line of the job's output. A line may come again: steps already told are passed over. */
  line(line: string): void {
    const event = parseJobLine(line);
    if (event) this.take(event);
    else if (line.trim() !== "") this.forPeople(stripVTControlCharacters(line));
  }

  /** What the output names as the result. */
  result(): JobResult | undefined {
    return this.files && { ...this.files, pieces: this.pieces };
  }

  /** Steps that lay beside the result, for those that the output did not tell. */
  fillIn(steps: readonly string[]): void {
    if (!this.started && steps.length) {
      this.folder.truncateMetrics(0);
      this.writer ??= new EventFileWriter(this.folder.tensorboard());
    }
    for (const line of steps) {
      const event = parseJobLine(`evoke: ${line}`);
      if (event?.event === "step") this.metrics(event);
    }
  }

  close(): void {
    this.writer?.close();
  }

  /** Kept in a file; what says that something is waited for is told while nothing trains. */
  private forPeople(line: string): void {
    appendFileSync(this.output, `${line}\n`);
    this.lastLine = line.trim();
    const reason = line.replace(/^\s*\([^)]*\)\s*/, "").trim();
    if (this.started || !WAITING.test(line) || this.reasons.has(reason)) return;
    this.reasons.add(reason);
    this.options.say(`${this.prepared.id}: ${reason.slice(0, 300)}`);
  }

  private take(event: JobEvent): void {
    switch (event.event) {
      case "begin": // what an earlier attempt ended with does not count
        this.error = undefined;
        this.files = undefined;
        this.pieces.clear();
        break;
      case "start":
        this.start(event);
        break;
      case "step":
        this.metrics(event);
        break;
      case "checkpoint":
        this.folder.log(`checkpoint after step ${event.step}`);
        break;
      case "file": {
        const pieces = this.pieces.get(event.name) ?? new Map<number, Uint8Array>();
        this.pieces.set(event.name, pieces.set(event.at, Buffer.from(event.data, "base64")));
        break;
      }
      case "result":
        this.files = { kind: event.kind, files: event.files };
        break;
      case "done":
        this.bestStep = event.best_step ?? undefined;
        break;
      case "error":
        this.error = event.message;
    }
  }

  /** The workers begin, or begin again: steps after the one they start from are done anew. */
  private start(event: Extract<JobEvent, { event: "start" }>): void {
    const { steps, train, stepTokens, perEpoch } = this.prepared;
    const { after, device, workers, precision } = event;
    this.started = true;
    this.folder.log(`start: ${workers} workers on ${device}, ${precision}, after step ${after}`);
    if (after > 0) this.options.say(`continuing after step ${after}`);
    this.folder.truncateMetrics(after);
    this.step = after;
    Object.assign(this.record.versions, event.versions);
    this.record.device = { name: `ray: ${device}`, threads: workers };
    this.writer?.close();
    this.writer = new EventFileWriter(this.folder.tensorboard(), after > 0 ? { fromStep: after + 1 } : {});
    const tokensPerEpoch = stepTokens.slice(0, perEpoch).reduce((a, b) => a + b, 0);
    this.options.onPlan?.({ steps, done: after, examples: train.length, tokensPerEpoch });
  }

  private metrics({ event: _, seconds, ...told }: Extract<JobEvent, { event: "step" }>): void {
    const { prepared, record } = this;
    if (told.step <= this.step || told.step > prepared.steps) return;
    const metrics: StepMetrics = {
      ...told,
      epoch: told.step / prepared.perEpoch,
      tokens: this.tokensUpTo[told.step]!,
      tokens_per_s: (this.tokensUpTo[told.step]! - this.tokensUpTo[this.step]!) / seconds,
    };
    this.step = told.step;
    this.folder.append(metrics);
    this.writer?.scalar("train/loss", metrics.loss, metrics.step);
    this.writer?.scalar("train/learning_rate", metrics.lr, metrics.step);
    this.writer?.scalar("train/grad_norm", metrics.grad_norm, metrics.step);
    if (metrics.validation_loss !== undefined) {
      this.writer?.scalar("validation/loss", metrics.validation_loss, metrics.step);
      record.validationLoss = metrics.validation_loss;
    }
    record.loss = metrics.loss;
    record.progress = { step: metrics.step, steps: prepared.steps, epoch: metrics.epoch };
    this.options.onStep?.(metrics);
  }
}
