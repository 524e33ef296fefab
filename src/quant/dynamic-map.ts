import { torchSum } from "./torch-sum.js";

/**
 * Block-wise 8-bit quantisation with the signed dynamic map (Dettmers et al. 2022, arXiv 2110.02861, §2.1): values are scaled
 * by the block's absolute maximum and stored as the index of the nearest of 256 values.
 */
export interface BlockwiseBytes {
  codes: Uint8Array;
  /** Scale of each block. */
  absmax: Float32Array;
}

/** Values in a block of double quantisation. */
export const NESTED_BLOCK = 256;

let signedMap: Float32Array | undefined;

/** The 256 values of the signed dynamic map, ascending, from −0.993 to 1; arithmetic in fp32 as in the reference. */
export function signedDynamicMap(): Float32Array {
  if (signedMap) return signedMap;
  const { fround } = Math;
  const values: number[] = [0, 1];
  for (let exponent = 0; exponent < 7; exponent++) {
    const boundaries = linspace(fround(0.1), 1, 2 ** exponent + 1);
    const scale = fround(10 ** (exponent - 6));
    for (let i = 0; i + 1 < boundaries.length; i++) {
      const mean = fround(fround(boundaries[i]! + boundaries[i + 1]!) / 2);
      values.push(fround(scale * mean), -fround(scale * mean));
    }
  }
  signedMap = Float32Array.from(values).sort();
  return signedMap;
}

/** torch.linspace in fp32: steps counted from the nearer end. */
function linspace(start: number, end: number, steps: number): Float32Array {
  const { fround } = Math;
  const step = fround(fround(end - start) / (steps - 1));
  const out = new Float32Array(steps);
  for (let i = 0; i < steps; i++) {
    out[i] = i < steps / 2 ? start + step * i : end - step * (steps - 1 - i);
  }
  return out;
}

/** Points of the grid on [−1, 1] that values are rounded to before the nearest of the map is looked up. */
const GRID = 65_536;

let gridCodes: Uint8Array | undefined;

/** Index of the map's nearest value for every grid point. */
function codesOfGrid(): Uint8Array {
  if (gridCodes) return gridCodes;
  const map = signedDynamicMap();
  const codes = new Uint8Array(GRID);
  for (let i = 0, code = 0; i < GRID; i++) {
    const x = i / ((GRID - 1) / 2) - 1;
    while (code < 255 && x > (map[code]! + map[code + 1]!) / 2) code++;
    codes[i] = code;
  }
  gridCodes = codes;
  return codes;
}

/**
 * Quantises `values` in blocks of 256 as bitsandbytes does on CPU: a scaled value is first rounded to one of 65 536 points, so a
 * code may differ from the nearest one next to a midpoint. A block of zeros gets codes 0, which its scale of 0 makes zeros again.
 */
export function quantizeBlockwise(values: Float32Array): BlockwiseBytes {
  const { fround } = Math;
  const blocks = Math.ceil(values.length / NESTED_BLOCK);
  const result = { codes: new Uint8Array(values.length), absmax: new Float32Array(blocks) };
  const codes = codesOfGrid();
  for (let b = 0; b < blocks; b++) {
    const block = values.subarray(b * NESTED_BLOCK, (b + 1) * NESTED_BLOCK);
    let absmax = 0;
    for (let i = 0; i < block.length; i++) absmax = Math.max(absmax, Math.abs(block[i]!));
    result.absmax[b] = absmax;
    const factor = fround(1 / absmax);
    for (let i = 0; i < block.length; i++) {
      const x = Math.min(Math.max(fround(block[i]! * factor), -1), 1);
      // NaN, from 0 · ∞ in a block of zeros, becomes point 0.
      const point = fround(fround(fround(x + 1) * ((GRID - 1) / 2)) + 0.5) | 0;
      result.codes[b * NESTED_BLOCK + i] = codes[Math.min(point, GRID - 1)]!;
    }
  }
  return result;
}

/** Mean in PyTorch's order of additions. */
export function torchMean(values: Float32Array): number {
  return Math.fround(torchSum(values) / values.length);
}
