import type { DecodePrecision } from "../generate/decode-graph.js";
import type { Rule } from "../generate/rules.js";
import type { TrainingRecipe } from "../recipe/schema.js";
import type { SelfInstructRecipe } from "../self-instruct/recipe.js";
import type { StepKind } from "./record.js";

/** A file that a step reads: one of the user's, or one that an earlier step makes. */
export type FileRef = { file: string } | { step: string; path: string };

/** A model that a step uses: a reference, or the run of an earlier step. */
export type ModelRef = { model: string } | { run: string };

/** Rows that have a name in the catalogue or on the Hub; `files` are the local copies found while planning. */
export interface SourceRef {
  source: string;
  files?: { file: string }[];
}

export interface PrepareJob {
  kind: "prepare";
  source: SourceRef | FileRef;
  maxExamples?: number;
  maxCharacters?: number;
  skip?: number;
  seed: number;
  columns?: { prompt: string; completion: string; input?: string };
  skipInvalid: boolean;
}

export interface RefineJob {
  kind: "refine";
  rows: FileRef;
  refiner: ModelRef;
  /** A prompt with its places; or, with `original`, the source that holds Response Tuning's. */
  template: FileRef;
  /** Present for the original prompt, or evoke's own, and not for a file that was named. */
  prompts?: "original" | "own";
  marker: string;
  maxNewTokens: number;
  temperature: number;
  /** Seed of the draws, where the temperature is above 0. */
  seed?: number;
  /** Weights of a local model. */
  weights: DecodePrecision;
}

export interface MixJob {
  kind: "mix";
  rows: FileRef;
  safety: SourceRef | FileRef;
  count: number;
  seed: number;
}

export interface SelfInstructJob {
  kind: "self-instruct";
  /** A Self-Instruct recipe with its defaults; model and seed tasks are those below. */
  recipe: Omit<SelfInstructRecipe, "model" | "seed_tasks" | "out" | "train" | "original_prompts">;
  seedTasks: SourceRef | FileRef;
  model: ModelRef;
  /** The sources that hold the original prompts, where it asks with them. */
  originals?: FileRef[];
}

export interface TrainJob {
  kind: "train";
  model: ModelRef;
  rows: FileRef[];
  validation?: FileRef;
  /** The whole recipe; model and files are those above. */
  recipe: TrainingRecipe;
}

export interface EvalJob {
  kind: "eval" | "answers";
  /** What the arm is called in files that are written. */
  generator: string;
  /** The model under test; absent when answers are judged that an earlier step wrote. */
  model?: ModelRef;
  /** Folder of an earlier step whose answers are judged. */
  answers?: { step: string; path: string };
  judge?: ModelRef;
  suites: string[];
  prompt?: string | FileRef;
  template?: "tulu" | "model" | "none";
  /** Rules on the next token's distribution while answers are written. */
  rules?: Rule[];
  limit?: number;
  shots?: number;
  /** Scored choices: nothing stands before a context; absent: what the tokenizer puts there. */
  bos?: "none";
  /** response_ranking: responses drawn for each instruction. */
  drawn?: number;
  /** Seed of the evaluation's own draws; absent for 0. */
  seed?: number;
  maxNewTokens?: number;
  judgePrompt?: FileRef;
  judgeSafetyPrompt?: FileRef;
  judgeMaxNewTokens?: number;
  originalPrompts: boolean;
  /** Weights of local models. */
  weights?: DecodePrecision;
  rows: Record<string, FileRef>;
  reference?: FileRef;
  difficulty?: FileRef;
  /** Encoder of BERTScore; undefined: none. */
  encoder?: ModelRef;
  skipInvalid: boolean;
  /** Files that the suites read and no setting names, for the key: benchmark rows, built-in prompts. */
  reads?: FileRef[];
}

export type Job = PrepareJob | RefineJob | MixJob | SelfInstructJob | TrainJob | EvalJob;

/** A step of the plan. */
export interface Step {
  id: string;
  kind: StepKind;
  title: string;
  needs: string[];
  lane: "local" | "remote";
  key: string;
  /** Relative to the experiment's folder. */
  folder: string;
  arm?: string;
  evaluation?: string;
  seed?: number;
  job: Job;
}

/** What a step's own output is called in its folder. */
export const ROWS_FILE = "rows.jsonl";
export const FINETUNING_FILE = "finetuning.jsonl";
