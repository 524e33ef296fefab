import { halfValues } from "./half.js";

/**
 * Block formats of GGUF weights (ggml-common.h, ggml-quants.c): sizes and decoders.
 * Every decoder reads whole blocks from `bytes` and writes fp32 values; all arithmetic equals fp32 arithmetic bit for bit,
 * because each product fits 24 bits and one rounding follows.
 */
export interface BlockFormat {
  readonly name: string;
  /** Values per block. */
  readonly values: number;
  /** Bytes per block. */
  readonly bytes: number;
  decode(bytes: Uint8Array, blocks: number, out: Float32Array, outOffset: number): void;
}

const f32: BlockFormat["decode"] = (bytes, blocks, out, at) => {
  new Uint8Array(out.buffer, out.byteOffset + 4 * at, 4 * blocks).set(bytes.subarray(0, 4 * blocks));
};

const f16: BlockFormat["decode"] = (bytes, blocks, out, at) => {
  const table = halfValues();
  for (let i = 0; i < blocks; i++) out[at + i] = table[bytes[2 * i]! | (bytes[2 * i + 1]! << 8)]!;
};

const bf16: BlockFormat["decode"] = (bytes, blocks, out, at) => {
  const target = new Uint32Array(out.buffer, out.byteOffset + 4 * at, blocks);
  for (let i = 0; i < blocks; i++) target[i] = (bytes[2 * i]! << 16) | (bytes[2 * i + 1]! << 24);
};

const q8_0: BlockFormat["decode"] = (bytes, blocks, out, at) => {
  const half = halfValues();
  for (let b = 0, p = 0; b < blocks; b++, p += 34) {
    const d = half[bytes[p]! | (bytes[p + 1]! << 8)]!;
    for (let j = 0; j < 32; j++) out[at++] = d * ((bytes[p + 2 + j]! << 24) >> 24);
  }
};

const q4_0: BlockFormat["decode"] = (bytes, blocks, out, at) => {
  const half = halfValues();
  for (let b = 0, p = 0; b < blocks; b++, p += 18, at += 32) {
    const d = half[bytes[p]! | (bytes[p + 1]! << 8)]!;
    for (let j = 0; j < 16; j++) {
      const q = bytes[p + 2 + j]!;
      out[at + j] = d * ((q & 15) - 8);
      out[at + j + 16] = d * ((q >> 4) - 8);
    }
  }
};

const q4_1: BlockFormat["decode"] = (bytes, blocks, out, at) => {
  const half = halfValues();
  for (let b = 0, p = 0; b < blocks; b++, p += 20, at += 32) {
    const d = half[bytes[p]! | (bytes[p + 1]! << 8)]!;
    const m = half[bytes[p + 2]! | (bytes[p + 3]! << 8)]!;
    for (let j = 0; j < 16; j++) {
      const q = bytes[p + 4 + j]!;
      out[at + j] = d * (q & 15) + m;
      out[at + j + 16] = d * (q >> 4) + m;
    }
  }
};

const q5_0: BlockFormat["decode"] = (bytes, blocks, out, at) => {
  const half = halfValues();
  for (let b = 0, p = 0; b < blocks; b++, p += 22, at += 32) {
    const d = half[bytes[p]! | (bytes[p + 1]! << 8)]!;
    const high = bytes[p + 2]! | (bytes[p + 3]! << 8) | (bytes[p + 4]! << 16) | (bytes[p + 5]! << 24);
    for (let j = 0; j < 16; j++) {
      const q = bytes[p + 6 + j]!;
      out[at + j] = d * (((q & 15) | (((high >>> j) & 1) << 4)) - 16);
      out[at + j + 16] = d * (((q >> 4) | (((high >>> (j + 16)) & 1) << 4)) - 16);
    }
  }
};

const q5_1: BlockFormat["decode"] = (bytes, blocks, out, at) => {
  const half = halfValues();
  for (let b = 0, p = 0; b < blocks; b++, p += 24, at += 32) {
    const d = half[bytes[p]! | (bytes[p + 1]! << 8)]!;
    const m = half[bytes[p + 2]! | (bytes[p + 3]! << 8)]!;
    const high = bytes[p + 4]! | (bytes[p + 5]! << 8) | (bytes[p + 6]! << 16) | (bytes[p + 7]! << 24);
    for (let j = 0; j < 16; j++) {
      const q = bytes[p + 8 + j]!;
      out[at + j] = d * ((q & 15) | (((high >>> j) & 1) << 4)) + m;
      out[at + j + 16] = d * ((q >> 4) | (((high >>> (j + 16)) & 1) << 4)) + m;
    }
  }
};

