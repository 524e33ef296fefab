import { relative } from "node:path";
import { openExperiment } from "../experiment/open.js";
import type { ExperimentRecord, StepRecord } from "../experiment/record.js";
import { runExperiment as runOpened } from "../experiment/run.js";
import type { DeviceName } from "../runtime/device.js";
import { evokeVersion } from "../version.js";
import type { CallOptions, NoticeEvent } from "./events.js";
import { Task } from "./task.js";

/** A step began, ended, failed or was blocked. */
export interface ExperimentStepEvent {
  type: "step";
  /** Such as `train.rt` or `eval.rt.core`. */
  id: string;
  /** A line for people. */
  title: string;
  /** What it has become. */
  status: StepRecord["status"];
  /** `remote` steps wait for servers and run beside local work. */
  lane: StepRecord["lane"];
  /** Steps that this call has done so far. */
  done: number;
  /** Steps that this call has to do. */
  total: number;
  /** Why it failed, or what blocks it. */
  error?: string;
}

/** How far a part of a step is. */
export interface ExperimentProgressEvent {
  type: "progress";
  /** Id of the step. */
  step: string;
  /** As in the step's record. */
  lane: StepRecord["lane"];
  /** What is counted, such as "train" or a suite. */
  label: string;
  /** 0 to `total`; several steps that wait for servers may be under way at once. */
  done: number;
  /** Units in all. */
  total: number;
  /** Such as "rows" or "steps". */
  unit: string;
  /** Figures of the moment, such as the loss. */
  note?: string;
}

/** What `runExperiment` tells. */
export type ExperimentEvent = NoticeEvent | ExperimentStepEvent | ExperimentProgressEvent;

/** Options of `runExperiment`. */
export interface RunExperimentOptions extends CallOptions<ExperimentEvent> {
  /** Experiment file (YAML). */
  file: string;
  /** Fields over the file's, as `evoke run --set` takes them, such as `recipe.epochs=1`. */
  set?: readonly string[] | undefined;
  /** Folder of the experiment; default `runs/NAME`. */
  out?: string | undefined;
  /** Run the file's small variant; default false. */
  smoke?: boolean | undefined;
  /** Only these steps and what they need: ids or beginnings of ids. Default all. */
  only?: readonly string[] | undefined;
  /** Do these steps again, and what needs them; answers in their journals are kept. */
  force?: readonly string[] | undefined;
  /** With `force`: ask for the answers again as well. */
  discard?: boolean | undefined;
  /** CPU threads; default the number of cores. */
  threads?: number | undefined;
  /** Where to compute; default auto. */
  device?: DeviceName | "auto" | undefined;
  /** Folder of local data, used in place of the network. */
  dataDir?: string | undefined;
  /** The command line that the report names as the way to repeat it, from the folder; default `evoke run FILE --out FOLDER`. */
  command?: ((folder: string) => string) | undefined;
}

/** A finished experiment. */
export interface ExperimentResult {
  /** Folder of the experiment. */
  folder: string;
  /** Steps done by this call; 0 when all was there. */
  done: number;
  /** Whether there was nothing to do, the report included. */
  idle: boolean;
  /** `experiment.json`: every step with its state. */
  record: ExperimentRecord;
  /** Report files by kind, as paths. */
  report: Readonly<Record<"html" | "markdown" | "csv" | "json", string>> | undefined;
}

/**
 * Runs an experiment: data, trainings and evaluations as one plan, and a report. What an earlier call has finished is not done
 * again; stopped at any moment, the same call goes on from the checkpoints and journals of its steps.
 *
 * @throws UsageError for a file that cannot be used; FailureError when steps failed, after all others were done.
 */
export function runExperiment(options: RunExperimentOptions): Task<ExperimentEvent, ExperimentResult> {
  return new Task<ExperimentEvent, ExperimentResult>(options, async ({ signal, say, emit }) => {
    const { file, set = [], smoke = false, dataDir, only, force, discard, threads, device = "auto" } = options;
    const opened = await openExperiment({
      file,
      sets: set,
      smoke,
      out: options.out,
      dataDir,
      dryRun: false,
      say,
      signal,
    });
    const { out } = opened;
    const { record, done, idle } = await runOpened(opened, {
      ...{ file, dataDir, device, threads, only, force, discard, signal, say },
      command: options.command?.(out) ?? `evoke run ${file} --out ${relative(".", out)}`,
      versions: { evoke: evokeVersion(), node: process.versions.node },
      onStep: (step, error) => emit({ type: "step", ...step, ...(error === undefined ? {} : { error }) }),
      progress:
        ({ id, lane }) =>
        (label, total, unit = "rows") =>
        (at, note) => {
          if (at === undefined) return;
          emit({
            type: "progress",
            step: id,
            lane,
            label,
            done: at,
            total,
            unit,
            ...(note === undefined ? {} : { note }),
          });
        },
    });
    const path = (name: string): string => `${out}/${name}`;
    const { report: files } = record;
    const report = files && {
      ...{ html: path(files.html), markdown: path(files.markdown), csv: path(files.csv), json: path(files.json) },
    };
    return { folder: out, done, idle, record, report };
  });
}
