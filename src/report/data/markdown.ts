import type { DataFigures } from "./figures.js";
import { notes, type ReportTable, reportTables } from "./tables.js";

/** The tables of the data report as Markdown. */
export function dataReportMarkdown(figures: DataFigures, title: string): string {
  return `${[
    `# ${title}`,
    ...reportTables(figures).map(tableText),
    notes(figures)
      .map((note) => `- ${note}`)
      .join("\n"),
  ].join("\n\n")}\n`;
}

function tableText({ title, columns, rows }: ReportTable): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`;
  const rule = columns.map((_, i) => (i === 0 ? "---" : "---:"));
  return [`## ${title}`, "", line(columns), line(rule), ...rows.map(line)].join("\n");
}

function cell(text: string): string {
  return text.replace(/\s+/g, " ").replaceAll("|", "\\|");
}
