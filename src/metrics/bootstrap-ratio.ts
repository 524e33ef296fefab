import { Random } from "../random/counter.js";

/** A figure with its standard error. */
export interface Estimate {
  value: number;
  stderr: number;
}

/**
 * Σ numerator / Σ denominator over rows, such as a mean over all tokens of rows of different lengths, with its standard
 * error by bootstrap over rows (Efron and Tibshirani 1993, chapter 6).
 *
 * @param rows numerator and denominator of each; `NaN` without a row, an error of `NaN` with fewer than two.
 */
export function bootstrapRatio(
  rows: readonly (readonly [numerator: number, denominator: number])[],
  options: { samples?: number; seed?: number } = {},
): Estimate {
  const { samples = 2000, seed = 0 } = options;
  const n = rows.length;
  const ratio = (pick: (i: number) => number): number => {
    let top = 0;
    let bottom = 0;
    for (let i = 0; i < n; i++) {
      const row = rows[pick(i)]!;
      top += row[0];
      bottom += row[1];
    }
    return top / bottom;
  };
  const value = ratio((i) => i);
  if (n < 2) return { value, stderr: Number.NaN };
  const random = new Random("bootstrap-ratio", seed);
  let mean = 0;
  let squares = 0;
  for (let s = 1; s <= samples; s++) {
    const drawn = ratio(() => Math.floor(random.uniform() * n));
    const before = drawn - mean;
    mean += before / s;
    squares += before * (drawn - mean);
  }
  return { value, stderr: Math.sqrt(squares / (samples - 1)) };
}
