/** A packed row on the host: which document each token belongs to, and what its attention may see. */
import { hostTensor, type Tensor } from "../runtime/device.js";
import { QUERY_BLOCK } from "./packed-attention.js";

export interface PackedRow {
  /** Token ids; padding at the end is 0. */
  tokens: Int32Array;
  /** Position of each token within its document. */
  positions: Int32Array;
  /** Number of each token's document, ascending from 0. Padding forms documents of one token each. */
  documents: Int32Array;
  /**
   * Branch within the document, for scoring several continuations of one context: a token sees branch 0 (the context)
   * and its own branch. Absent when there are none.
   */
  branches?: Int32Array;
  /** Tokens that are not padding. */
  used: number;
}

/**
 * The row length to compile for, at most an eighth longer than needed, so that few graphs are compiled. It depends on
 * the number of tokens alone: padding can change the last bits of a sum, and a resumed run must repeat them.
 */
export function rowLength(tokens: number): number {
  const step = Math.max(32, 2 ** (Math.floor(Math.log2(Math.max(1, tokens))) - 3));
  return Math.max(32, Math.ceil(tokens / step) * step);
}

/** Joins documents (token ids each) into one row of at least `minimum` tokens. */
export function packRow(documents: readonly ArrayLike<number>[], length?: number): PackedRow {
  const used = documents.reduce((sum, document) => sum + document.length, 0);
  const total = length ?? rowLength(used);
  if (used > total) throw new Error(`${used} tokens do not fit a row of ${total}`);
  const row: PackedRow = {
    tokens: new Int32Array(total),
    positions: new Int32Array(total),
    documents: new Int32Array(total),
    used,
  };
  let at = 0;
  documents.forEach((document, index) => {
    for (let i = 0; i < document.length; i++, at++) {
      row.tokens[at] = document[i]!;
      row.positions[at] = i;
      row.documents[at] = index;
    }
  });
  for (let index = documents.length; at < total; at++, index++) row.documents[at] = index;
  return row;
}

const HIDDEN = -1e30;

/**
 * The attention inputs of a row (names as in packed-attention.ts).
 * @param window tokens a query looks back on, itself included; undefined for no limit.
 */
export function attentionFeeds(row: PackedRow, window?: number): Record<string, Tensor> {
  const { documents, positions, branches } = row;
  const total = documents.length;
  const feeds: Record<string, Tensor> = {};
  // documentStart[i]: index of the first token of token i's document.
  const documentStart = new Int32Array(total);
  for (let i = 1; i < total; i++) documentStart[i] = documents[i] === documents[i - 1] ? documentStart[i - 1]! : i;
  for (let from = 0, block = 0; from < total; from += QUERY_BLOCK, block++) {
    const to = Math.min(from + QUERY_BLOCK, total);
    let start = documentStart[from]!;
    if (window !== undefined && !branches) start = Math.max(start, from - window + 1);
    const keys = to - start;
    const bias = new Float32Array((to - from) * keys).fill(HIDDEN);
    for (let q = from; q < to; q++) {
      const line = (q - from) * keys - start;
      const first = Math.max(start, documentStart[q]!);
      for (let k = first; k <= q; k++) {
        if (branches && branches[k] !== 0 && branches[k] !== branches[q]) continue;
        if (window !== undefined && positions[q]! - positions[k]! >= window) continue;
        bias[line + k] = 0;
      }
    }
    feeds[`start${block}`] = hostTensor("int64", BigInt64Array.of(BigInt(start)), [1]);
    feeds[`pads${block}`] = hostTensor("int64", BigInt64Array.of(BigInt(start), 0n, BigInt(total - to), 0n), [4]);
    feeds[`bias${block}`] = hostTensor("float32", bias, [to - from, keys]);
  }
  return feeds;
}
