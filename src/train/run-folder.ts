/** The folder of a training run: what went in, where it stands, what came out. */

import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { UsageError } from "../errors.js";
import { naming, writeFileAtomically } from "../files/atomic-write.js";
import { readRegularFile } from "../files/regular-file.js";

export type RunStatus = "running" | "interrupted" | "failed" | "done";

/** `run.json`: all it takes to repeat the run, and its outcome. */
export interface RunRecord {
  /** Base model as the recipe names it. */
  model: string;
  /** Where it was found. */
  modelPath: string;
  /** `hf:ORG/NAME@COMMIT` of a model from the Hub. */
  modelSource?: string;
  method: string;
  mode: string;
  template: string;
  /** The date and time that the chat template was told, fixed when the run first started. */
  templateTime?: string;
  seed: number;
  status: RunStatus;
  /** Hash of what must agree to continue the run: recipe, rows, base weights, starting adapter; and those by name. */
  identity: string;
  identityFields?: Record<string, string>;
  versions: Record<string, string>;
  device: { name: string; threads: number };
  data: {
    files: Record<string, string>;
    examples: number;
    validation: number;
    /** Rows cut at `max_length`, and left out; of the rows to train on and of those held out. */
    truncated: number;
    dropped: number;
    validationTruncated?: number;
    validationDropped?: number;
  };
  /** Absent when a cluster trained. */
  memory?: { keptLayers: number; rowTokens: number; estimateBytes: number };
  /** The job of a run that a cluster trained. */
  cluster?: { address: string; job: string; storage: string };
  progress: { step: number; steps: number; epoch: number };
  started: string;
  finished?: string;
  /** Loss of the last step, and of the last validation; once done, of the step whose values are kept. */
  loss?: number;
  validationLoss?: number;
  /** The step whose values are kept, where early stopping took those of the best validation. */
  keptStep?: number;
  message?: string;
  /** Set when a run ended because its validation loss no longer fell. */
  stoppedEarly?: boolean;
}

/** One line of `metrics.jsonl`. In a run that another trainer made, what it does not tell is 0. */
export interface StepMetrics {
  step: number;
  epoch: number;
  loss: number;
  lr: number;
  grad_norm: number;
  /** All tokens since the start of the run. */
  tokens: number;
  tokens_per_s: number;
  rss_bytes: number;
  validation_loss?: number;
}

export class RunFolder {
  constructor(readonly path: string) {}

  readonly adapter = (): string => join(this.path, "adapter");
  readonly checkpoints = (): string => join(this.path, "checkpoints");
  readonly tensorboard = (): string => join(this.path, "tensorboard");
  private readonly recordPath = (): string => join(this.path, "run.json");
  private readonly metricsPath = (): string => join(this.path, "metrics.jsonl");

  exists(): boolean {
    return existsSync(this.recordPath());
  }

  record(): RunRecord {
    try {
      return JSON.parse(readRegularFile(this.recordPath())) as RunRecord;
    } catch (error) {
      throw new UsageError(`${this.recordPath()}: not a readable run record (${(error as Error).message})`);
    }
  }

  create(recipe: unknown): void {
    mkdirSync(this.path, { recursive: true });
    writeFileAtomically(join(this.path, "recipe.yaml"), stringify(recipe));
  }

  write(record: RunRecord): void {
    writeFileAtomically(this.recordPath(), `${JSON.stringify(record, null, 2)}\n`);
  }

  /** Makes the record's losses those of the step whose values are the result. */
  keepStep(record: RunRecord, step: number): void {
    const lines = readFileSync(this.metricsPath(), "utf8").trim().split("\n");
    const kept = lines.map((line) => JSON.parse(line) as StepMetrics).find((metrics) => metrics.step === step);
    record.keptStep = step;
    record.loss = kept?.loss;
    record.validationLoss = kept?.validation_loss;
  }

  /** Drops the metrics of steps after `step`: a resumed run does them again. */
  truncateMetrics(step: number): void {
    if (!existsSync(this.metricsPath())) return;
    const lines = readFileSync(this.metricsPath(), "utf8")
      .split("\n")
      .filter((line) => {
        try {
          return (JSON.parse(line) as StepMetrics).step <= step;
        } catch {
          return false; // a line cut off by a kill
        }
      });
    writeFileAtomically(this.metricsPath(), lines.map((line) => `${line}\n`).join(""));
  }

  append(metrics: StepMetrics): void {
    this.add(this.metricsPath(), `${JSON.stringify(metrics)}\n`);
  }

  log(line: string): void {
    this.add(join(this.path, "log.txt"), `${new Date().toISOString()} ${line}\n`);
  }

  private add(path: string, text: string): void {
    naming(path, () => appendFileSync(path, text));
  }
}
