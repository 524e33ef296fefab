import type { StepStatus } from "./record.js";

/** What the scheduler needs to know of a step. */
export interface Schedulable {
  id: string;
  needs: readonly string[];
  lane: "local" | "remote";
}

export interface ScheduleOptions<S extends Schedulable> {
  /** Ids of steps that are done already. */
  done: ReadonlySet<string>;
  /** How many steps of each lane run at once. */
  limits: Readonly<Record<"local" | "remote", number>>;
  /** Does a step; a rejection fails it. */
  run: (step: S) => Promise<void>;
  /** Told every change. @param error why it failed, or which failed step blocks it. */
  onChange: (step: S, status: StepStatus, error?: unknown) => void;
  /** No step is started any more once this is aborted; those that run are waited for. */
  signal?: AbortSignal;
}

/**
 * Runs steps as soon as all they need is done, in the order given, at most `limits` of each lane at once. A failed step blocks
 * those that need it, and nothing else. After an abort, steps that stopped are pending again.
 */
export async function schedule<S extends Schedulable>(
  steps: readonly S[],
  options: ScheduleOptions<S>,
): Promise<Map<string, StepStatus>> {
  const { limits, run, onChange, signal } = options;
  const status = new Map<string, StepStatus>(steps.map(({ id }) => [id, options.done.has(id) ? "done" : "pending"]));
  const active = new Map<string, Promise<void>>();
  const running = { local: 0, remote: 0 };

  const change = (step: S, now: StepStatus, error?: unknown): void => {
    status.set(step.id, now);
    onChange(step, now, error);
  };
  const blockDependents = (): void => {
    for (const step of steps) {
      if (status.get(step.id) !== "pending") continue;
      const culprit = step.needs.find((id) => ["failed", "blocked"].includes(status.get(id) ?? ""));
      if (culprit !== undefined) change(step, "blocked", culprit);
    }
  };
  const start = (step: S): void => {
    running[step.lane]++;
    change(step, "running");
    const work = run(step)
      .then(
        () => change(step, "done"),
        (error: unknown) => {
          change(step, signal?.aborted ? "pending" : "failed", error);
          if (!signal?.aborted) blockDependents();
        },
      )
      .finally(() => {
        running[step.lane]--;
        active.delete(step.id);
      });
    active.set(step.id, work);
  };

  for (;;) {
    if (!signal?.aborted)
      for (const step of steps) {
        const isReady = status.get(step.id) === "pending" && step.needs.every((id) => status.get(id) === "done");
        if (isReady && running[step.lane] < limits[step.lane]) start(step);
      }
    if (active.size === 0) return status;
    await Promise.race(active.values());
  }
}
