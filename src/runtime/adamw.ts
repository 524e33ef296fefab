/** AdamW (Loshchilov and Hutter 2019): what both implementations, adamw-host.ts and adamw-graph.ts, are given. */
import type { Tensor } from "./tensor.js";

/** A trainable tensor with its gradient sum and moments. */
export interface Parameter {
  name: string;
  dims: readonly number[];
  value: Tensor;
  /** Σ of gradients over the micro-batches of the step. */
  gradient: Tensor;
  /** First and second moment. */
  m: Tensor;
  v: Tensor;
}

export interface AdamWOptions {
  betas: readonly [number, number];
  epsilon: number;
  /** Applied to matrices only, as PyTorch users commonly group parameters. */
  weightDecay: number;
}

export interface StepSizes {
  learningRate: number;
  /** Factor on the gradient (clipping). */
  gradientScale: number;
  /** Number of this update, from 1. */
  step: number;
}

/** Weight decay is for matrices only. */
export const decays = (dims: readonly number[]): boolean => dims.length > 1;
