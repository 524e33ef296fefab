/** What the parts of the planner hand each other. */
import type { Rule } from "../generate/rules.js";
import type { LoadedExperiment } from "../recipe/experiment-load.js";
import type { Inputs } from "./inputs.js";
import type { Job, ModelRef, Step } from "./step.js";

/** A step before its key is known. */
export interface Draft extends Pick<Step, "id" | "title" | "lane" | "arm" | "evaluation" | "seed"> {
  job: Job;
}

export interface PlanContext {
  fail: LoadedExperiment["fail"];
  inputs: Inputs;
  /** A name of `models`, or a reference. */
  model: (name: string) => ModelRef;
  isRemote: (model: ModelRef) => boolean;
}

/** One of the things compared, with the models that stand for it: one for each seed where it is tuned. */
export interface PlannedArm {
  name: string;
  models: { model: ModelRef; seed?: number }[];
  /** In-context prompt. */
  prompt?: string;
  template?: "tulu" | "model" | "none";
  rules?: Rule[];
}

/** `train.rt`, with several seeds `train.rt@1`. */
export const armId = (kind: string, arm: string, seed?: number): string =>
  `${kind}.${arm}${seed === undefined ? "" : `@${seed}`}`;
