/**
 * The folder of an experiment, as others may read it:
 *
 * ```
 * OUT/
 *   experiment.json      this record, replaced in one step at every change
 *   steps/KIND-KEY/      one folder a step: an ordinary run, evaluation or data folder; step.json when it is done
 *   ARM                  link to the run folder of a tuned arm: `evoke chat OUT/ARM`
 *   report.html .md .csv .json
 * ```
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../errors.js";
import { writeFileAtomically } from "../files/atomic-write.js";
import { readRegularFile } from "../files/regular-file.js";

/** `answers`: a model's answers, written but not judged yet. */
export type StepKind = "prepare" | "refine" | "mix" | "self-instruct" | "train" | "answers" | "eval";

/** `blocked`: a step that it needs has failed. */
export type StepStatus = "pending" | "running" | "done" | "failed" | "blocked";

/** One step of the plan and where it stands. */
export interface StepRecord {
  /** Unique and stable, such as `data.lima`, `train.rt`, `train.rt@1` (seed 1), `eval.rt.core`. */
  id: string;
  /** What it does. */
  kind: StepKind;
  /** A line for people. */
  title: string;
  /** Ids of the steps whose results this one reads. */
  needs: string[];
  /** Hex SHA-256 of everything the result depends on. */
  key: string;
  /** `remote` steps wait for servers and run beside local work. */
  lane: "local" | "remote";
  /** Where it stands. */
  status: StepStatus;
  /** Relative to the experiment's folder, with forward slashes. */
  folder: string;
  /** Name of the arm that it belongs to. */
  arm?: string;
  /** Name of the evaluation, in the experiment file. */
  evaluation?: string;
  /** Of the training, where there are several. */
  seed?: number;
  /** ISO 8601. */
  startedAt?: string;
  /** Wall time of the life that finished (or failed) it. */
  seconds?: number;
  /** With `done`: requests without an answer, which the next run asks again. */
  open?: number;
  /** One line; with `failed` why, with `blocked` by which step. */
  error?: string;
}

/** Where an experiment stands; `failed`: a step of it failed. */
export type ExperimentStatus = "running" | "interrupted" | "failed" | "done";

/** `experiment.json` */
export interface ExperimentRecord {
  /** Name in the experiment file. */
  name: string;
  /** A line for people. */
  title: string;
  /** The experiment file as given. */
  file: string;
  /** Hex SHA-256 of the experiment with all defaults and overrides. */
  hash: string;
  /** Command line that repeats or continues it. */
  command: string;
  /** Whether it is the file's small variant. */
  smoke: boolean;
  /** Where it stands. */
  status: ExperimentStatus;
  /** ISO 8601. */
  startedAt: string;
  /** ISO 8601; absent while it runs. */
  finishedAt?: string;
  /** Of evoke and what it runs on, by name. */
  versions: Record<string, string>;
  /** Models by name: as written, and the one of several sources that was chosen. */
  models: Record<string, { reference: string; chosen: string }>;
  /** In the order of the plan. */
  steps: StepRecord[];
  /** Report files, relative to the folder; absent before the first one is written. */
  report?: { html: string; markdown: string; csv: string; json: string; key: string };
}

const NAME = "experiment.json";

/** The record of an experiment folder; undefined when there is none. */
export function readExperiment(folder: string): ExperimentRecord | undefined {
  const path = join(folder, NAME);
  if (!existsSync(path)) return undefined;
  try {
    const record = JSON.parse(readRegularFile(path)) as ExperimentRecord;
    if (Array.isArray(record.steps)) return record;
  } catch {
    // told below
  }
  throw new UsageError(`${path}: not a readable experiment record; delete it to plan anew (finished steps are kept)`);
}

export function writeExperiment(folder: string, record: ExperimentRecord): void {
  writeFileAtomically(join(folder, NAME), `${JSON.stringify(record, null, 2)}\n`);
}

/** `step.json`: a finished step's mark in its folder. */
export interface StepMark {
  id: string;
  kind: StepKind;
  key: string;
  seconds: number;
  finishedAt: string;
  /** Counts worth reporting, such as rows, extraction rate or missing answers. */
  summary: Record<string, unknown>;
  /** Requests without an answer; absent when there are none. The next run asks them again. */
  open?: number;
  /** Files that other steps or the report read, relative to the folder, with their hex SHA-256. */
  results: Record<string, string>;
  /** What the steps that it needed had left when it read them: a hash over `results` by their keys. */
  read: Record<string, string>;
}

/** The mark of a step; undefined when it has not finished, or for other inputs. */
export function readStepMark(folder: string, key: string): StepMark | undefined {
  try {
    const mark = JSON.parse(readRegularFile(join(folder, "step.json"))) as StepMark;
    return mark.key === key && mark.results !== undefined ? mark : undefined;
  } catch {
    return undefined;
  }
}

export function writeStepMark(folder: string, mark: StepMark): void {
  writeFileAtomically(join(folder, "step.json"), `${JSON.stringify(mark, null, 2)}\n`);
}
