import { readFileSync } from "node:fs";
import { isAbsolute, relative, resolve } from "node:path";
import { Command } from "commander";
import type { ExperimentEvent, ExperimentProgressEvent, ExperimentResult } from "../api/run-experiment.js";
import { CLEAR_LINE, createProgress, type Progress } from "../progress/progress.js";
import { writeControl } from "../progress/terminal.js";
import { interruptible } from "./interrupt.js";
import { type GlobalOptions, globalOptions, parseCount, printJson, say } from "./output.js";

export interface RunFlags {
  set: string[];
  out?: string;
  smoke: boolean;
  dryRun: boolean;
  only?: string[];
  force?: string[];
  discard?: boolean;
  threads?: number;
}

const collect = (value: string, previous: string[] | undefined): string[] => [...(previous ?? []), value];

/** `evoke run EXPERIMENT.yaml`: plan a whole experiment, do what is not done yet, write its report. */
export function runCommand(): Command {
  return new Command("run")
    .description("Run an experiment: data, trainings and evaluations as one plan, and a report. Run again to continue.")
    .argument("<experiment>", "experiment file (YAML)")
    .option("--set <key=value>", "override a field, e.g. --set recipe.epochs=1 (repeatable)", collect, [])
    .option("--out <folder>", "folder of the experiment; default: runs/NAME")
    .option("--smoke", "run the file's small variant", false)
    .option("--dry-run", "show the plan with estimates, and do nothing", false)
    .option(
      "--only <step>",
      "do only this step and what it needs; also a beginning such as eval.rt (repeatable)",
      collect,
    )
    .option(
      "--force <step>",
      "do this step again, and what needs it; answers in its journals are kept (repeatable)",
      collect,
    )
    .option("--discard", "with --force: ask for the answers again as well", false)
    .option("--threads <n>", "processor threads", parseCount)
    .action(async (file: string, flags: RunFlags, command: Command) => {
      const global = globalOptions(command);
      const result = await runFile(file, flags, global);
      if (result) await tell(result, global);
    });
}

/** Runs an experiment as the flags say, or shows its plan; no result after a dry run. */
export async function runFile(
  file: string,
  flags: RunFlags,
  global: GlobalOptions,
): Promise<ExperimentResult | undefined> {
  const { out, smoke, only, force, discard, threads } = flags;
  const set = [...flags.set, ...(global.seed === undefined ? [] : [`seeds=[${global.seed}]`])];
  return interruptible(
    async (signal) => {
      if (flags.dryRun) {
        await showPlan(file, { set, out, smoke, only: only ?? [] }, global, signal);
        return undefined;
      }
      const { runExperiment } = await import("../api/run-experiment.js");
      const shown = experimentProgress(global);
      return runExperiment({
        ...{ file, set, out, smoke, only, force, discard, threads, signal },
        device: global.device,
        dataDir: global.dataDir,
        command: (folder) => commandLine(file, flags, global, folder),
        onProgress: shown.onProgress,
      }).finally(shown.finish);
    },
    (name) => say(`${name}: saving; run again to go on`, global),
  );
}

async function showPlan(
  file: string,
  { set, out, smoke, only }: { set: string[]; out?: string; smoke: boolean; only: string[] },
  global: GlobalOptions,
  signal: AbortSignal,
): Promise<void> {
  const { openExperiment } = await import("../experiment/open.js");
  const { describePlan, planEstimates } = await import("../experiment/estimate.js");
  const { selectSteps } = await import("../experiment/select.js");
  const lines = (line: string): void => say(line, global);
  const { dataDir } = global;
  const opened = await openExperiment({ file, sets: set, smoke, out, dataDir, dryRun: true, say: lines, signal });
  const plan = await planEstimates(opened, selectSteps(opened.steps, only));
  if (global.json) printJson(plan);
  else process.stdout.write(describePlan(opened, plan));
}

/** The result: with --json the record and the report's scores, else the report's tables. */
export async function tell(result: ExperimentResult, global: GlobalOptions): Promise<void> {
  const { folder: out, idle, done, record } = result;
  const path = (name: string): string => relative(".", `${out}/${name}`) || name;
  if (idle) say(`nothing to do: all ${record.steps.length} steps are done`, global);
  if (global.json) {
    const report = JSON.parse(readFileSync(`${out}/report.json`, "utf8")) as Record<string, unknown>;
    printJson({ out, done, record, report });
  } else if (!idle) {
    const { experimentTerminal } = await import("../report/experiment/text.js");
    const report = JSON.parse(readFileSync(`${out}/report.json`, "utf8"));
    process.stdout.write(experimentTerminal(report, { width: process.stdout.columns ?? 100 }));
  }
  if (record.report) say(`report: ${path(record.report.html)}`, global);
}

/** Local work has the terminal's one moving line; steps that wait for servers write plain lines beside it. */
function experimentProgress(global: GlobalOptions): { onProgress(event: ExperimentEvent): void; finish(): void } {
  const plain = {
    isTTY: false,
    write(text: string) {
      if (process.stderr.isTTY) writeControl(process.stderr, CLEAR_LINE);
      process.stderr.write(text);
    },
  };
  const lines = new Map<string, Progress>();
  const lineOf = ({ step, lane, label, total, unit, done }: ExperimentProgressEvent): Progress => {
    const key = `${step}: ${label}`;
    const known = lines.get(key);
    if (known && done > 0) return known;
    known?.finish();
    const stream = lane === "remote" ? { stream: plain } : {};
    const line = createProgress({ label: key, total, unit, startAt: done, quiet: global.quiet, ...stream });
    lines.set(key, line);
    return line;
  };
  const finishStep = (id: string): void => {
    for (const [key, line] of lines) {
      if (!key.startsWith(`${id}: `)) continue;
      line.finish();
      lines.delete(key);
    }
  };
  return {
    onProgress(event) {
      if (event.type === "notice") say(event.message, global);
      else if (event.type === "step") finishStep(event.id);
      else lineOf(event).update(event.done, event.note);
    },
    finish: () => {
      for (const line of lines.values()) line.finish();
    },
  };
}

/** What to type to repeat or continue a run. */
function commandLine(file: string, flags: RunFlags, global: GlobalOptions, out: string): string {
  const quoted = (text: string): string =>
    /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
  const near = (path: string): string => {
    const short = relative(process.cwd(), resolve(path));
    return short === "" || short.startsWith("..") || isAbsolute(short) ? path : short;
  };
  const parts = ["evoke", "run", near(file)];
  if (flags.smoke) parts.push("--smoke");
  for (const set of flags.set) parts.push("--set", set);
  if (global.seed !== undefined) parts.push("--seed", String(global.seed));
  parts.push("--out", near(out));
  return parts.map(quoted).join(" ");
}
