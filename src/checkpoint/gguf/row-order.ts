/** In which order GGUF files have the rows of attention's layers, where that differs from Hugging Face's. */
import { familyNames } from "./tensor-names.js";

export interface HeadCounts {
  heads: number;
  kvHeads: number;
}

/** Row of the Hugging Face weight → row of the stored one. */
export type RowOrder = (row: number) => number;

/**
 * How a tensor's rows (or a bias' values) are stored; undefined where they lie as they are.
 *
 * Interleaved pairs: within a head of `d` rows, stored row 2i + j is row j·d/2 + i. Kinds apart: Hugging Face has, for each
 * head, its queries, keys and values; stored are all queries, all keys, all values.
 * @param rows how many there are; undefined is returned where the heads cannot share them.
 */
export function rowOrder(
  gguf: string,
  architecture: string,
  { heads, kvHeads }: HeadCounts,
  rows: number,
): RowOrder | undefined {
  const family = familyNames(architecture);
  const [, part] = /^blk\.\d+\.(attn_q|attn_k|attn_qkv)\.(?:weight|bias)/.exec(gguf) ?? [];
  if (part === undefined) return undefined;
  if (part === "attn_qkv") {
    if (!family.kindsApart) return undefined;
    const size = rows / 3 / heads;
    return (row) => {
      const head = Math.floor(row / (3 * size));
      const kind = Math.floor(row / size) % 3;
      return (kind * heads + head) * size + (row % size);
    };
  }
  if (!family.pairs) return undefined;
  const size = rows / (part === "attn_q" ? heads : kvHeads);
  return (row) => {
    const inside = row % size;
    return row - inside + (inside < size / 2 ? 2 * inside : 2 * (inside - size / 2) + 1);
  };
}

/** Whether heads can share so many rows, in pairs where pairs are stored. */
export function rowsFit(gguf: string, architecture: string, { heads, kvHeads }: HeadCounts, rows: number): boolean {
  if (rowOrder(gguf, architecture, { heads, kvHeads }, rows) === undefined) return true;
  const parts = /\.attn_qkv\./.test(gguf) ? 3 * heads : 2 * (/\.attn_q\./.test(gguf) ? heads : kvHeads);
  return parts >= 1 && rows % parts === 0;
}

/** Rows as stored → as Hugging Face has them, in place. */
export function restoreRows(data: Float32Array, rows: number, order: RowOrder): void {
  const stored = data.slice();
  const width = data.length / rows;
  for (let row = 0; row < rows; row++) {
    const from = order(row) * width;
    data.set(stored.subarray(from, from + width), row * width);
  }
}

/** The inverse of `restoreRows`, in place. */
export function storeRows(data: Float32Array, rows: number, order: RowOrder): void {
  const plain = data.slice();
  const width = data.length / rows;
  for (let row = 0; row < rows; row++) data.set(plain.subarray(row * width, (row + 1) * width), order(row) * width);
}
