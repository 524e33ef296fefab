import { createHash } from "node:crypto";
import { MASK_WASM } from "./simd/mask-wasm.js";

/** Values made at a time: they stay in the processor's cache until they are copied out. */
const CHUNK = 32768;
/** Values of one round of the loop. */
const ROUND = 16;

/** Two words of a key, from what names it. */
export type KeyWords = readonly [number, number];

type Fill = (out: number, rounds: number, threshold: number, from: number, a: number, b: number) => void;

let filler: { memory: Uint8Array; fill: Fill } | undefined;

function load(): NonNullable<typeof filler> {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const module = new WebAssembly.Module(Buffer.from(MASK_WASM, "base64"));
  const { fill } = new WebAssembly.Instance(module, { evoke: { memory } }).exports;
  return { memory: new Uint8Array(memory.buffer), fill: fill as Fill };
}

/** The same parts give the same words. */
export function keyWords(...parts: (string | number)[]): KeyWords {
  const digest = createHash("sha256").update(JSON.stringify(parts)).digest();
  return [digest.readUInt32LE(0), digest.readUInt32LE(4)];
}

/** The key of both together. */
export const joinedWords = ([a, b]: KeyWords, [c, d]: KeyWords): KeyWords => [(a + c) >>> 0, (b + d) >>> 0];

/** What a 16-bit value must reach to be a one. */
export const maskThreshold = (zeroProbability: number): number =>
  Math.min(0xffff, Math.round(zeroProbability * 0x10000));

/**
 * Fills `out` with ones, and with zeros with the given probability (to within 2⁻¹⁷, at most 1 − 2⁻¹⁶). Value i depends on i
 * and the key alone: of number i / 2 (mask.wat), the low half where i is even, else the high one. A training step with dropout
 * draws hundreds of millions of these, so they are made in WebAssembly SIMD; a GPU makes the same by a graph.
 */
export function fillMask(out: Uint8Array, zeroProbability: number, key: KeyWords): void {
  const { memory, fill } = (filler ??= load());
  const threshold = maskThreshold(zeroProbability);
  for (let at = 0; at < out.length; at += CHUNK) {
    const count = Math.min(CHUNK, out.length - at);
    fill(0, Math.ceil(count / ROUND), threshold, at / 2, ...key);
    out.set(memory.subarray(0, count), at);
  }
}
