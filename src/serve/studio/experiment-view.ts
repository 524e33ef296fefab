/** What is shown of an experiment's `experiment.json`. */
import type { Folder } from "./folder.js";
import { join } from "./run-view.js";
import type { ExperimentDetail, ExperimentStep, StepStatus } from "./wire.js";

const LIMIT = 8 << 20;
const STATUSES: readonly string[] = ["pending", "running", "done", "failed", "blocked"] satisfies StepStatus[];

/** Ids of the folders that have pages of their own. */
export interface Shown {
  runs: ReadonlySet<string>;
  evaluations: ReadonlySet<string>;
  reports: ReadonlySet<string>;
}

/** Steps and counts of an experiment; undefined when the record cannot be read. */
export function readExperimentDetail(runs: Folder, id: string, shown: Shown): ExperimentDetail | undefined {
  let record: { name?: unknown; steps?: unknown };
  try {
    record = JSON.parse(runs.read(join(id, "experiment.json"), LIMIT)) as typeof record;
  } catch {
    return undefined;
  }
  if (!Array.isArray(record?.steps)) return undefined;
  const steps = record.steps.flatMap((step: unknown) => {
    const read = readStep(step, id, shown);
    return read ? [read] : [];
  });
  const count = (status: StepStatus): number => steps.filter((step) => step.status === status).length;
  return {
    id,
    name: typeof record.name === "string" ? record.name : id,
    done: count("done"),
    failed: count("failed") + count("blocked"),
    running: count("running"),
    total: steps.length,
    report: shown.reports.has(id),
    steps,
  };
}

function readStep(value: unknown, experiment: string, shown: Shown): ExperimentStep | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const step = value as Record<string, unknown>;
  if (typeof step.id !== "string") return undefined;
  const folder = typeof step.folder === "string" ? join(experiment, step.folder) : "";
  const page = shown.runs.has(folder) ? "run" : shown.evaluations.has(folder) ? "evaluation" : undefined;
  return {
    id: step.id,
    kind: typeof step.kind === "string" ? step.kind : "",
    title: typeof step.title === "string" ? step.title : step.id,
    needs: Array.isArray(step.needs) ? step.needs.filter((need): need is string => typeof need === "string") : [],
    status: STATUSES.includes(step.status as string) ? (step.status as StepStatus) : "pending",
    ...(typeof step.seconds === "number" ? { seconds: step.seconds } : {}),
    ...(typeof step.error === "string" ? { error: step.error } : {}),
    ...(page ? { link: { page, id: folder } } : {}),
  };
}
