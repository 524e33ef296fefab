/** How long a run goes on, and what changes when that is changed while it is under way. */
import { UsageError } from "../errors.js";
import type { TrainingRecipe } from "../recipe/schema.js";
import { type Schedule, scheduleFactor } from "./schedule.js";

export interface RunLength {
  /** Optimiser updates of an epoch, and of the run. */
  perEpoch: number;
  steps: number;
}

/** Optimiser updates of a run. Part of an epoch counts as so many whole updates that it is reached. */
export function plannedSteps(
  examples: number,
  batchSize: number,
  limits: { epochs: number; maxSteps?: number },
): RunLength {
  const perEpoch = Math.max(1, Math.ceil(examples / batchSize));
  // 1.1 · 100 is a little more than 110.
  const steps = limits.maxSteps ?? Math.max(1, Math.ceil(perEpoch * limits.epochs - 1e-6));
  return { perEpoch, steps };
}

/** The schedule of a run of that many updates. */
export function scheduleOf({ schedule }: TrainingRecipe, steps: number): Schedule {
  const { type, warmup_steps, warmup_ratio } = schedule;
  return { type, warmupSteps: warmup_steps || Math.ceil(warmup_ratio * steps) };
}

/**
 * What a new length means for a run that goes on after `done` updates; undefined where the updates to come are those of a
 * run that had this length from the start.
 * @throws UsageError when the run has already gone further.
 */
export function lengthChange(recipe: TrainingRecipe, done: number, before: number, now: number): string | undefined {
  if (now < done)
    throw new UsageError(
      `the run has made ${done} steps, more than the ${now} of ${recipe.max_steps === undefined ? "epochs" : "max_steps"}; raise it, or use another --out`,
    );
  if (now === before) return undefined;
  const said = `the run goes on to step ${now}, where it was to end at ${before}`;
  const factors = [before, now].map((total) => scheduleFactor(scheduleOf(recipe, total), done, total));
  const lr = factors.map((factor) => (factor * recipe.optimizer.lr).toExponential(2));
  const { type, warmup_steps, warmup_ratio } = recipe.schedule;
  const depends = type !== "constant" || (warmup_steps === 0 && warmup_ratio > 0);
  return depends
    ? `${said}; schedule ${type} depends on that: the learning rate of step ${done + 1} is ${lr[1]} instead of ${lr[0]}, and the steps before were made with the old one`
    : said;
}
