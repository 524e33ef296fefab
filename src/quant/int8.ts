import { FailureError } from "../errors.js";

/** A matrix in 8 bits, one scale a row: value = data · scale. */
export interface Int8Weight {
  shape: [number, number];
  data: Int8Array;
  /** Absolute maximum of each row / 127. */
  scale: Float32Array;
}

/** 1.5 · 2^23: an fp32 number this large has no fraction, so adding it rounds to a whole number, ties to even. */
const ROUNDER = 12_582_912;

/**
 * Quantises each row by its absolute maximum, rounding to nearest, ties to even, as the weights of LLM.int8()
 * (arXiv 2208.07339); the bytes equal those of bitsandbytes on CPU.
 */
export function quantizeInt8(w: Float32Array, shape: [number, number]): Int8Weight {
  const [rows, columns] = shape;
  if (w.length !== rows * columns) {
    throw new FailureError(`a ${shape.join("×")} weight needs ${rows * columns} values, got ${w.length}`);
  }
  const data = new Int8Array(w.length);
  const scale = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    let largest = 0;
    for (let i = start; i < start + columns; i++) largest = Math.max(largest, Math.abs(w[i]!));
    scale[row] = largest / 127;
    const factor = Math.fround(127 * Math.fround(1 / largest));
    // Rows of zeros or denormals become zeros, as in the reference.
    if (factor === Number.POSITIVE_INFINITY) continue;
    for (let i = start; i < start + columns; i++)
      data[i] = Math.fround(Math.fround(w[i]! * factor) + ROUNDER) - ROUNDER;
  }
  return { shape, data, scale };
}

/** Decodes a whole weight, row-major. */
export function dequantizeInt8(w: Int8Weight, out: Float32Array): void {
  const [rows, columns] = w.shape;
  if (out.length < rows * columns) {
    throw new FailureError(`a ${w.shape.join("×")} weight needs room for ${rows * columns} values, got ${out.length}`);
  }
  for (let row = 0, i = 0; row < rows; row++) {
    const scale = w.scale[row]!;
    for (const end = i + columns; i < end; i++) out[i] = w.data[i]! * scale;
  }
}
