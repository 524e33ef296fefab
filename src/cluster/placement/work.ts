/** How much arithmetic a training run is, and how much memory it needs on a GPU (docs/guides/placement.md). */
import { type AdapterShape, adapterParameters } from "../../model/adapter.js";
import type { DecoderConfig } from "../../model/decoder-config.js";
import { linearWeights as blockWeights } from "../../model/decoder-layer.js";

/** A run as far as its cost goes. */
export interface Workload {
  config: DecoderConfig;
  /** Undefined: all weights are trained. */
  adapter?: AdapterShape;
  /** Storage of the frozen base. */
  base: "nf4" | "int8" | "none";
  /** Tokens of each example, and those of them that are learnt. */
  lengths: readonly number[];
  targets: number;
  microBatch: number;
  /** Examples of an update: no more workers than these can share it. */
  updateExamples: number;
  /** Times that the examples are seen. */
  epochs: number;
  recompute: boolean;
}

/** Weights of the products of all blocks. */
export function linearWeights(config: DecoderConfig): number {
  return blockWeights(config) * config.layers;
}

/**
 * Floating-point operations of the whole run: 2 for each weight and token forward, 2 back to the activations, 2 more for
 * each weight that is trained, 2 again for what is recomputed; attention over half a row's length on average; the head
 * at learnt positions.
 */
export function trainingFlops(work: Workload): number {
  const { config, adapter, lengths, recompute } = work;
  const linear = linearWeights(config);
  const trained = adapter ? adapterParameters(config, adapter) : linear;
  const passes = 2 + (recompute ? 1 : 0);
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const perToken = 2 * passes * linear + (adapter ? 2 * passes * trained : 0) + 2 * trained;
  const squares = lengths.reduce((sum, length) => sum + (length * length) / 2, 0);
  // Scores and their sums, each twice back.
  const attention = 4 * config.heads * config.headDim * config.layers * squares * (3 + (recompute ? 1 : 0));
  const head = 2 * config.vocabSize * config.hiddenSize * work.targets * (adapter ? 2 : 3);
  return work.epochs * (tokens * perToken + attention + head);
}

/** Bytes that one bitsandbytes weight takes. */
const BASE_BYTES = { nf4: 4.127 / 8, int8: 1.01, none: 2 };
/** What CUDA and its libraries hold before any tensor is there. */
const CONTEXT = 1e9;
/** Room that the allocator leaves unused between tensors. */
const FRAGMENTATION = 1.1;

/**
 * Bytes on one GPU with PyTorch, PEFT and bitsandbytes in bfloat16 and every block recomputed. Each GPU of a data-parallel
 * run needs that much: the job shares out examples, not weights.
 */
export function gpuMemory(work: Workload): number {
  const { config, adapter, lengths, microBatch, base, recompute } = work;
  const { hiddenSize, heads, kvHeads, headDim, layers, vocabSize } = config;
  const linear = linearWeights(config);
  const tables = vocabSize * hiddenSize * (config.tiedEmbeddings ? 1 : 2);
  // Full tuning keeps float32 weights, gradients and two moments; an adapter keeps that for its factors alone.
  const weights = adapter
    ? linear * BASE_BYTES[base] + 2 * tables + 16 * adapterParameters(config, adapter)
    : 16 * (linear + tables);
  const tokens = microBatch * Math.max(...lengths);
  const block = 14 * hiddenSize + 9 * config.block.mlp.width + 6 * (heads + kvHeads) * headDim;
  const activations = 2 * tokens * (layers * hiddenSize + block * (recompute ? 1 : layers));
  // Logits in bfloat16, once more in float32, and their gradient.
  const logits = 10 * tokens * vocabSize;
  return CONTEXT + FRAGMENTATION * (weights + activations + logits);
}
