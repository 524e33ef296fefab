import { FailureError } from "../errors.js";

/**
 * A matrix [out, in] in blocks along `in`, laid out as ONNX Runtime's MatMulNBits reads it
 * (github.com/microsoft/onnxruntime, docs/ContribOperators.md): value = (code − zero point) · scale.
 */
export interface BlockWeight {
  bits: 4 | 8;
  shape: [number, number];
  /** Weights that share one scale: a power of two, 16 or more. */
  block: number;
  /** Blocks in a row: ⌈in / block⌉; the last one is filled up with zeros. */
  blocks: number;
  /** uint8 [out, blocks, block · bits / 8]; of two 4-bit codes in a byte the first has the low half. */
  codes: Uint8Array;
  /** float32 [out · blocks]. */
  scales: Float32Array;
  /** 4 bit only, uint8 [out · ⌈blocks / 2⌉], two a byte. The zero point of 8 bit is 128 everywhere. */
  zeroPoints?: Uint8Array;
}

/** Puts into `target` what stands for some rows of a matrix; both have the same shape. */
export type RowChange = (source: Float32Array, target: Float32Array) => void;

/**
 * Rounds a matrix to blocks of 8-bit codes (symmetric, scale = largest magnitude / 127) or 4-bit codes (with a zero
 * point; the range of each block, widened to hold 0, is cut in 15 steps).
 * @param w [out, in] row-major.
 * @param block weights that share one scale.
 * @param change is done to each row before it is rounded; `w` stays as it is.
 */
export function quantizeBlocks(
  w: Float32Array,
  shape: readonly [number, number],
  bits: 4 | 8,
  block = 32,
  change?: RowChange,
): BlockWeight {
  const [rows, columns] = shape;
  if (w.length !== rows * columns)
    throw new FailureError(`a ${shape.join("×")} weight needs ${rows * columns} values, got ${w.length}`);
  const blocks = Math.ceil(columns / block);
  const scales = new Float32Array(rows * blocks);
  const changed = new Float32Array(change ? columns : 0);
  const rowAt = (row: number): Float32Array => {
    const found = w.subarray(row * columns, (row + 1) * columns);
    if (!change) return found;
    change(found, changed);
    return changed;
  };
  const result = { bits, shape: [rows, columns] as [number, number], block, blocks, scales };
  if (bits === 8) return { ...result, codes: codes8(rowAt, rows, columns, block, scales) };
  return { ...result, ...codes4(rowAt, rows, columns, block, scales) };
}

type RowAt = (row: number) => Float32Array;

function codes8(rowAt: RowAt, rows: number, columns: number, block: number, scales: Float32Array): Uint8Array {
  const blocks = Math.ceil(columns / block);
  const codes = new Uint8Array(rows * blocks * block).fill(128);
  for (let row = 0, index = 0; row < rows; row++) {
    const w = rowAt(row);
    for (let from = 0; from < columns; from += block, index++) {
      const to = Math.min(from + block, columns);
      let largest = 0;
      for (let i = from; i < to; i++) {
        const size = Math.abs(w[i]!);
        if (size > largest) largest = size;
      }
      const scale = Math.fround(largest / 127);
      scales[index] = scale;
      if (scale === 0) continue;
      const inverse = 1 / scale;
      const out = index * block - from;
      // Truncation after adding 128.5 is rounding to nearest: the sum is never negative.
      for (let i = from; i < to; i++) codes[out + i] = Math.min(255, (w[i]! * inverse + 128.5) | 0);
    }
  }
  return codes;
}

function codes4(rowAt: RowAt, rows: number, columns: number, block: number, scales: Float32Array) {
  const blocks = Math.ceil(columns / block);
  const zeroBytes = Math.ceil(blocks / 2);
  const codes = new Uint8Array((rows * blocks * block) / 2);
  const zeroPoints = new Uint8Array(rows * zeroBytes);
  const line = new Uint8Array(block);
  for (let row = 0, index = 0; row < rows; row++) {
    const w = rowAt(row);
    for (let b = 0; b < blocks; b++, index++) {
      const from = b * block;
      const count = Math.min(block, columns - from);
      let low = 0;
      let high = 0;
      for (let i = from; i < from + count; i++) {
        const x = w[i]!;
        if (x < low) low = x;
        else if (x > high) high = x;
      }
      const scale = Math.fround((high - low) / 15);
      scales[index] = scale;
      const inverse = scale === 0 ? 0 : 1 / scale;
      const zero = Math.round(-low * inverse);
      zeroPoints[row * zeroBytes + (b >> 1)]! |= zero << (4 * (b & 1));
      line.fill(zero);
      for (let i = 0; i < count; i++) line[i] = Math.max(0, Math.min(15, Math.round(w[from + i]! * inverse) + zero));
      const out = (index * block) / 2;
      for (let i = 0; i < block; i += 2) codes[out + (i >> 1)] = line[i]! | (line[i + 1]! << 4);
    }
  }
  return { codes, zeroPoints };
}

/** The values that the codes stand for, [out, in]. */
export function dequantizeBlocks(weight: BlockWeight): Float32Array {
  const { bits, block, blocks, codes, scales, zeroPoints } = weight;
  const [rows, columns] = weight.shape;
  const out = new Float32Array(rows * columns);
  const zeroBytes = Math.ceil(blocks / 2);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const b = Math.floor(column / block);
      const index = row * blocks + b;
      const i = index * block + (column % block);
      const code = bits === 8 ? codes[i]! : (codes[i >> 1]! >> (4 * (i & 1))) & 15;
      const zero = zeroPoints ? (zeroPoints[row * zeroBytes + (b >> 1)]! >> (4 * (b & 1))) & 15 : 128;
      out[row * columns + column] = (code - zero) * scales[index]!;
    }
  return out;
}
