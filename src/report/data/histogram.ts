/** Counts of values in bins of equal width from `start` on. */
export interface Histogram {
  start: number;
  width: number;
  counts: number[];
  /** The last bin also holds everything larger. */
  isOpen: boolean;
}

const NICE = [1, 2, 5];

/**
 * Histogram of whole numbers ≥ 0, in about `bins` bins up to their 99th percentile: bin i holds i·width ≤ value <
 * (i+1)·width. The few larger ones share the last bin, so that one very long text does not press all others into the first.
 */
export function countHistogram(values: readonly number[], bins = 30): Histogram {
  if (values.length === 0) return { start: 0, width: 1, counts: [], isOpen: false };
  const sorted = [...values].sort((a, b) => a - b);
  const top = sorted[Math.ceil(0.99 * sorted.length) - 1]!;
  const width = niceWidth((top + 1) / bins);
  const count = Math.floor(top / width) + 1;
  const counts = new Array<number>(count).fill(0);
  for (const value of sorted) counts[Math.min(count - 1, Math.floor(value / width))]!++;
  return { start: 0, width, counts, isOpen: sorted.at(-1)! >= count * width };
}

/** Histogram of shares in [0, 1]: bin i holds i/bins < value ≤ (i+1)/bins, and the first one 0 as well, so that "above" is right of a line. */
export function shareHistogram(values: readonly number[], bins = 20): Histogram {
  const counts = new Array<number>(bins).fill(0);
  for (const value of values) counts[Math.max(0, Math.ceil(value * bins - 1e-9) - 1)]!++;
  return { start: 0, width: 1 / bins, counts, isOpen: false };
}

/** The smallest of 1, 2, 5, 10, 20, … that is not below `least`. */
function niceWidth(least: number): number {
  for (let scale = 1; ; scale *= 10) {
    const width = NICE.find((step) => step * scale >= least);
    if (width !== undefined) return width * scale;
  }
}
