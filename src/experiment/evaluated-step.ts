import type { SuiteResult } from "../eval/results.js";
import type { EvalJob, Step } from "./step.js";

/** A finished evaluation step with its results. */
export interface EvaluatedStep {
  step: Step & { arm: string; evaluation: string; job: EvalJob };
  folder: string;
  /** Results of the suites that count here: answers that another step judges do not. */
  results: Record<string, SuiteResult>;
}