/** 6-bit scale and minimum number `j` (0–7) of the 12 packed bytes at `p` of a Q4_K or Q5_K block, as `scale | minimum << 8`. */
function packedScale(bytes: Uint8Array, p: number, j: number): number {
  if (j < 4) return (bytes[p + j]! & 63) | ((bytes[p + j + 4]! & 63) << 8);
  const scale = (bytes[p + j + 4]! & 15) | ((bytes[p + j - 4]! >> 6) << 4);
  const minimum = (bytes[p + j + 4]! >> 4) | ((bytes[p + j]! >> 6) << 4);
  return scale | (minimum << 8);
}

const q4_k: BlockFormat["decode"] = (bytes, blocks, out, at) => {
  const half = halfValues();
  for (let b = 0, p = 0; b < blocks; b++, p += 144) {
    const d = half[bytes[p]! | (bytes[p + 1]! << 8)]!;
    const dmin = half[bytes[p + 2]! | (bytes[p + 3]! << 8)]!;
    for (let j = 0; j < 4; j++, at += 64) {
      const low = packedScale(bytes, p + 4, 2 * j);
      const high = packedScale(bytes, p + 4, 2 * j + 1);
      const [d1, m1] = [d * (low & 255), dmin * (low >> 8)];
      const [d2, m2] = [d * (high & 255), dmin * (high >> 8)];
      for (let l = 0; l < 32; l++) {
        const q = bytes[p + 16 + 32 * j + l]!;
        out[at + l] = d1 * (q & 15) - m1;
        out[at + l + 32] = d2 * (q >> 4) - m2;
      }
    }
  }
};

const q5_k: BlockFormat["decode"] = (bytes, blocks, out, at) => {
  const half = halfValues();
  for (let b = 0, p = 0; b < blocks; b++, p += 176) {
    const d = half[bytes[p]! | (bytes[p + 1]! << 8)]!;
    const dmin = half[bytes[p + 2]! | (bytes[p + 3]! << 8)]!;
    for (let j = 0; j < 4; j++, at += 64) {
      const low = packedScale(bytes, p + 4, 2 * j);
      const high = packedScale(bytes, p + 4, 2 * j + 1);
      const [d1, m1] = [d * (low & 255), dmin * (low >> 8)];
      const [d2, m2] = [d * (high & 255), dmin * (high >> 8)];
      for (let l = 0; l < 32; l++) {
        const q = bytes[p + 48 + 32 * j + l]!;
        const top = bytes[p + 16 + l]!;
        out[at + l] = d1 * ((q & 15) + (((top >> (2 * j)) & 1) << 4)) - m1;
        out[at + l + 32] = d2 * ((q >> 4) + (((top >> (2 * j + 1)) & 1) << 4)) - m2;
      }
    }
  }
};

const q6_k: BlockFormat["decode"] = (bytes, blocks, out, at) => {
  const half = halfValues();
  for (let b = 0, p = 0; b < blocks; b++, p += 210) {
    const d = half[bytes[p + 208]! | (bytes[p + 209]! << 8)]!;
    const scale = (i: number): number => d * ((bytes[p + 192 + i]! << 24) >> 24);
    for (let n = 0; n < 2; n++, at += 128) {
      const low = p + 64 * n;
      const high = p + 128 + 32 * n;
      for (let l = 0; l < 32; l++) {
        const s = 8 * n + (l >> 4);
        const [a, c, h] = [bytes[low + l]!, bytes[low + l + 32]!, bytes[high + l]!];
        out[at + l] = scale(s) * (((a & 15) | ((h & 3) << 4)) - 32);
        out[at + l + 32] = scale(s + 2) * (((c & 15) | (((h >> 2) & 3) << 4)) - 32);
        out[at + l + 64] = scale(s + 4) * (((a >> 4) | (((h >> 4) & 3) << 4)) - 32);
        out[at + l + 96] = scale(s + 6) * (((c >> 4) | ((h >> 6) << 4)) - 32);
      }
    }
  }
};

