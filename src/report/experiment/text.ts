import { visible } from "../html.js";
import {
  ERRORS,
  extentNotes,
  howNotes,
  promptNotes,
  publishedText,
  resultTables,
  shownValue,
  styleOf,
  withError,
} from "./figures.js";
import { findingOf } from "./finding.js";
import { COMMAND_FACT, type ExperimentReport } from "./report-data.js";

/** Every figure, one a line (RFC 4180): in the units of `results.json`, so accuracies are 0 to 1. */
export function experimentCsv({ scores, published }: ExperimentReport): string {
  const head = [
    "evaluation",
    "suite",
    "metric",
    "arm",
    "value",
    "stderr",
    "n",
    "missing",
    "seeds",
    "published",
    "published_source",
    "sampling_error",
    "run_to_run_error",
    "ci95_low",
    "ci95_high",
    "how",
    "prompts",
  ];
  const rows = scores.map((score) => [
    score.evaluation,
    score.suite,
    score.metric,
    score.arm,
    score.value ?? "",
    score.stderr ?? "",
    score.n,
    score.missing,
    score.seeds,
    score.published === undefined ? "" : (score.published.value ?? "not at hand"),
    score.published === undefined ? "" : published[score.published.source]!.source,
    score.sampling ?? "",
    score.runToRun ?? "",
    score.low ?? "",
    score.high ?? "",
    score.how ?? "",
    score.prompts ?? "",
  ]);
  return [head, ...rows].map((row) => `${row.map(csvCell).join(",")}\r\n`).join("");
}

