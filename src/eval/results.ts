import { mean, standardError } from "../metrics/statistics.js";

/** A figure with its standard error; `null` where it is not defined (no row, or a single one for the error). */
export interface MetricValue {
  /** The figure; its unit is the metric's, as the guide of evaluations says. */
  value: number | null;
  /** Its standard error, in the same unit. */
  stderr: number | null;
  /** What a reader must know of how the figure was worked out. */
  how?: string;
}

/** What is reported of a suite; the value of its name in `results.json`. */
export interface SuiteResult {
  /** Rows that count in the metrics. */
  n: number;
  /** Rows that do not: malformed, failed, or not judged. They are never counted as wrong. */
  missing: number;
  /** Figures by their names. */
  metrics: Record<string, MetricValue>;
  /** Other counts and figures, such as cut-off contexts, empty answers and categories. */
  details?: Record<string, unknown>;
  /** Everything that the figures depend on. */
  config?: Record<string, unknown>;
}

/** A row's record in `samples/SUITE.jsonl`. */
export type Sample = Record<string, unknown>;

export interface SuiteOutput {
  results: Record<string, SuiteResult>;
  /** By file name without ending. */
  samples: Record<string, Sample[]>;
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** Mean of row scores with the standard error of lm-evaluation-harness (sample deviation over √n). */
export function meanMetric(values: readonly number[]): MetricValue {
  return { value: finite(mean(values)), stderr: finite(standardError(values)) };
}

/** A figure without an error of its own. */
export function plainMetric(value: number, stderr = Number.NaN): MetricValue {
  return { value: finite(value), stderr: finite(stderr) };
}

/** Plain mean of several suites' figures, each counting the same; its error from theirs, taken as independent. */
export function averageMetric(metrics: readonly MetricValue[]): MetricValue {
  if (metrics.length === 0 || metrics.some(({ value }) => value === null)) return { value: null, stderr: null };
  const k = metrics.length;
  const known = metrics.every(({ stderr }) => stderr !== null);
  const squares = metrics.reduce((sum, { stderr }) => sum + (stderr ?? 0) ** 2, 0);
  return {
    value: metrics.reduce((sum, { value }) => sum + value!, 0) / k,
    stderr: known ? Math.sqrt(squares) / k : null,
  };
}

/** A table for the terminal: suite, rows, missing, and each metric with its error. */
export function resultTable(results: Readonly<Record<string, SuiteResult>>): string {
  const rows: string[][] = [["suite", "n", "missing", "metric", "value", "± stderr"]];
  for (const [suite, { n, missing, metrics }] of Object.entries(results)) {
    let first = true;
    for (const [name, { value, stderr }] of Object.entries(metrics)) {
      const lead = first ? [suite, String(n), String(missing)] : ["", "", ""];
      rows.push([...lead, name, value === null ? "–" : value.toFixed(4), stderr === null ? "" : stderr.toFixed(4)]);
      first = false;
    }
    if (first) rows.push([suite, String(n), String(missing), "–", "–", ""]);
  }
  return textTable(rows, [0, 3]);
}

/** Columns padded to their widest cell. @param left columns set flush left; numbers go right. */
export function textTable(rows: readonly (readonly string[])[], left: readonly number[]): string {
  const widths = rows[0]!.map((_, c) => Math.max(...rows.map((row) => (row[c] ?? "").length)));
  const lines = rows.map((row) =>
    row
      .map((cell, c) => (left.includes(c) ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!)))
      .join("  ")
      .trimEnd(),
  );
  lines.splice(1, 0, widths.map((width) => "-".repeat(width)).join("  "));
  return `${lines.join("\n")}\n`;
}
