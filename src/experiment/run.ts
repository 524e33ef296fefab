import { existsSync, mkdirSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { EvokeError, FailureError, InterruptedError } from "../errors.js";
import { acquireRunLock } from "../files/run-lock.js";
import { clearStep, finishedSteps, markStep, validMark } from "./finished.js";
import type { OpenExperiment } from "./open.js";
import { type ExperimentRecord, type StepRecord, writeExperiment } from "./record.js";
import { REPORT_FILES, reportKey, writeReport } from "./report.js";
import { schedule } from "./schedule.js";
import { selectSteps } from "./select.js";
import type { FileRef, ModelRef, Step } from "./step.js";
import type { StepContext } from "./steps/context.js";

export interface RunExperimentOptions {
  /** Experiment file as given, and the command line that repeats this run. */
  file: string;
  command: string;
  dataDir?: string;
  device: StepContext["device"];
  threads?: number;
  /** Steps to do (and what they need): ids or beginnings of ids. Default: all. */
  only?: readonly string[];
  /** Steps to do again (and what needs them). */
  force?: readonly string[];
  /** With `force`: answers in journals are asked for again as well. */
  discard?: boolean;
  versions: Record<string, string>;
  signal: AbortSignal;
  say: (line: string) => void;
  progress: (step: Step) => StepContext["progress"];
  /** Told every change of a step, with the steps done by this call and those it has to do. */
  onStep?: (step: StepChange, error?: string) => void;
}

export interface StepChange extends Pick<StepRecord, "id" | "title" | "status" | "lane"> {
  done: number;
  total: number;
}

export interface RunOutcome {
  record: ExperimentRecord;
  /** Steps done by this call. */
  done: number;
  /** Whether there was nothing to do, the report included. */
  idle: boolean;
}

/**
 * Does what is not done yet of an experiment, then writes its report. Killed at any moment, the next call goes on: finished
 * steps are marked in their folders, unfinished ones continue from their own checkpoints and journals.
 *
 * @throws FailureError when steps failed, after all others were done and the report was written; InterruptedError when the
 * signal was aborted.
 */
export async function runExperiment(opened: OpenExperiment, options: RunExperimentOptions): Promise<RunOutcome> {
  const { out, steps } = opened;
  const selected = selectSteps(steps, options.only ?? []);
  const forced = new Set(
    options.force?.length ? selectSteps(steps, options.force, "dependents").map(({ id }) => id) : [],
  );
  const finished = await finishedSteps(out, steps);
  const done = new Set(steps.filter(({ id }) => finished.has(id) && !forced.has(id)).map(({ id }) => id));
  const wanted = selected.filter(({ id }) => !done.has(id));
  const before = opened.before;
  if (wanted.length === 0 && before && before.report?.key === reportKey(opened, done) && reportExists(out))
    return { record: before, done: 0, idle: true };

  mkdirSync(out, { recursive: true });
  const lock = acquireRunLock(out);
  try {
    return await runLocked(opened, options, { done, wanted, forced });
  } finally {
    lock.release();
  }
}

const reportExists = (out: string): boolean => Object.values(REPORT_FILES).every((name) => existsSync(join(out, name)));

async function runLocked(
  opened: OpenExperiment,
  options: RunExperimentOptions,
  { done, wanted, forced }: { done: Set<string>; wanted: Step[]; forced: ReadonlySet<string> },
): Promise<RunOutcome> {
  const { out, steps } = opened;
  const { say, signal } = options;
  for (const step of steps) if (forced.has(step.id)) clearStep(join(out, step.folder), { discard: options.discard });
  const record = startRecord(opened, options, done);
  const byId = new Map(record.steps.map((step) => [step.id, step]));
  const save = (): void => writeExperiment(out, record);
  save();
  const began = new Map<string, number>();
  const todo = new Set(wanted.map(({ id }) => id));
  let finished = 0;
  const counted = (): string => `[${finished}/${todo.size}]`;
  const status = await schedule(
    steps.filter(({ id }) => todo.has(id) || done.has(id)),
    {
      done,
      limits: { local: 1, remote: opened.loaded.experiment.llm.steps },
      signal,
      run: async (step) => {
        const open = await runStep(step, opened, options, began);
        byId.get(step.id)!.open = open || undefined;
      },
      onChange: (step, now, error) => {
        const entry = byId.get(step.id)!;
        entry.status = now;
        const seconds = secondsSince(began.get(step.id));
        if (now === "running") entry.startedAt = new Date().toISOString();
        if (now === "done" || now === "failed") entry.seconds = seconds;
        entry.error = now === "blocked" ? `needs ${String(error)}` : now === "failed" ? lineOf(error) : undefined;
        if (now === "done") {
          finished++;
          linkArm(out, step);
        }
        if (now === "running") say(`${counted()} ${step.id}: ${step.title}`);
        if (now === "done")
          say(`${counted()} ${step.id}: done in ${seconds} s${entry.open ? `, ${openText(entry.open)}` : ""}`);
        if (now === "failed") say(`${step.id}: failed: ${entry.error}`);
        save();
        const { id, title, lane } = step;
        options.onStep?.({ id, title, lane, status: now, done: finished, total: todo.size }, entry.error);
      },
    },
  );
  const troubled = record.steps.filter((step) => step.status === "failed" || step.status === "blocked");
  record.finishedAt = new Date().toISOString();
  record.status = signal.aborted ? "interrupted" : troubled.length > 0 ? "failed" : "done";
  const finishedSteps = new Set([...status].filter(([, now]) => now === "done").map(([id]) => id));
  if (!signal.aborted) record.report = { ...(await writeReport(opened, record, finishedSteps)) };
  save();
  signal.throwIfAborted();
  if (troubled.length > 0) throw new FailureError(account(troubled));
  return { record, done: finished, idle: false };
}

function startRecord(
  { loaded, models, hash, smoke, steps, before }: OpenExperiment,
  { file, command, versions }: RunExperimentOptions,
  done: ReadonlySet<string>,
): ExperimentRecord {
  const { name, title } = loaded.experiment;
  const earlier = new Map(before?.steps.map((step) => [step.id, step]));
  return {
    name,
    title: title ?? name,
    file,
    hash,
    command,
    smoke,
    status: "running",
    startedAt: new Date().toISOString(),
    versions,
    models,
    steps: steps.map((step): StepRecord => {
      const { job: _, ...entry } = step;
      const known = earlier.get(step.id);
      if (!done.has(step.id)) return { ...entry, status: "pending" };
      const times = known?.key === step.key ? { startedAt: known.startedAt, seconds: known.seconds } : {};
      return { ...entry, status: "done", ...times };
    }),
    ...(before?.report ? { report: before.report } : {}),
  };
}

/** @returns requests that stay open. */
async function runStep(
  step: Step,
  { out, loaded, steps }: OpenExperiment,
  options: RunExperimentOptions,
  began: Map<string, number>,
): Promise<number> {
  const { signal, say, dataDir, device, threads } = options;
  began.set(step.id, performance.now());
  const folder = resolve(out, step.folder);
  const stepOf = (id: string): Step => steps.find((each) => each.id === id)!;
  // Another step of the same key may have done it; or what it needed was done again and is what it was.
  const mark = await validMark(out, step, stepOf);
  if (mark && !mark.open) return 0;
  mkdirSync(folder, { recursive: true });
  const folderOf = (id: string): string => resolve(out, stepOf(id).folder);
  const { runJob } = await import("./steps/index.js");
  const { open = 0, ...summary } = await runJob(step.job, {
    folder,
    fileOf: (ref: FileRef) => ("file" in ref ? ref.file : join(folderOf(ref.step), ref.path)),
    modelOf: (ref: ModelRef) => ("run" in ref ? folderOf(ref.run) : ref.model),
    dataDir,
    device,
    threads,
    llm: loaded.experiment.llm,
    signal,
    say: (line) => say(`  ${step.id}: ${line}`),
    progress: options.progress(step),
  });
  signal.throwIfAborted();
  await markStep(out, step, stepOf, { seconds: secondsSince(began.get(step.id)), summary, open });
  return open;
}

const openText = (open: number): string => `${open} ${open === 1 ? "request" : "requests"} open; run again to ask them`;

/** Seconds with one decimal. */
const secondsSince = (start: number | undefined): number =>
  start === undefined ? 0 : Math.round((performance.now() - start) / 100) / 10;

/** `OUT/ARM` leads to the arm's run folder, so that a person can name it. Where links are not allowed it is left out. */
function linkArm(out: string, step: Step): void {
  if (step.kind !== "train") return;
  const link = join(out, step.id.replace(/^train\./, ""));
  const target = join(out, step.folder);
  try {
    if (existsSync(link) || isLink(link)) {
      if (!isLink(link)) return; // something of the user's
      rmSync(link);
    }
    symlinkSync(process.platform === "win32" ? resolve(target) : relative(out, target), link, "junction");
  } catch {
    // a convenience only
  }
}

function isLink(path: string): boolean {
  try {
    readlinkSync(path);
    return true;
  } catch {
    return false;
  }
}

/** One line about an error, for the record. */
function lineOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const line = text.trim().replace(/\s*[\r\n]+\s*/g, " ");
  return error instanceof EvokeError || error instanceof InterruptedError ? line : `internal error: ${line}`;
}

function account(troubled: readonly StepRecord[]): string {
  const failed = troubled.filter(({ status }) => status === "failed").map(({ id, error }) => `${id} (${error})`);
  const blocked = troubled.filter(({ status }) => status === "blocked").map(({ id }) => id);
  const parts = [`${failed.length} ${failed.length === 1 ? "step" : "steps"} failed: ${failed.join("; ")}`];
  if (blocked.length > 0) parts.push(`not done because of that: ${blocked.join(", ")}`);
  return `${parts.join(". ")}. All other results are kept; run again to go on`;
}
