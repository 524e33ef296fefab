/** The memory that the threads of a solo decoder share, and how weights lie in it. */
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { FailureError } from "../../errors.js";
import { quantizeBlocks } from "../../quant/block-quant.js";

/** Vectors and rows of weights are filled up with zeros to a multiple of this. */
const UNIT = 64;
/** Most units that share a scale: more make steps faster and round weights more coarsely (docs/architecture.md). */
const MOST_UNITS = 3;
const PAGE = 65536;
/** All that 32-bit addresses reach. */
const MOST_PAGES = 65536;
/** The most bytes that a memory can hold. */
export const MOST_BYTES = PAGE * MOST_PAGES;

/** Indices of the words at the beginning of the memory, as solo.wat has them. */
export const STATE = { step: 0, barrier: 2, cached: 4, stop: 5, threads: 6, programs: 16 } as const;
/** Threads there is room for in the list of programs. */
export const MOST_THREADS = 16;

/** Constants that solo.wat finds behind the programs' addresses, four times each; what they are for is said there. */
const EXPONENTIAL = [
  60,
  -60,
  Math.LOG2E,
  1.5 * 2 ** 23 + 127,
  // ln 2 in two parts, of which the first has few digits.
  0.693359375,
  -2.1219444e-4,
  1.98756915e-4,
  1.3981999507e-3,
  8.3334519073e-3,
  4.1665795894e-2,
  1.6666665459e-1,
  5.0000001201e-1,
  1,
];
const CONSTANTS = 320;

/** A linear layer's weight in 8-bit codes: addresses of int8 [rows, blocks · block] and of float32 [rows, blocks]. */
export interface SoloLinear {
  codes: number;
  scales: number;
  rows: number;
  blocks: number;
  /** Weights that share a scale. */
  block: number;
  /** Address of float32 [rows], 0 for none. */
  bias: number;
}

/** How so many values in a row are cut into blocks, each with one scale. */
export function blocking(count: number): { blocks: number; block: number } {
  const units = Math.ceil(count / UNIT);
  let together = MOST_UNITS;
  while (units % together !== 0) together--;
  return { blocks: units / together, block: together * UNIT };
}

export class SoloMemory {
  readonly memory: WebAssembly.Memory;
  /** What is taken so far, and the most that ever was. */
  private top = CONSTANTS + 16 * EXPONENTIAL.length;
  private highest = this.top;

  /** @throws RangeError where the system has no room for such a memory. */
  constructor() {
    this.memory = new WebAssembly.Memory({ initial: 1, maximum: MOST_PAGES, shared: true });
    this.floats(CONSTANTS, 4 * EXPONENTIAL.length).set(EXPONENTIAL.flatMap((value) => [value, value, value, value]));
  }

  /** Address of so many bytes more, all zero. @throws FailureError when there are none. */
  take(bytes: number): number {
    const at = Math.ceil(this.top / UNIT) * UNIT;
    const missing = Math.ceil((at + bytes) / PAGE) - this.memory.buffer.byteLength / PAGE;
    try {
      if (missing > 0) this.memory.grow(missing);
    } catch {
      throw new FailureError(`no memory for ${Math.round(bytes / 1e6)} MB of weights or cached positions`);
    }
    this.top = at + bytes;
    if (at < this.highest) new Uint8Array(this.memory.buffer, at, Math.min(this.highest, this.top) - at).fill(0);
    this.highest = Math.max(this.highest, this.top);
    return at;
  }

  /** The address that everything taken so far lies before. */
  get end(): number {
    return this.top;
  }

  /** Gives back everything from an address on. */
  release(from: number): void {
    this.top = from;
  }

  /** Address of a vector with these values or, for a number, so many zeros. */
  vector(values: Float32Array | number): number {
    const count = typeof values === "number" ? values : values.length;
    const at = this.take(Math.ceil(count / UNIT) * UNIT * 4);
    if (typeof values !== "number") this.floats(at, count).set(values);
    return at;
  }

  floats(at: number, count: number): Float32Array {
    return new Float32Array(this.memory.buffer, at, count);
  }

  words(at: number, count: number): Int32Array {
    return new Int32Array(this.memory.buffer, at, count);
  }

  /**
   * Rounds a weight [rows, columns] to 8 bits.
   * @param factor multiplies all of it.
   */
  linear(w: Float32Array, shape: readonly [number, number], bias?: Float32Array, factor = 1): SoloLinear {
    const { blocks, block } = blocking(shape[1]);
    const { codes, scales } = quantizeBlocks(w, shape, 8, block);
    if (factor !== 1) for (let i = 0; i < scales.length; i++) scales[i]! *= factor;
    const at = this.take(codes.length);
    const target = this.words(at, codes.length / 4);
    const source = new Int32Array(codes.buffer, codes.byteOffset, target.length);
    // From codes around 128 to signed ones.
    for (let i = 0; i < target.length; i++) target[i] = source[i]! ^ 0x80808080;
    const scaleAt = this.take(4 * scales.length);
    this.floats(scaleAt, scales.length).set(scales);
    return { codes: at, scales: scaleAt, rows: shape[0], blocks, block, bias: bias ? this.vector(bias) : 0 };
  }
}

/**
 * Has memories freed that nothing refers to any more. V8 does not count them, so by itself it would keep gigabytes until
 * something else makes it look for what is unused.
 */
export async function freeUnused(): Promise<void> {
  // What was in use in this turn may still be on the stack.
  await setImmediate();
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  setFlagsFromString("--no-expose-gc");
  collect();
}
