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

/** The longest row that batches of `micro` examples can make, cut at `limit`. */
export function longestRow(lengths: readonly number[], micro: number, limit: number): number {
  const sorted = lengths.slice().sort((a, b) => b - a);
  const sum = sorted.slice(0, micro).reduce((a, b) => a + b, 0);
  return rowLength(Math.max(sorted[0] ?? 1, Math.min(sum, limit)));
}
