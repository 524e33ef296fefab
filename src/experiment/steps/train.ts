import { clusterTrainRun } from "../../cluster/ray/train.js";
import { trainRun } from "../../train/run.js";
import { RunFolder } from "../../train/run-folder.js";
import type { TrainJob } from "../step.js";
import type { StepContext, StepSummary } from "./context.js";

/** A training in the step's folder, continued from its last checkpoint when there is one. */
export async function runTrain(job: TrainJob, context: StepContext): Promise<StepSummary> {
  const { folder, signal, device, threads } = context;
  const recipe = {
    ...job.recipe,
    model: context.modelOf(job.model),
    data: {
      ...job.recipe.data,
      path: job.rows.map((ref) => context.fileOf(ref)),
      ...(job.validation ? { validation: context.fileOf(job.validation) } : {}),
    },
    ...(device === "auto" ? {} : { device }),
    ...(threads === undefined ? {} : { threads }),
  };
  let progress: ReturnType<StepContext["progress"]> | undefined;
  try {
    const train = recipe.cluster?.address === undefined ? trainRun : clusterTrainRun;
    const record = await train(recipe, {
      out: folder,
      resume: new RunFolder(folder).exists(),
      signal,
      say: (line) => context.say(line),
      onPlan: ({ steps, done }) => {
        progress = context.progress("train", steps, "steps");
        progress(done);
      },
      onStep: ({ step, loss }) => progress?.(step, `loss ${loss.toFixed(3)}`),
    });
    const { examples, truncated, dropped } = record.data;
    return { examples, truncated, dropped, steps: record.progress.step, loss: record.loss, kept_step: record.keptStep };
  } finally {
    progress?.();
  }
}
