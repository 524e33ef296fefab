/** Lengths of weight rows, for DoRA (Liu et al. 2024, arXiv 2402.09353). */
import type { Adapter, AdapterFactors } from "./adapter.js";
import type { LinearName } from "./decoder-layer.js";
import { decodeWeight, type StoredWeight } from "./weights.js";

/** scaling · B·A: what an adapter adds to a weight. */
export interface LinearUpdate {
  factors: AdapterFactors;
  rank: number;
  scaling: number;
}

/** L2 norm of each row of W + scaling · B·A, or of W alone: [out]. */
export function rowNorms(
  stored: StoredWeight,
  [out, width]: readonly [number, number],
  update?: LinearUpdate,
): Float32Array {
  const weight = decodeWeight(stored, () => new Float32Array(out * width));
  const norms = new Float32Array(out);
  const row = new Float64Array(width);
  for (let o = 0; o < out; o++) {
    row.set(weight.subarray(o * width, (o + 1) * width));
    if (update) addUpdate(row, o, update);
    norms[o] = rowLength(row);
  }
  return norms;
}

export function rowLength(row: Float64Array): number {
  let sum = 0;
  for (const value of row) sum += value * value;
  return Math.sqrt(sum);
}

/**
 * An adapted layer for decoding, y = gain ⊙ (W·x) + B·A·x: B with the adapter's scale in it, and for DoRA the gain of
 * each output, its trained length over that of the row of W + scaling · B·A.
 */
export function scaledFactors(
  stored: StoredWeight,
  shape: readonly [number, number],
  adapter: Adapter,
  layer: number,
  name: LinearName,
): { factors: AdapterFactors; gain?: Float32Array } {
  const factors = adapter.layers[layer]!.get(name)!;
  const { rank, scaling } = adapter.shape.layers[layer]!.get(name)!;
  const { a, b, magnitude } = factors;
  if (!magnitude) return { factors: { a, b: b.map((value) => value * scaling) } };
  const norms = rowNorms(stored, shape, { factors, rank, scaling });
  const gain = magnitude.map((value, i) => value / norms[i]!);
  return { factors: { a, b: b.map((value, i) => value * scaling * gain[Math.floor(i / rank)]!) }, gain };
}

/** Adds row `o` of scaling · b [out, rank] · a [rank, in] to `row` [in]. */
export function addUpdate(row: Float64Array, o: number, { factors, rank, scaling }: LinearUpdate): void {
  const { a, b } = factors;
  const width = row.length;
  for (let r = 0; r < rank; r++) {
    const factor = scaling * b[o * rank + r]!;
    if (factor === 0) continue;
    const from = r * width;
    for (let i = 0; i < width; i++) row[i]! += factor * a[from + i]!;
  }
}
