/** From a recipe's rows to the rows the model trains on. */
import type { TrainingExample } from "../data/encode.js";
import { type PackedRow, packRow, rowLength } from "../model/packed-row.js";

/** A micro-batch: a packed row, which of its tokens are predicted, and its documents. */
export interface TrainingRow {
  row: PackedRow;
  /** mask[i] = 1: token i is a target, predicted from token i − 1 of the same document. */
  mask: Uint8Array;
  /** Number of targets. */
  targets: number;
  /** Where each example lies; its index names its dropout draw, wherever it is batched. */
  documents: { from: number; length: number; index: number }[];
}

/** Joins examples into one row. */
export function trainingRow(examples: readonly TrainingExample[]): TrainingRow {
  const row = packRow(examples.map(({ tokens }) => tokens));
  const mask = new Uint8Array(row.tokens.length);
  const documents: TrainingRow["documents"] = [];
  let at = 0;
  for (const example of examples) {
    mask.set(example.mask, at);
    mask[at] = 0; // nothing predicts a document's first token
    documents.push({ from: at, length: example.tokens.length, index: example.index });
    at += example.tokens.length;
  }
  return { row, mask, targets: mask.reduce((sum, m) => sum + m, 0), documents };
}

/**
 * Deals examples (indices) into as few rows as hold at most `limit` tokens and `most` examples each (a longer example
 * has a row of its own), of about equal length: each goes, longest first, to the row with the fewest tokens.
 */
export function balancedRows(
  indices: readonly number[],
  length: (index: number) => number,
  limit: number,
  most: number,
): number[][] {
  const sorted = indices.slice().sort((a, b) => length(b) - length(a));
  const total = indices.reduce((sum, index) => sum + length(index), 0);
  for (let count = Math.max(1, Math.ceil(total / limit), Math.ceil(indices.length / most)); ; count++) {
    const rows = Array.from({ length: count }, () => ({ tokens: 0, indices: [] as number[] }));
    for (const index of sorted) {
      const open = rows.filter((row) => row.indices.length < most);
      const row = open.reduce((least, other) => (other.tokens < least.tokens ? other : least));
      row.indices.push(index);
      row.tokens += length(index);
    }
    if (count >= indices.length || rows.every((row) => row.tokens <= limit || row.indices.length === 1))
      return rows.filter((row) => row.indices.length > 0).map((row) => row.indices);
  }
}

/** The longest row that batches of `micro` examples can make, cut at `limit`. */
export function longestRow(lengths: readonly number[], micro: number, limit: number): number {
  const sorted = lengths.slice().sort((a, b) => b - a);
  const sum = sorted.slice(0, micro).reduce((a, b) => a + b, 0);
  return rowLength(Math.max(sorted[0] ?? 1, Math.min(sum, limit)));
}