function csvCell(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The prompts by which data were made: "Prompts of lima-refined: refine: …". */
export const dataPrompts = ({ data }: ExperimentReport): string[] =>
  data.flatMap(({ name, prompts }) => (prompts ? [`Prompts of ${name}: ${prompts}`] : []));

/** The report as Markdown (CommonMark with tables), with the first questions of each suite. */
export function experimentMarkdown(report: ExperimentReport, shown = 10): string {
  const blocks: string[] = [`# ${escaped(report.title)}`];
  if (report.description) blocks.push(escaped(report.description));
  const finding = findingOf(report);
  if (finding.length > 0) blocks.push(`**Found:** ${escaped(finding.join(" "))}`);
  blocks.push(...report.notes.map((note) => escaped(note)));
  if (report.smoke)
    blocks.push("**Smoke variant**: small models and few rows. The figures show that the experiment works, no more.");
  if (report.absent.length > 0)
    blocks.push(
      `**Incomplete.** Without a result: ${report.absent.map(({ id, status, error }) => escaped(`${id} (${status}${error ? `: ${error}` : ""})`)).join("; ")}.`,
    );
  blocks.push(report.facts.map(([name, value]) => `- ${escaped(name)}: ${factText(name, value)}`).join("\n"));
  for (const { title, columns, rows, evaluations } of resultTables(report)) {
    const scores = rows.flatMap((row) => row.scores);
    blocks.push(`## ${escaped(title)}`);
    const heads = columns.flatMap(({ suite, metric, hasPublished }) => [
      `${suite}: ${styleOf(metric).label}`,
      ...(hasPublished ? [`${suite}: published`] : []),
    ]);
    const lines = rows.map(({ title: arm, scores }) => [
      arm,
      ...columns.flatMap(({ hasPublished }, i) => [
        withError(scores[i]),
        ...(hasPublished ? [publishedText(scores[i])] : []),
      ]),
    ]);
    const notes = [ERRORS, ...extentNotes(report, evaluations), ...howNotes(scores)];
    blocks.push(table([["arm", ...heads], ...lines]), notes.map(escaped).join("; "));
    blocks.push(promptNotes(scores).map(escaped).join(". "));
  }
  if (report.taskModels.length > 0) {
    const names = [...new Set(report.taskModels.flatMap(({ figures }) => Object.keys(figures)))];
    const sorted = [...report.taskModels].sort((a, b) => (b.figures.rougeL ?? 0) - (a.figures.rougeL ?? 0));
    blocks.push("## User tasks beside published models");
    const lines = sorted.map(({ model, isPublished, figures }) => [
      isPublished ? `${model} (published)` : model,
      ...names.map((name) => (name === "n" ? String(figures.n) : shownValue(name, figures[name]))),
    ]);
    blocks.push(table([["model", ...names.map((name) => (name === "n" ? "tasks" : styleOf(name).label))], ...lines]));
  }
  if (report.data.length > 0) {
    blocks.push("## Data");
    const lines = report.data.map(({ name, kind, rows, promptWords, responseWords, counts, notes }) => [
      name,
      kind,
      rows.toLocaleString("en-US"),
      promptWords.mean.toFixed(1),
      responseWords.mean.toFixed(1),
      Object.entries(counts)
        .map(([key, value]) => `${key} ${Number(value.toPrecision(4))}`)
        .concat(notes)
        .join(", "),
    ]);
    blocks.push(table([["data", "made by", "rows", "words a prompt", "words a response", "counts"], ...lines]));
    blocks.push(dataPrompts(report).map(escaped).join(". "));
  }
  if (report.published.length > 0) {
    blocks.push("## Published figures");
    blocks.push(
      report.published
        .map(({ source, url, note }) => `- ${escaped([source, url, note].filter((part) => part).join(", "))}`)
        .join("\n"),
    );
    for (const { title, note, columns, rows } of report.published.flatMap(({ tables }) => tables)) {
      blocks.push(`### ${escaped(title)}`);
      if (note) blocks.push(escaped(`Published; ${note}`));
      blocks.push(
        table([["", ...columns], ...Object.entries(rows).map(([name, cells]) => [name, ...cells.map(String)])]),
      );
    }
  }
  const suites = [...new Set(report.questions.map(({ evaluation, suite }) => `${evaluation}/${suite}`))];
  if (suites.length > 0) blocks.push("## Answers side by side");
  for (const each of suites) {
    const questions = report.questions.filter(({ evaluation, suite }) => `${evaluation}/${suite}` === each);
    blocks.push(`### ${escaped(each)}${questions.length > shown ? `, the first ${shown}` : ""}`);
    for (const { instruction, expected, answers } of questions.slice(0, shown)) {
      blocks.push(`#### ${escaped(instruction)}`);
      if (expected !== undefined) blocks.push(`Expected: ${escaped(expected)}`);
      for (const { arm, text, notes } of answers)
        blocks.push(
          `**${escaped(arm)}**${notes.length ? ` (${escaped(notes.join(", "))})` : ""}`,
          fenced(visible(text)),
        );
    }
  }
  return `${blocks.filter((block) => block !== "").join("\n\n")}\n`;
}

/**
 * The report for a terminal: the tables, and the first questions with every arm's answer on one line. Control characters of the
 * models' text are taken out, so that it cannot move the cursor.
 */
export function experimentTerminal(
  report: ExperimentReport,
  { width = 80, questions = 5 }: { width?: number; questions?: number } = {},
): string {
  const lines = [oneLine(report.title), ...[...report.notes, ...findingOf(report)].map(oneLine)];
  for (const { title, columns, rows, evaluations } of resultTables(report)) {
    // One line a figure where the columns would not fit.
    const heads = columns.map(({ suite, metric }) => `${suite}: ${styleOf(metric).label}`);
    const wide = [["", ...heads], ...rows.map((row) => [row.title, ...row.scores.map(withError)])];
    const long = [
      ["", ...rows.map((row) => row.title)],
      ...columns.map((_, i) => [heads[i]!, ...rows.map((row) => withError(row.scores[i]))]),
    ];
    const notes = [...extentNotes(report, evaluations), ...howNotes(rows.flatMap(({ scores }) => scores))];
    lines.push("", oneLine(title), ...aligned(lineWidth(wide) <= width ? wide : long), ...notes.map(oneLine));
  }
  const dataNotes = report.data.flatMap(({ name, notes }) => notes.map((note) => oneLine(`data ${name}: ${note}`)));
  if (dataNotes.length > 0) lines.push("", ...dataNotes);
  const asked = report.questions.slice(0, questions);
  const nameWidth = Math.max(0, ...asked.flatMap(({ answers }) => answers.map(({ arm }) => arm.length)));
  for (const { instruction, answers } of asked) {
    lines.push("", cut(`? ${oneLine(instruction)}`, width));
    for (const { arm, text, notes } of answers) {
      const end = notes.includes("cut off at the limit") ? " […]" : "";
      lines.push(cut(`  ${arm.padEnd(nameWidth)}  ${oneLine(text)}${end}`, width));
    }
  }
  return `${lines.join("\n")}\n`;
}

function widthsOf(rows: readonly (readonly string[])[]): number[] {
  return rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
}

const lineWidth = (rows: readonly (readonly string[])[]): number =>
  widthsOf(rows).reduce((sum, width) => sum + width + 2, -2);

function aligned(raw: readonly (readonly string[])[]): string[] {
  const rows = raw.map((row) => row.map(oneLine));
  const widths = widthsOf(rows);
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  ");
  const [head, ...body] = rows;
  return [line(head!), widths.map((width) => "─".repeat(width)).join("  "), ...body.map(line)];
}

const oneLine = (text: string): string => visible(text).replace(/\s+/g, " ").trim();

function cut(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join("")}…`;
}

function table([head, ...rows]: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.map(escaped).join(" | ")} |`;
  const rule = `| --- |${" ---: |".repeat(head!.length - 1)}`;
  return [line(head!), rule, ...rows.map(line)].join("\n");
}

/** Text as one line in which no character has a meaning to Markdown or HTML. */
function escaped(text: string): string {
  return oneLine(text).replace(/[\\`*_{}[\]<>()#+!|~&-]/g, (sign) => `\\${sign}`);
}

/** A command is copied from the page, so it must stand there as it is typed. */
const factText = (name: string, value: string): string =>
  name === COMMAND_FACT ? codeSpan(oneLine(value)) : escaped(value);

/** A code span whose quotes are longer than any run of backticks within. */
function codeSpan(text: string): string {
  const quotes = "`".repeat(1 + longestTicks(text));
  const space = /^`|`$/.test(text) ? " " : "";
  return `${quotes}${space}${text}${space}${quotes}`;
}

const longestTicks = (text: string): number => Math.max(0, ...(text.match(/`+/g) ?? []).map(({ length }) => length));

/** A code block whose fence is longer than any run of backticks within. */
function fenced(text: string): string {
  const fence = "`".repeat(1 + Math.max(2, longestTicks(text)));
  return `${fence}text\n${text}\n${fence}`;
}
