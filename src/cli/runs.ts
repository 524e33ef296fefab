import { resolve } from "node:path";
import { Command, Option } from "commander";
import { UsageError } from "../errors.js";
import { type FoundRun, findRuns, runMetrics, runSettings, settingsThatDiffer, trashRun } from "../train/runs.js";
import { globalOptions, printJson, say } from "./output.js";

const FIGURES = ["loss", "validation_loss"] as const;
type Figure = (typeof FIGURES)[number];
/** Points of a curve that are printed. */
const POINTS = 8;

interface ListFlags {
  where?: string[];
  best?: Figure;
}

/** `evoke runs [DIR]`, `evoke runs compare A B…`, `evoke runs delete A…`. */
export function runsCommand(): Command {
  return new Command("runs")
    .description("List the training runs of a folder, compare them, or put them into its trash.")
    .argument("[dir]", "folder to search", "runs")
    .option("--where <key=value>", "only runs with this setting or status, such as mode=rt (repeatable)", collect)
    .addOption(new Option("--best <figure>", "best first: lowest figure at the end of the run").choices(FIGURES))
    .action(list)
    .addCommand(
      new Command("compare")
        .description("Show what differs between runs: settings, and their curves at equal parts of the way.")
        .argument("<run...>", "run folders")
        .action(compare),
    )
    .addCommand(
      new Command("delete")
        .description("Move runs into the folder .trash beside them; delete that folder to free the space.")
        .argument("<run...>", "run folders")
        .action(remove),
    );
}

function collect(value: string, earlier: string[] | undefined): string[] {
  return [...(earlier ?? []), value];
}

const figureOf = ({ record }: FoundRun, figure: Figure): number | undefined =>
  figure === "loss" ? record.loss : record.validationLoss;

function list(dir: string, flags: ListFlags, self: Command): void {
  const globals = globalOptions(self);
  const { best } = flags;
  let runs = findRuns(dir).filter((run) => (flags.where ?? []).every((condition) => matches(run, condition)));
  if (best) {
    const rank = (run: FoundRun): number => figureOf(run, best) ?? Number.POSITIVE_INFINITY;
    runs = runs.sort((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1));
  }
  if (globals.json) {
    printJson(
      runs.map(({ id, path, record: { status, mode, method, model, progress, loss, validationLoss, started } }) => ({
        ...{ run: id, path, status, mode, method, model, step: progress.step, steps: progress.steps, started },
        ...{ loss: loss ?? null, validation_loss: validationLoss ?? null },
      })),
    );
    return;
  }
  if (runs.length === 0) {
    say(`${dir}: no runs${flags.where ? " that match" : ""}`, globals);
    return;
  }
  const rows = runs.map(({ id, record }) => [
    ...[id, record.status, `${record.progress.step}/${record.progress.steps}`, record.mode, record.method],
    ...[digits(record.loss), digits(record.validationLoss), record.model],
  ]);
  print([["run", "status", "step", "mode", "method", "loss", "validation", "model"], ...rows]);
}

function matches(run: FoundRun, condition: string): boolean {
  const at = condition.indexOf("=");
  if (at < 1) throw new UsageError(`--where ${condition}: write KEY=VALUE, such as mode=rt or lora.r=16`);
  const [key, value] = [condition.slice(0, at), condition.slice(at + 1)];
  const own: Record<string, string> = { status: run.record.status, method: run.record.method, mode: run.record.mode };
  return (own[key] ?? runSettings(run.path)[key]) === value;
}

function compare(paths: string[], _: unknown, self: Command): void {
  const globals = globalOptions(self);
  if (paths.length < 2) throw new UsageError("runs compare: name two runs or more");
  const settings = settingsThatDiffer(paths);
  const curves = paths.map(runMetrics);
  if (globals.json) {
    printJson({
      runs: paths,
      settings,
      curves: curves.map((steps) => steps.map(({ step, loss, validation_loss }) => ({ step, loss, validation_loss }))),
    });
    return;
  }
  const differing = Object.entries(settings).map(([name, values]) => [name, ...values.map((value) => value ?? "–")]);
  print([["setting", ...paths], ...(differing.length ? differing : [["(all equal)"]])]);
  process.stdout.write("\n");
  const parts = Array.from({ length: POINTS }, (_, i) => (i + 1) / POINTS);
  for (const figure of FIGURES) {
    const rows = parts.map((part) => [
      `${figure} at ${Math.round(part * 100)} %`,
      ...curves.map((steps) => digits(lastWith(steps.slice(0, Math.ceil(steps.length * part)), figure))),
    ]);
    if (rows.some((row) => row.slice(1).some((cell) => cell !== "–"))) print(rows);
  }
}

function lastWith(steps: readonly Partial<Record<Figure, number>>[], figure: Figure): number | undefined {
  return steps.findLast((step) => step[figure] !== undefined)?.[figure];
}

function remove(paths: string[], _: unknown, self: Command): void {
  const globals = globalOptions(self);
  const now = new Date();
  const moved = paths.map((path) => ({ run: path, trash: trashRun(resolve(path), now) }));
  if (globals.json) printJson(moved);
  else for (const { run, trash } of moved) say(`${run}: now ${trash}`, globals);
}

const digits = (value: number | undefined): string => value?.toFixed(4) ?? "–";

/** A table with columns as wide as their longest cell. */
function print(rows: readonly (readonly string[])[]): void {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  for (const row of rows)
    process.stdout.write(
      `${row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join("  ")
        .trimEnd()}\n`,
    );
}
