import type { Job } from "../step.js";
import type { StepContext, StepSummary } from "./context.js";

/** Does a step's work. What a kind needs is loaded when its first step runs. */
export async function runJob(job: Job, context: StepContext): Promise<StepSummary> {
  switch (job.kind) {
    case "prepare":
      return (await import("./data.js")).runPrepare(job, context);
    case "refine":
      return (await import("./data.js")).runRefine(job, context);
    case "mix":
      return (await import("./data.js")).runMix(job, context);
    case "self-instruct":
      return (await import("./data.js")).runSelfInstructStep(job, context);
    case "train":
      return (await import("./train.js")).runTrain(job, context);
    case "answers":
    case "eval":
      return (await import("./evaluate.js")).runEvaluation(job, context);
  }
}
