import { FailureError } from "../errors.js";
import { NESTED_BLOCK, quantizeBlockwise, signedDynamicMap, torchMean } from "./dynamic-map.js";

/** The scales of a double-quantised weight: scale = code[codes[i]] · absmax[i / 256] + offset. */
export interface NestedAbsmax {
  codes: Uint8Array;
  absmax: Float32Array;
  code: Float32Array;
  offset: number;
}

/**
 * A matrix in 4 bits as bitsandbytes lays it out: blocks of `blockSize` values of the flattened row-major matrix, two values a
 * byte, the first in the high four bits, each block scaled by its absolute maximum.
 */
export interface Nf4Weight {
  shape: [number, number];
  packed: Uint8Array;
  absmax: NestedAbsmax | Float32Array;
  blockSize: number;
  quantType: "nf4" | "fp4";
}

/** NormalFloat4 (QLoRA, arXiv 2305.14314, appendix E): quantiles of a normal distribution with an exact zero. */
export const NF4_CODE = Float32Array.of(
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
  -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
  0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
); // biome-ignore format: a table

/** 4-bit floats of bitsandbytes: sign, two bits of exponent, one of fraction, scaled to 1. */
export const FP4_CODE = Float32Array.from(
  [0, 0.0625, 8, 12, 4, 6, 2, 3, -0, -0.0625, -8, -12, -4, -6, -2, -3],
  (v) => v / 12,
);

/** Upper ends of the intervals that round to NF4 values 0–14; a value on an end goes to the lower. */
const NF4_BOUNDS = Float32Array.from({ length: 15 }, (_, i) => Math.fround(NF4_CODE[i]! + NF4_CODE[i + 1]!) / 2);

/** Smallest scale the reference divides by. */
const TINY = Math.fround(1e-38);

/**
 * Quantises a row-major matrix to NF4; bytes equal those of bitsandbytes on CPU (one thread, where double quantisation sums
 * the scales). Double quantisation is on unless turned off.
 */
export function quantizeNf4(
  w: Float32Array,
  shape: [number, number],
  options: { doubleQuant?: boolean; blockSize?: number } = {},
): Nf4Weight {
  const blockSize = options.blockSize ?? 64;
  const n = shape[0] * shape[1];
  if (w.length !== n) throw new FailureError(`a ${shape.join("×")} weight needs ${n} values, got ${w.length}`);
  if (!Number.isInteger(blockSize) || blockSize < 2 || blockSize % 2)
    throw new FailureError(`NF4 block size ${blockSize}: use 64`);
  const packed = new Uint8Array(Math.ceil(n / 2));
  const absmax = new Float32Array(Math.ceil(n / blockSize));
  const scaled = new Float32Array(blockSize);
  for (let b = 0; b < absmax.length; b++) {
    const start = b * blockSize;
    const length = Math.min(blockSize, n - start);
    let largest = 0;
    for (let i = start; i < start + length; i++) {
      const magnitude = Math.abs(w[i]!);
      if (magnitude > largest) largest = magnitude;
    }
    const divisor = Math.max(largest, TINY);
    // The reference multiplies by the reciprocal in whole blocks and divides in the last, shorter one.
    if (length === blockSize) {
      absmax[b] = largest;
      const factor = Math.fround(1 / divisor);
      for (let i = 0; i < length; i++) scaled[i] = w[start + i]! * factor;
    } else {
      absmax[b] = divisor;
      for (let i = 0; i < length; i++) scaled[i] = w[start + i]! / divisor;
      scaled[length] = 0;
    }
    for (let i = 0; i < length; i += 2) {
      packed[(start + i) >> 1] = (nf4Index(scaled[i]!) << 4) | nf4Index(scaled[i + 1]!);
    }
  }
  return { shape, packed, absmax: options.doubleQuant === false ? absmax : nest(absmax), blockSize, quantType: "nf4" };
}

/** Buckets on [−1, 1], narrower than any gap between bounds: how many bounds lie below the start of each. */
const BUCKETS = 64;
const bucketStarts = Uint8Array.from({ length: BUCKETS + 1 }, (_, bucket) => {
  const start = (2 * bucket) / BUCKETS - 1;
  return NF4_BOUNDS.filter((bound) => bound < start).length;
});
const boundsAndEnd = Float32Array.of(...NF4_BOUNDS, Number.POSITIVE_INFINITY);

