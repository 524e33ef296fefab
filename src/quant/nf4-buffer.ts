/**
 * A decoded weight in memory that SIMD code writes: NF4 decodes several times faster than JavaScript can, to the same bits.
 */
import { blockScales, dequantizeNf4, FP4_CODE, NF4_CODE, type Nf4Weight } from "./nf4.js";
import { NF4_WASM } from "./simd/nf4-wasm.js";

/** Where the look-up planes end and the packed codes begin. */
const PLANES = 64;
const PAGE = 65536;
/** Values that one round of the loop decodes, and a block must hold a multiple of. */
const ROUND = 16;

type Decode = (codes: number, scales: number, out: number, blocks: number, rounds: number) => void;

let compiled: WebAssembly.Module | undefined;

/** Room for one weight at a time, of one size. */
export class Nf4Buffer {
  /** The decoded values, row-major. Overwritten by the next `decode`. */
  readonly values: Float32Array;
  private readonly memory?: Uint8Array;
  private readonly scalesAt: number = 0;
  private readonly valuesAt: number = 0;
  private readonly run?: Decode;

  /** @param count values in a weight. */
  constructor(
    readonly count: number,
    private readonly blockSize: number,
  ) {
    const blocks = count / blockSize;
    const fits = Number.isInteger(blocks) && blockSize % ROUND === 0;
    this.scalesAt = PLANES + count / 2;
    this.valuesAt = Math.ceil((this.scalesAt + blocks * 4) / 64) * 64;
    const pages = Math.ceil((this.valuesAt + count * 4) / PAGE);
    const memory = fits && pages <= PAGE ? reserve(pages) : undefined;
    if (!memory) {
      this.values = new Float32Array(count);
      return;
    }
    compiled ??= new WebAssembly.Module(Buffer.from(NF4_WASM, "base64"));
    this.run = new WebAssembly.Instance(compiled, { evoke: { memory } }).exports.decode as Decode;
    this.memory = new Uint8Array(memory.buffer);
    this.values = new Float32Array(memory.buffer, this.valuesAt, count);
  }

  /** Decodes a weight of `count` values into `values` and returns them. */
  decode(weight: Nf4Weight): Float32Array {
    const { count, blockSize, memory, values } = this;
    if (weight.shape[0] * weight.shape[1] !== count)
      throw new Error(`a ${weight.shape.join("×")} weight in a buffer of ${count}`);
    if (!this.run || !memory || weight.blockSize !== blockSize) {
      dequantizeNf4(weight, values);
      return values;
    }
    const table = new Uint8Array((weight.quantType === "nf4" ? NF4_CODE : FP4_CODE).buffer);
    for (let i = 0; i < PLANES; i++) memory[(i % 4) * 16 + (i >> 2)] = table[i]!;
    memory.set(weight.packed, PLANES);
    const scales = new Float32Array(memory.buffer, this.scalesAt, count / blockSize);
    blockScales(weight, scales);
    this.run(PLANES, this.scalesAt, this.valuesAt, scales.length, blockSize / ROUND);
    return values;
  }
}

/** Memory of a fixed size; undefined where there is none to be had, as where address space is limited. */
function reserve(pages: number): WebAssembly.Memory | undefined {
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages });
  } catch {
    return undefined;
  }
}
