/** A packed row on the host: which document each token belongs to, and what its attention may see. */
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

/** Added to the score of a key that a query may not see. */
export const HIDDEN = -1e30;

/** A block of queries of a row, and the keys it looks at. */
export interface QueryBlock {
  /** Queries `from` ≤ i < `to`. */
  from: number;
  to: number;
  /** Keys `start` ≤ i < `end`. */
  start: number;
  end: number;
}

/**
 * The query blocks of a row, each with all the keys it looks at: from the start of its first document to its last query.
 * @param window tokens a query looks back on, itself included; undefined for no limit.
 */
export function queryBlocks(row: PackedRow, window?: number, size = QUERY_BLOCK): QueryBlock[] {
  const { documents, branches } = row;
  const blocks: QueryBlock[] = [];
  for (let from = 0; from < documents.length; from += size) {
    const to = Math.min(from + size, documents.length);
    let start = from;
    const first = window !== undefined && !branches ? Math.max(0, from - window + 1) : 0;
    while (start > first && documents[start - 1] === documents[from]) start--;
    blocks.push({ from, to, start, end: to });
  }
  return blocks;
}

/** Whether every query of a block may see every one of its keys. */
export function seesAll(
  { documents, branches }: PackedRow,
  { from, to, start, end }: QueryBlock,
  window?: number,
): boolean {
  const near = window === undefined || start > to - 1 - window;
  return !branches && near && end <= from + 1 && documents[start] === documents[to - 1];
}

/** The bias [queries, keys] of one block: 0 where a query may see a key, a large negative number elsewhere. */
export class BlockBias {
  private memory = new Float32Array(0);
  private dirty: [number, number][] = [];

  /** @returns memory that the next call overwrites. Most keys may be seen, so only the others are written. */
  fill(
    { documents, positions, branches }: PackedRow,
    { from, to, start, end }: QueryBlock,
    window?: number,
  ): Float32Array {
    const keys = end - start;
    const size = (to - from) * keys;
    if (this.memory.length < size) this.memory = new Float32Array(size);
    else for (const [first, end] of this.dirty) this.memory.fill(0, first, end);
    this.dirty = [];
    // No query of the block sees what lies before its first document, so that need not be looked at.
    let document = start;
    for (let q = from; q < to; q++) {
      if (q > from && documents[q] !== documents[q - 1]) document = q;
      const line = (q - from) * keys - start;
      const hide = (first: number, last: number): void => {
        const [low, high] = [line + Math.max(first, start), line + Math.min(last, end)];
        if (high <= low) return;
        this.memory.fill(HIDDEN, low, high);
        this.dirty.push([low, high]);
      };
      let first = document;
      if (branches)
        for (let k = first; k <= q && k < end; k++) {
          const own = branches[k] === 0 || branches[k] === branches[q];
          const near = window === undefined || positions[q]! - positions[k]! < window;
          if (!own || !near) hide(k, k + 1);
        }
      else if (window !== undefined) first = Math.max(document, q - window + 1);
      hide(start, first);
      hide(q + 1, end);
    }
    return this.memory.subarray(0, size);
  }
}
