import { countWords } from "./count-words.js";
import type { Pair } from "./row-shapes.js";

/** Smallest, largest, mean and quantiles of a list of counts. */
export interface Spread {
  min: number;
  mean: number;
  median: number;
  p90: number;
  max: number;
}

export interface DataStats {
  rows: number;
  sources: Record<string, number>;
  emptyCompletions: number;
  /** Rows that repeat an earlier row's prompt and completion. */
  duplicates: number;
  /** Rows that repeat an earlier row's prompt. */
  repeatedPrompts: number;
  promptWords: Spread;
  completionWords: Spread;
}

/** Counts of prepared rows. */
export function dataStats(rows: readonly (Pair & { source?: string })[]): DataStats {
  const sources: Record<string, number> = {};
  for (const { source = "?" } of rows) sources[source] = (sources[source] ?? 0) + 1;
  const pairs = new Set(rows.map(({ prompt, completion }) => JSON.stringify([prompt, completion])));
  const prompts = new Set(rows.map(({ prompt }) => prompt));
  return {
    rows: rows.length,
    sources,
    emptyCompletions: rows.filter(({ completion }) => completion.trim() === "").length,
    duplicates: rows.length - pairs.size,
    repeatedPrompts: rows.length - prompts.size,
    promptWords: spread(rows.map(({ prompt }) => countWords(prompt))),
    completionWords: spread(rows.map(({ completion }) => countWords(completion))),
  };
}

/** All zero for an empty list; quantiles are the nearest rank. */
export function spread(counts: readonly number[]): Spread {
  if (counts.length === 0) return { min: 0, mean: 0, median: 0, p90: 0, max: 0 };
  const sorted = [...counts].sort((a, b) => a - b);
  const rank = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
  const sum = sorted.reduce((total, count) => total + count, 0);
  return { min: sorted[0]!, mean: sum / sorted.length, median: rank(0.5), p90: rank(0.9), max: sorted.at(-1)! };
}
