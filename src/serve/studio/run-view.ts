/** What is shown of a training's folder. */
import { isLocked } from "../../files/run-lock.js";
import type { RunRecord } from "../../train/run-folder.js";
import type { Folder } from "./folder.js";
import type { RunDetail, RunSummary, TrainingState } from "./wire.js";

const RECORD_LIMIT = 1 << 20;
const LOG_BYTES = 16 << 10;
const LOG_LINES = 60;

/** Summary of a run folder; undefined when its record cannot be read. */
export function runSummary(runs: Folder, id: string): RunSummary | undefined {
  const record = readRecord(runs, id);
  if (!record) return undefined;
  const { status, progress } = record;
  const known = ["running", "interrupted", "failed", "done"].includes(status as string);
  let state: TrainingState = known ? (status as TrainingState) : "failed";
  if (state === "running" && !isLocked(runs.resolve(id))) state = "lost";
  const last = lastPoint(runs, id);
  return {
    id,
    state,
    model: text(record.model),
    method: text(record.method),
    mode: text(record.mode),
    step: Math.max(last?.step ?? 0, Number(progress?.step) || 0),
    steps: Number(progress?.steps) || 0,
    loss: finite(last?.loss ?? record.loss),
    validationLoss: finite(record.validationLoss),
    started: record.started,
    finished: record.finished,
    message: state === "lost" ? "its process has gone without a word; it can be resumed" : record.message,
    cancellable: false,
    usable: ["adapter/adapter_config.json", "model/config.json"].some((file) => exists(runs, join(id, file))),
  };
}

/** Everything on the page of a run. */
export function runDetail(runs: Folder, summary: RunSummary): RunDetail {
  const { id } = summary;
  const record = readRecord(runs, id);
  const log = optional(() => runs.read(join(id, "log.txt"), LOG_BYTES, true)) ?? "";
  return {
    ...summary,
    recipe: optional(() => runs.read(join(id, "recipe.yaml"), RECORD_LIMIT)) ?? "",
    facts: record ? facts(record) : [],
    log: log.split("\n").filter(Boolean).slice(-LOG_LINES),
  };
}

function facts(record: Partial<RunRecord>): [string, string][] {
  const { data, device, memory, versions } = record;
  const list: [string, string | undefined][] = [
    ["base model", record.model],
    ["template", record.template],
    ["seed", record.seed?.toString()],
    [
      "examples",
      data && `${data.examples} (${data.validation} held out, ${data.truncated} cut, ${data.dropped} left out)`,
    ],
    ["device", device && `${device.name}, ${device.threads} threads`],
    ["memory, planned", memory && `${(memory.estimateBytes / 1e9).toFixed(2)} GB`],
    [
      "versions",
      versions &&
        Object.entries(versions)
          .map((pair) => pair.join(" "))
          .join(", "),
    ],
  ];
  return list.filter((fact): fact is [string, string] => fact[1] !== undefined);
}

function readRecord(runs: Folder, id: string): Partial<RunRecord> | undefined {
  return optional(() => {
    const record: unknown = JSON.parse(runs.read(join(id, "run.json"), RECORD_LIMIT));
    return typeof record === "object" && record !== null && !Array.isArray(record)
      ? (record as Partial<RunRecord>)
      : undefined;
  });
}

/** The last complete line of the metrics: `run.json` is written at the ends of a run only. */
function lastPoint(runs: Folder, id: string): { step: number; loss: number } | undefined {
  const end = optional(() => runs.read(join(id, "metrics.jsonl"), 4096, true));
  for (const line of (end ?? "").split("\n").slice(0, -1).reverse()) {
    const point = optional(() => JSON.parse(line) as { step: number; loss: number });
    if (point && Number.isFinite(point.step)) return point;
  }
  return undefined;
}

/** Joins ids. */
export function join(id: string, name: string): string {
  return id === "." ? name : `${id}/${name}`;
}

function exists(folder: Folder, id: string): boolean {
  return optional(() => folder.resolve(id)) !== undefined;
}

function optional<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined; // missing, damaged or half-written: shown as absent
  }
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function finite(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}
