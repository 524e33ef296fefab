/** What a benchmark's file declares. One benchmark is one small file under `tasks/`; adding one is adding a file. */
import type { AnswerFilter } from "../metrics/exact-match.js";
import type { Row } from "./row.js";

/** Where a benchmark's rows come from. */
export interface TaskData {
  /** Folder under `DATA_DIR/core/` that holds SPLIT.jsonl. */
  folder: string;
  /** The Hub's data set, and the words that choose its configuration (`ARC-Easy`); the split is added. */
  hub: string;
  config?: string;
  /** Files in the folder that stand in for a split that is not there whole, best first. */
  standIns?: readonly string[];
}

export interface FewShot {
  /** Split that shots are taken from. */
  split: string;
  /**
   * "first": the first ones in order. "random": drawn as lm-evaluation-harness does, `random.Random(1234).sample` anew
   * for each document in turn.
   */
  sampler: "first" | "random";
  /** One more is drawn and the document itself left out: what the harness does for tasks that name no test split. */
  leavesOutDocument?: boolean;
  /** Shots that belong to the task itself; `split` is then not read. */
  fixed?: readonly Shot[];
}

/** A worked example: a question in the task's own form, and the answer. */
export interface Shot {
  question: string;
  answer: string;
}

interface TaskBase {
  name: string;
  title: string;
  /** Version of lm-evaluation-harness's task whose prompts and metrics these are. */
  version: string;
  data: TaskData;
  /** The split that is scored. */
  split: string;
  /** Shots when nothing else is asked for. */
  shots: number;
  fewShot: FewShot;
  /** Between question and answer in plain text; with a chat template nothing stands there. */
  delimiter: string;
}

/** A question with a list of choices, of which the likeliest is taken. */
export interface ChoiceDoc {
  context: string;
  choices: string[];
  /** Index of the right choice. */
  gold: number;
}

export interface ChoiceTask extends TaskBase {
  kind: "choice";
  /** @throws UsageError on a malformed row. */
  read(row: Row): ChoiceDoc;
  /** "acc_norm" divides each choice's log-probability by its characters (code points). */
  metrics: readonly ("acc" | "acc_norm")[];
  /** Splits the benchmark into parts that are reported by themselves, each with its own shots. */
  parts?: TaskParts;
}

export interface TaskParts {
  /** Name of the part that a row belongs to. */
  of(row: Row): string;
  /** The line before the shots. */
  describe(part: string): string;
  /** Larger parts, reported as well: name → parts. */
  groups: Readonly<Record<string, readonly string[]>>;
}

/** A question that is answered in free text. */
export interface AnswerDoc {
  context: string;
  target: string;
}

export interface AnswerTask extends TaskBase {
  kind: "answer";
  read(row: Row): AnswerDoc;
  /** What a worked example shows as its answer; default the target. */
  shown?(row: Row): string;
  stop: readonly string[];
  /** Most tokens of an answer. */
  maxTokens: number;
  /** Shots are turns of a conversation also when no chat template is asked for by name. */
  isChat: boolean;
  filters: Readonly<Record<"strict" | "flexible", AnswerFilter>>;
}

export type Task = ChoiceTask | AnswerTask;
