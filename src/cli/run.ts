import { setMaxListeners } from "node:events";
import { readFileSync } from "node:fs";
import { isAbsolute, relative, resolve } from "node:path";
import { Command } from "commander";
import { InterruptedError } from "../errors.js";
import type { OpenExperiment } from "../experiment/open.js";
import type { RunOutcome } from "../experiment/run.js";
import type { Step } from "../experiment/step.js";
import { CLEAR_LINE, createProgress } from "../progress/progress.js";
import { writeControl } from "../progress/terminal.js";
import { evokeVersion } from "../version.js";
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
      const { opened, outcome } = await runFile(file, flags, global);
      if (!outcome) return;
      await tell(opened, outcome, global);
    });
}

/** Opens and runs an experiment as the flags say; no outcome after a dry run. */
export async function runFile(
  file: string,
  flags: RunFlags,
  global: GlobalOptions,
): Promise<{ opened: OpenExperiment; outcome?: RunOutcome }> {
  const { openExperiment } = await import("../experiment/open.js");
  const stop = listenForStop(global);
  const lines = (line: string): void => say(line, global);
  try {
    const sets = [...flags.set, ...(global.seed === undefined ? [] : [`seeds=[${global.seed}]`])];
    const opened = await openExperiment({
      file,
      sets,
      smoke: flags.smoke,
      out: flags.out,
      dataDir: global.dataDir,
      dryRun: flags.dryRun,
      say: lines,
      signal: stop.signal,
    });
    if (flags.dryRun) {
      const { describePlan, planEstimates } = await import("../experiment/estimate.js");
      const { selectSteps } = await import("../experiment/select.js");
      const plan = await planEstimates(opened, selectSteps(opened.steps, flags.only ?? []));
      if (global.json) printJson(plan);
      else process.stdout.write(describePlan(opened, plan));
      return { opened };
    }
    const { runExperiment } = await import("../experiment/run.js");
    const outcome = await runExperiment(opened, {
      file,
      command: commandLine(file, flags, global, opened.out),
      dataDir: global.dataDir,
      device: global.device,
      threads: flags.threads,
      only: flags.only,
      force: flags.force,
      discard: flags.discard,
      versions: { evoke: evokeVersion(), node: process.versions.node },
      signal: stop.signal,
      say: lines,
      progress: (step) => stepProgress(step, global),
    });
    return { opened, outcome };
  } finally {
    stop.release();
  }
}

/** The result: with --json the record and the report's scores, else the report's tables. */
export async function tell(opened: OpenExperiment, outcome: RunOutcome, global: GlobalOptions): Promise<void> {
  const { out } = opened;
  const path = (name: string): string => relative(".", `${out}/${name}`) || name;
  if (outcome.idle) say(`nothing to do: all ${outcome.record.steps.length} steps are done`, global);
  if (global.json) {
    const report = JSON.parse(readFileSync(`${out}/report.json`, "utf8")) as Record<string, unknown>;
    printJson({ out, done: outcome.done, record: outcome.record, report });
  } else if (!outcome.idle) {
    const { experimentTerminal } = await import("../report/experiment/text.js");
    const report = JSON.parse(readFileSync(`${out}/report.json`, "utf8"));
    process.stdout.write(experimentTerminal(report, { width: process.stdout.columns ?? 100 }));
  }
  if (outcome.record.report) say(`report: ${path(outcome.record.report.html)}`, global);
}

/** The first signal lets what runs save its state; the second ends the process at once. */
function listenForStop(global: GlobalOptions): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal); // every request under way listens; that is no leak
  const handler = (signal: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(signal === "SIGINT" ? 130 : 143);
    say(`${signal}: saving; run again to go on`, global);
    controller.abort(new InterruptedError(signal as "SIGINT" | "SIGTERM"));
  };
  process.on("SIGINT", handler).on("SIGTERM", handler);
  return {
    signal: controller.signal,
    release: () => void process.off("SIGINT", handler).off("SIGTERM", handler),
  };
}

/** Local work has the terminal's one moving line; steps that wait for servers write plain lines beside it. */
function stepProgress(step: Step, global: GlobalOptions) {
  const plain = {
    isTTY: false,
    write(text: string) {
      if (process.stderr.isTTY) writeControl(process.stderr, CLEAR_LINE);
      process.stderr.write(text);
    },
  };
  return (label: string, total: number, unit = "rows") => {
    const line = createProgress({
      label: `${step.id}: ${label}`,
      total,
      unit,
      quiet: global.quiet,
      ...(step.lane === "remote" ? { stream: plain } : {}),
    });
    return (done?: number, note?: string): void => (done === undefined ? line.finish() : line.update(done, note));
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