const q2_k: BlockFormat["decode"] = (bytes, blocks, out, at) => {
  const half = halfValues();
  for (let b = 0, p = 0; b < blocks; b++, p += 84) {
    const d = half[bytes[p + 80]! | (bytes[p + 81]! << 8)]!;
    const dmin = half[bytes[p + 82]! | (bytes[p + 83]! << 8)]!;
    for (let group = 0; group < 16; group++) {
      const scale = bytes[p + group]!;
      const [s, m] = [d * (scale & 15), dmin * (scale >> 4)];
      // Two groups of 16 share a shift; 8 groups share 32 bytes.
      const from = p + 16 + 32 * (group >> 3) + 16 * (group & 1);
      const shift = 2 * ((group >> 1) & 3);
      for (let l = 0; l < 16; l++) out[at++] = s * ((bytes[from + l]! >> shift) & 3) - m;
    }
  }
};

const q3_k: BlockFormat["decode"] = (bytes, blocks, out, at) => {
  const half = halfValues();
  for (let b = 0, p = 0; b < blocks; b++, p += 110) {
    const d = half[bytes[p + 108]! | (bytes[p + 109]! << 8)]!;
    for (let group = 0; group < 16; group++) {
      const low = group < 8 ? bytes[p + 96 + group]! & 15 : bytes[p + 88 + group]! >> 4;
      const high = (bytes[p + 104 + (group & 3)]! >> (2 * (group >> 2))) & 3;
      const s = d * ((low | (high << 4)) - 32);
      const column = 16 * (group & 1);
      const from = p + 32 + 32 * (group >> 3) + column;
      const [shift, bit] = [2 * ((group >> 1) & 3), group >> 1];
      for (let l = 0; l < 16; l++) {
        const top = (bytes[p + column + l]! >> bit) & 1;
        out[at++] = s * (((bytes[from + l]! >> shift) & 3) - (top ? 0 : 4));
      }
    }
  }
};

/** The 16 values of IQ4_NL and IQ4_XS. */
const IQ4 = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

const iq4_nl: BlockFormat["decode"] = (bytes, blocks, out, at) => {
  const half = halfValues();
  for (let b = 0, p = 0; b < blocks; b++, p += 18, at += 32) {
    const d = half[bytes[p]! | (bytes[p + 1]! << 8)]!;
    for (let j = 0; j < 16; j++) {
      const q = bytes[p + 2 + j]!;
      out[at + j] = d * IQ4[q & 15]!;
      out[at + j + 16] = d * IQ4[q >> 4]!;
    }
  }
};

const iq4_xs: BlockFormat["decode"] = (bytes, blocks, out, at) => {
  const half = halfValues();
  for (let b = 0, p = 0; b < blocks; b++, p += 136) {
    const d = half[bytes[p]! | (bytes[p + 1]! << 8)]!;
    const high = bytes[p + 2]! | (bytes[p + 3]! << 8);
    for (let group = 0; group < 8; group++, at += 32) {
      const low = (bytes[p + 4 + (group >> 1)]! >> (4 * (group & 1))) & 15;
      const s = d * ((low | (((high >> (2 * group)) & 3) << 4)) - 32);
      for (let j = 0; j < 16; j++) {
        const q = bytes[p + 8 + 16 * group + j]!;
        out[at + j] = s * IQ4[q & 15]!;
        out[at + j + 16] = s * IQ4[q >> 4]!;
      }
    }
  }
};

/** Formats by ggml type number. */
export const BLOCK_FORMATS: ReadonlyMap<number, BlockFormat> = new Map([
  [0, { name: "F32", values: 1, bytes: 4, decode: f32 }],
  [1, { name: "F16", values: 1, bytes: 2, decode: f16 }],
  [2, { name: "Q4_0", values: 32, bytes: 18, decode: q4_0 }],
  [3, { name: "Q4_1", values: 32, bytes: 20, decode: q4_1 }],
  [6, { name: "Q5_0", values: 32, bytes: 22, decode: q5_0 }],
  [7, { name: "Q5_1", values: 32, bytes: 24, decode: q5_1 }],
  [8, { name: "Q8_0", values: 32, bytes: 34, decode: q8_0 }],
  [10, { name: "Q2_K", values: 256, bytes: 84, decode: q2_k }],
  [11, { name: "Q3_K", values: 256, bytes: 110, decode: q3_k }],
  [12, { name: "Q4_K", values: 256, bytes: 144, decode: q4_k }],
  [13, { name: "Q5_K", values: 256, bytes: 176, decode: q5_k }],
  [14, { name: "Q6_K", values: 256, bytes: 210, decode: q6_k }],
  [20, { name: "IQ4_NL", values: 32, bytes: 18, decode: iq4_nl }],
  [23, { name: "IQ4_XS", values: 256, bytes: 136, decode: iq4_xs }],
  [30, { name: "BF16", values: 1, bytes: 2, decode: bf16 }],
]);