/** Number of bounds below `x`, which is on [−1, 1] but for a rounding: the code of the nearest NF4 value. */
function nf4Index(x: number): number {
  const start = bucketStarts[((x + 1) * (BUCKETS / 2)) | 0]!;
  return x > boundsAndEnd[start]! ? start + 1 : start;
}

function nest(absmax: Float32Array): NestedAbsmax {
  const offset = torchMean(absmax);
  const code = signedDynamicMap();
  return {
    ...quantizeBlockwise(absmax.map((value) => value - offset)),
    code,
    offset,
  };
}

/** Writes the float32 scale of every block into `out`. */
export function blockScales(weight: Nf4Weight, out: Float32Array): void {
  const { absmax } = weight;
  if (absmax instanceof Float32Array) {
    out.set(absmax);
    return;
  }
  const { code, codes, offset } = absmax;
  for (let from = 0; from < out.length; from += NESTED_BLOCK) {
    const scale = absmax.absmax[from / NESTED_BLOCK]!;
    const to = Math.min(out.length, from + NESTED_BLOCK);
    for (let block = from; block < to; block++) out[block] = Math.fround(code[codes[block]!]! * scale) + offset;
  }
}

function nestedScale(nested: NestedAbsmax, block: number): number {
  const product = Math.fround(nested.code[nested.codes[block]!]! * nested.absmax[(block / NESTED_BLOCK) | 0]!);
  return Math.fround(product + nested.offset);
}

/** Both values of every byte, by twice the byte. */
const pairTables = { nf4: pairsOf(NF4_CODE), fp4: pairsOf(FP4_CODE) };

function pairsOf(code: Float32Array): Float32Array {
  return Float32Array.from({ length: 512 }, (_, i) => code[i & 1 ? (i >> 1) & 15 : i >> 5]!);
}

/** Decodes a whole weight, row-major, into the first rows·columns values of `out`. */
export function dequantizeNf4(w: Nf4Weight, out: Float32Array): void {
  const n = w.shape[0] * w.shape[1];
  if (out.length < n)
    throw new FailureError(`a ${w.shape.join("×")} weight needs room for ${n} values, got ${out.length}`);
  decodeBlocks(w, 0, n, out, 0);
}

/** Decodes `count` values from value `start`, a multiple of the block size, into `out` from `at`. */
export function decodeBlocks(w: Nf4Weight, start: number, count: number, out: Float32Array, at: number): void {
  const { packed, absmax, blockSize } = w;
  const table = pairTables[w.quantType];
  const plain = absmax instanceof Float32Array ? absmax : undefined;
  const end = start + count;
  // Whole blocks are read four bytes at a time where the array's place in memory allows it.
  const aligned = packed.byteOffset % 4 === 0 && blockSize % 8 === 0;
  const words = aligned ? new Uint32Array(packed.buffer, packed.byteOffset, packed.length >> 2) : undefined;
  let to = at;
  for (let block = start / blockSize, from = start; from < end; block++, from += blockSize) {
    const scale = plain ? plain[block]! : nestedScale(absmax as NestedAbsmax, block);
    const stop = Math.min(from + blockSize, end);
    if (words && stop - from === blockSize) {
      decodeWords(words, from >> 3, stop >> 3, table, scale, out, to);
      to += blockSize;
      continue;
    }
    const lastByte = stop >> 1;
    for (let p = from >> 1; p < lastByte; p++) {
      const pair = packed[p]! << 1;
      out[to++] = table[pair]! * scale;
      out[to++] = table[pair + 1]! * scale;
    }
    if (stop & 1) out[to++] = table[packed[lastByte]! << 1]! * scale;
  }
}

/** The hot loop: eight values from every little-endian word. */
function decodeWords(
  words: Uint32Array,
  first: number,
  end: number,
  table: Float32Array,
  scale: number,
  out: Float32Array,
  at: number,
): void {
  for (let p = first; p < end; p++, at += 8) {
    const word = words[p]!;
    const a = (word << 1) & 510;
    const b = (word >>> 7) & 510;
    const c = (word >>> 15) & 510;
    const d = (word >>> 23) & 510;
    out[at] = table[a]! * scale;
    out[at + 1] = table[a + 1]! * scale;
    out[at + 2] = table[b]! * scale;
    out[at + 3] = table[b + 1]! * scale;
    out[at + 4] = table[c]! * scale;
    out[at + 5] = table[c + 1]! * scale;
    out[at + 6] = table[d]! * scale;
    out[at + 7] = table[d + 1]! * scale;
  }
}
