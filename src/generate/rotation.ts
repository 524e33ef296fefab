/**
 * The residual stream in a rotated basis, as in QuaRot (Ashkboos et al. 2024, arXiv 2404.00456). A few channels of the
 * stream are far larger than the others, and in a block of activations rounded to 8 bits with one scale they leave the
 * others few codes. In place of x [tokens, hidden] the rotated step carries x · R, where R = diag(H/8, …, H/8) with the
 * Hadamard matrix H of size 64 spreads each channel over 64. R is orthogonal and symmetric, so R · R = I. RMSNorm without
 * a weight commutes with R: its weight g goes into the linear layers behind it. A layer W [out, hidden] that reads the
 * stream becomes W · diag(g) · R and a layer W [hidden, in] that adds to it R · W, so the step itself computes nothing
 * more. Queries, keys, values, the MLP's inner activations and the logits are what they are without rotation.
 */
import type { AdapterFactors } from "../model/adapter.js";
import type { LinearName, NormSpec } from "../model/block-spec.js";
import type { DecoderConfig } from "../model/decoder-config.js";
import { linearOf } from "../model/decoder-layer.js";
import type { StoredLayer } from "../model/weights.js";
import type { RowChange } from "../quant/block-quant.js";

/** Channels that are mixed with each other, and with that the weights and activations which may share a scale. */
const ROTATION_BLOCK = 64;

/** Whether a model's norms commute with the rotation, and its stream can be cut in blocks. */
export function rotatable({ block, finalNorm, hiddenSize }: DecoderConfig): boolean {
  const { beforeAttention, afterAttention, beforeMlp, afterMlp } = block.norms;
  const folds = (norm?: NormSpec): boolean => norm?.kind === "rms";
  return (
    folds(beforeAttention) &&
    folds(beforeMlp) &&
    folds(finalNorm) &&
    !afterAttention &&
    !afterMlp &&
    hiddenSize % ROTATION_BLOCK === 0
  );
}

/** A linear layer as the decoding step holds it: x · Wᵀ + offset. */
export interface Linear {
  /** W [out, in]. */
  data: Float32Array;
  shape: [number, number];
  /** [out] */
  offset?: Float32Array;
  /** Weights that share a scale, where they are rounded. */
  block?: number;
  /** What is left to do to each row of W: done as it is rounded, it takes no second copy of the weight. */
  row?: RowChange;
}

/** A linear layer of a block, whatever it reads and adds to, in the rotated basis. */
export function rotateLinear(config: DecoderConfig, stored: StoredLayer, name: LinearName, linear: Linear): Linear {
  const { reads } = linearOf(config, name);
  if (reads) return rotateReader(linear, normGain(reads, stored.vectors));
  const { data, shape, offset } = linear;
  const width = shape[1];
  return {
    ...linear,
    data: hadamard(data, width),
    offset: offset && hadamard(offset, 1),
    block: ROTATION_BLOCK,
  };
}

/** A linear layer that reads the stream behind a norm with this gain. */
export const rotateReader = (linear: Linear, gain: Float32Array | undefined): Linear => ({
  ...linear,
  block: ROTATION_BLOCK,
  row: (source, target) => rotateRows(source, gain, target),
});

/** The factors of an adapter, A [rank, in] and B [out, rank], for a layer in the rotated basis. */
export function rotateFactors(
  config: DecoderConfig,
  stored: StoredLayer,
  name: LinearName,
  { a, b }: AdapterFactors,
): AdapterFactors {
  const { reads } = linearOf(config, name);
  if (!reads) return { a, b: hadamard(b, b.length / config.hiddenSize) };
  const rotated = new Float32Array(a.length);
  rotateRows(a, normGain(reads, stored.vectors), rotated);
  return { a: rotated, b };
}

/** Brings the stream itself into the rotated basis, in place: [tokens, hidden]. */
export const rotateStream = (x: Float32Array): void => void hadamard(x, 1, x);

/** What a norm multiplies by, [hidden]; undefined for norms without weights. */
export const normGain = (
  { weight, offset }: NormSpec,
  vectors: ReadonlyMap<string, Float32Array>,
): Float32Array | undefined => (weight === undefined ? undefined : vectors.get(weight)!.map((value) => value + offset));

/** The weight of a norm whose own one is in the layers behind it: one that makes its gain 1. */
export const foldedNorm = ({ size, offset }: NormSpec): Float32Array => new Float32Array(size).fill(1 - offset);

/** The norm of the stream whose weight this vector of a block is. */
export const streamNorm = ({ block }: DecoderConfig, vector: string): NormSpec | undefined =>
  block.linears.find(({ reads }) => reads?.weight === vector)?.reads;

/** W · diag(gain) · R into `target`, for any number of rows of W [out, hidden]. */
function rotateRows(w: Float32Array, gain: Float32Array | undefined, target: Float32Array): void {
  if (!gain) return void hadamard(w, 1, target);
  const width = gain.length;
  for (let at = 0; at < w.length; at += width) for (let i = 0; i < width; i++) target[at + i] = w[at + i]! * gain[i]!;
  hadamard(target, 1, target);
}

/**
 * R · W for W [64 · n, width], as a new matrix or into `target`, which may be W itself. With width 1 it is the product
 * with R of each row of any matrix whose rows are 64 · n long.
 */
export function hadamard(
  w: Float32Array,
  width: number,
  target: Float32Array = new Float32Array(w.length),
): Float32Array {
  // H of size 64 is the Kronecker product of that of size 8 with itself: two passes instead of six.
  for (let at = 0; at < w.length; at += ROTATION_BLOCK * width) {
    hadamard8(w, target, at, 8 * width);
    for (let i = 0; i < 8; i++) hadamard8(target, target, at + 8 * i * width, width);
  }
  return target;
}

/** 1/√8, which makes the Hadamard matrix of size 8 orthogonal. */
const UNIT = 1 / Math.sqrt(8);

/** Rows of `size` numbers, 8 of them from `first` on, transformed against each other. */
function hadamard8(x: Float32Array, y: Float32Array, first: number, size: number): void {
  for (let i = first; i < first + size; i++) {
    const a0 = x[i]!;
    const a1 = x[i + size]!;
    const a2 = x[i + 2 * size]!;
    const a3 = x[i + 3 * size]!;
    const a4 = x[i + 4 * size]!;
    const a5 = x[i + 5 * size]!;
    const a6 = x[i + 6 * size]!;
    const a7 = x[i + 7 * size]!;
    const b0 = a0 + a1;
    const b1 = a0 - a1;
    const b2 = a2 + a3;
    const b3 = a2 - a3;
    const b4 = a4 + a5;
    const b5 = a4 - a5;
    const b6 = a6 + a7;
    const b7 = a6 - a7;
    const c0 = b0 + b2;
    const c1 = b1 + b3;
    const c2 = b0 - b2;
    const c3 = b1 - b3;
    const c4 = b4 + b6;
    const c5 = b5 + b7;
    const c6 = b4 - b6;
    const c7 = b5 - b7;
    y[i] = UNIT * (c0 + c4);
    y[i + size] = UNIT * (c1 + c5);
    y[i + 2 * size] = UNIT * (c2 + c6);
    y[i + 3 * size] = UNIT * (c3 + c7);
    y[i + 4 * size] = UNIT * (c0 - c4);
    y[i + 5 * size] = UNIT * (c1 - c5);
    y[i + 6 * size] = UNIT * (c2 - c6);
    y[i + 7 * size] = UNIT * (c3 - c7);
  }
}
