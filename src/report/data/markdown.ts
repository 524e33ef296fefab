import type { DataFigures } from "./figures.js";
import {
  closestTable,
  countsTable,
  duplicatesTable,
  languagesTable,
  lengthsTable,
  notes,
  type ReportTable,
  similarityTable,
  sourcesTable,
  tokensTable,
  verbsTable,
} from "./tables.js";

/** The tables of the data report as Markdown. */
export function dataReportMarkdown(figures: DataFigures, title: string): string {
  const tables = [
    countsTable(figures),
    lengthsTable(figures),
    similarityTable(figures),
    closestTable(figures),
    verbsTable(figures),
    duplicatesTable(figures),
    languagesTable(figures),
    tokensTable(figures),
    sourcesTable(figures),
  ];
  const parts = tables.flatMap((table) => (table && table.rows.length > 0 ? [tableText(table)] : []));
  return `${[
    `# ${title}`,
    ...parts,
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
