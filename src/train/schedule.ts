/** Learning-rate schedules, as transformers' `get_scheduler` defines them. */

export interface Schedule {
  type: "constant" | "linear" | "cosine";
  warmupSteps: number;
}

/**
 * Factor on the base learning rate for an update.
 * @param step number of the update, from 0.
 * @param total updates in the whole run.
 */
export function scheduleFactor(schedule: Schedule, step: number, total: number): number {
  const { type, warmupSteps } = schedule;
  if (step < warmupSteps) return step / Math.max(1, warmupSteps);
  if (type === "constant") return 1;
  const progress = (step - warmupSteps) / Math.max(1, total - warmupSteps);
  if (type === "linear") return Math.max(0, 1 - progress);
  return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
}
