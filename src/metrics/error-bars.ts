import { mean, sampleVariance } from "./statistics.js";
import { studentQuantile } from "./student-t.js";

/** How sure a figure is, by where the doubt comes from. All are null where they are not defined. */
export interface ErrorBars {
  /** Standard error from the rows that happen to be asked: other rows of the same kind would give another figure. */
  sampling: number | null;
  /** Standard error from the seeds that happen to be trained: others would give another figure. Null with a single run. */
  runToRun: number | null;
  /** Both together. */
  combined: number | null;
  /** 95 % confidence interval, from Student's t. */
  low: number | null;
  high: number | null;
}

/** A run's figure as its suite reports it. */
export interface RunFigure {
  value: number;
  /** Standard error over its rows; null where the suite has none. */
  stderr: number | null;
  n: number;
}

/**
 * Errors of the mean over S runs that scored the same R rows, by the two-way model score = mean + run + row + rest.
 *
 * - sampling² = variance over rows of the rows' means over runs / R
 * - run-to-run² = variance over runs of the runs' means / S
 * - the rest enters both; its part, MSE / (S · R), is taken out of the second once:
 *   combined² = sampling² + max(0, run-to-run² − MSE / (S · R))
 * - half the interval = √(t²(R − 1) · sampling² + t²(S − 1) · max(0, run-to-run² − MSE / (S · R)))
 *
 * @param runs scores of each run, rows in one order.
 */
export function crossedErrors(runs: readonly (readonly number[])[]): ErrorBars {
  const S = runs.length;
  const R = runs[0]?.length ?? 0;
  if (runs.some((run) => run.length !== R)) throw new RangeError("error bars: runs of unequal length");
  const rowMeans = Array.from({ length: R }, (_, r) => mean(runs.map((run) => run[r]!)));
  const runMeans = runs.map(mean);
  const value = mean(runMeans);
  const rows = sampleVariance(rowMeans) / R;
  if (S < 2) return bars(value, { rows, rowFreedom: R - 1 });
  let squares = 0;
  for (const [s, run] of runs.entries())
    for (const [r, score] of run.entries()) squares += (score - rowMeans[r]! - runMeans[s]! + value) ** 2;
  const rest = R > 1 ? squares / ((S - 1) * (R - 1) * S * R) : 0;
  return bars(value, { rows, rowFreedom: R - 1, runs: sampleVariance(runMeans) / S, runFreedom: S - 1, rest });
}

/**
 * The same from the runs' own errors, where their rows are not at hand or the figure is no mean over rows. The rest is then counted
 * in both parts, so that the combined error is rather too large than too small.
 */
export function summaryErrors(runs: readonly RunFigure[]): ErrorBars {
  const value = mean(runs.map((run) => run.value));
  const known = runs.flatMap(({ stderr }) => (stderr === null ? [] : [stderr ** 2]));
  const rows = known.length === runs.length ? mean(known) : Number.NaN;
  const rowFreedom = Math.min(...runs.map(({ n }) => n)) - 1;
  if (runs.length < 2) return bars(value, { rows, rowFreedom });
  const between = sampleVariance(runs.map((run) => run.value)) / runs.length;
  return bars(value, { rows, rowFreedom, runs: between, runFreedom: runs.length - 1, rest: 0 });
}

interface Parts {
  rows: number;
  rowFreedom: number;
  runs?: number;
  runFreedom?: number;
  rest?: number;
}

const orNull = (value: number): number | null => (Number.isFinite(value) ? value : null);

function bars(value: number, { rows, rowFreedom, runs, runFreedom = 0, rest = 0 }: Parts): ErrorBars {
  const ofRuns = runs === undefined ? 0 : Math.max(0, runs - rest);
  const t = (freedom: number): number => (freedom > 0 ? studentQuantile(0.975, freedom) : Number.NaN);
  const half = Math.sqrt(t(rowFreedom) ** 2 * rows + (ofRuns > 0 ? t(runFreedom) ** 2 * ofRuns : 0));
  return {
    sampling: orNull(Math.sqrt(rows)),
    runToRun: runs === undefined ? null : orNull(Math.sqrt(runs)),
    combined: orNull(Math.sqrt(rows + ofRuns)),
    low: orNull(value - half),
    high: orNull(value + half),
  };
}
