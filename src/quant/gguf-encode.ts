/** Encoders of GGUF's block formats, as llama.cpp's reference quantiser rounds (ggml-quants.c, `quantize_row_*_ref`). */
import { floatToBfloat, floatToHalf } from "./half.js";

export const GGUF_ENCODINGS = ["f32", "f16", "bf16", "q8_0", "q4_0"] as const;
export type GgufEncoding = (typeof GGUF_ENCODINGS)[number];

export interface BlockEncoder {
  /** Number of the type in GGUF files. */
  type: number;
  /** Values and bytes of a block. */
  values: number;
  bytes: number;
  /** Encodes one block of `x` from `at` on into `out`. */
  encode(x: Float32Array, at: number, out: DataView, position: number): void;
}

const { fround } = Math;

/** The largest magnitude of a block, with its sign. */
function extreme(x: Float32Array, at: number): number {
  let most = 0;
  for (let i = at; i < at + 32; i++) if (Math.abs(x[i]!) > Math.abs(most)) most = x[i]!;
  return most;
}

export const ENCODERS: Record<GgufEncoding, BlockEncoder> = {
  f32: { type: 0, values: 1, bytes: 4, encode: (x, at, out, position) => out.setFloat32(position, x[at]!, true) },
  f16: {
    type: 1,
    values: 1,
    bytes: 2,
    encode: (x, at, out, position) => out.setUint16(position, floatToHalf(x[at]!), true),
  },
  bf16: {
    type: 30,
    values: 1,
    bytes: 2,
    encode: (x, at, out, position) => out.setUint16(position, floatToBfloat(x[at]!), true),
  },
  q8_0: {
    type: 8,
    values: 32,
    bytes: 34,
    encode(x, at, out, position) {
      const d = fround(Math.abs(extreme(x, at)) / 127);
      const inverse = d ? fround(1 / d) : 0;
      out.setUint16(position, floatToHalf(d), true);
      // C's roundf: halves go away from zero.
      for (let i = 0; i < 32; i++) {
        const value = fround(x[at + i]! * inverse);
        out.setInt8(position + 2 + i, Math.sign(value) * Math.floor(Math.abs(value) + 0.5));
      }
    },
  },
  q4_0: {
    type: 2,
    values: 32,
    bytes: 18,
    encode(x, at, out, position) {
      const d = fround(extreme(x, at) / -8);
      const inverse = d ? fround(1 / d) : 0;
      out.setUint16(position, floatToHalf(d), true);
      const code = (i: number): number => Math.min(15, Math.trunc(fround(fround(x[at + i]! * inverse) + 8.5)));
      for (let i = 0; i < 16; i++) out.setUint8(position + 2 + i, code(i) | (code(i + 16) << 4));
    },
  },
};
