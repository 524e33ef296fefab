import { answerOf, type Comparison, figureTable } from "./comparison.js";
import { visible } from "./html.js";

/**
 * The comparison for a terminal: a table of figures and the first questions with every model's answer, each answer
 * on one line. Control characters of the models' text are taken out, so that it cannot move the cursor.
 *
 * @param options.width columns of the terminal. @param options.questions how many questions to show.
 */
export function comparisonTerminal(
  comparison: Comparison,
  options: { width?: number; questions?: number } = {},
): string {
  const { width = 80, questions = 5 } = options;
  const { columns, rows } = figureTable(comparison);
  const lines = [
    oneLine(comparison.title),
    "",
    ...alignColumns([["model", ...columns], ...rows.map(({ name, cells }) => [name, ...cells])]),
  ];
  const nameWidth = Math.max(0, ...comparison.models.map(({ name }) => oneLine(name).length));
  for (const question of comparison.questions.slice(0, questions)) {
    lines.push("", cut(`? ${oneLine(question.instruction)}`, width));
    for (const { name } of comparison.models) {
      const answer = answerOf(question, name);
      const text = answer ? oneLine(answer.text) + (answer.finishReason === "length" ? " […]" : "") : "(no answer)";
      lines.push(cut(`  ${oneLine(name).padEnd(nameWidth)}  ${text}`, width));
    }
  }
  return `${lines.join("\n")}\n`;
}

/** The comparison as Markdown (CommonMark with tables). */
export function comparisonMarkdown(comparison: Comparison): string {
  const { columns, rows } = figureTable(comparison);
  const blocks = [
    `# ${escapeMarkdown(comparison.title)}`,
    comparison.facts.map(([name, value]) => `- ${escapeMarkdown(name)}: ${escapeMarkdown(value)}`).join("\n"),
    [
      markdownRow(["model", ...columns]),
      markdownRow(["---", ...columns.map(() => "---:")], (cell) => cell),
      ...rows.map(({ name, cells }) => markdownRow([name, ...cells])),
    ].join("\n"),
    "## Answers side by side",
  ];
  for (const question of comparison.questions) {
    blocks.push(`### ${escapeMarkdown(question.instruction)}`);
    if (question.expected !== undefined) blocks.push(`Expected: ${escapeMarkdown(question.expected)}`);
    for (const { name } of comparison.models) {
      const answer = answerOf(question, name);
      if (!answer) continue;
      const end = answer.finishReason === "stop" ? "ended by itself" : "cut off";
      blocks.push(`**${escapeMarkdown(name)}** (${answer.tokens} tokens, ${end})`, fenced(visible(answer.text)));
    }
  }
  return `${blocks.filter((block) => block !== "").join("\n\n")}\n`;
}

function alignColumns(raw: string[][]): string[] {
  const table = raw.map((row) => row.map(oneLine));
  const widths = (table[0] as string[]).map((_, column) =>
    Math.max(...table.map((row) => (row[column] as string).length)),
  );
  const line = (row: string[]): string =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number))).join("  ");
  const [head, ...body] = table as [string[], ...string[][]];
  return [line(head), widths.map((width) => "─".repeat(width)).join("  "), ...body.map(line)];
}

function oneLine(text: string): string {
  return visible(text).replace(/\s+/g, " ").trim();
}

function cut(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join("")}…`;
}

function markdownRow(cells: string[], treat: (cell: string) => string = escapeMarkdown): string {
  return `| ${cells.map(treat).join(" | ")} |`;
}

/** Text as one line in which no character has a meaning to Markdown or HTML. */
function escapeMarkdown(text: string): string {
  return oneLine(text).replace(/[\\`*_{}[\]<>()#+!|~&-]/g, (sign) => `\\${sign}`);
}

/** A code block whose fence is longer than any run of backticks within. */
function fenced(text: string): string {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map(({ length }) => length));
  const fence = "`".repeat(longest + 1);
  return `${fence}text\n${text}\n${fence}`;
}
