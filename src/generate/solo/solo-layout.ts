/** Where a solo decoder keeps what it works on: addresses of weights, cache and vectors in the threads' shared memory. */
import type { AdapterShape } from "../../model/adapter.js";
import type { LinearName } from "../../model/block-spec.js";
import type { DecoderConfig } from "../../model/decoder-config.js";
import { linearNames } from "../../model/decoder-layer.js";
import type { Rope } from "../../model/rope.js";
import type { SoloLinear, SoloMemory } from "./solo-memory.js";

/** Addresses of a model's weights. */
export interface SoloWeights {
  layers: { linear: Map<LinearName, SoloLinear>; vectors: Map<string, number> }[];
  /** Offsets of norms are in their weights; norms without weights have ones. */
  finalNorm: number;
  /** Ones, for norms of the stream without weights. */
  ones: number;
  head: SoloLinear;
}

/** Addresses of an adapter's factors, by block; B has the scaling. */
export interface SoloAdapter {
  shape: AdapterShape;
  layers: Map<LinearName, { a: SoloLinear; b: SoloLinear }>[];
}

/** What the threads hand each other: addresses of vectors. */
export interface SoloVectors {
  embedding: number;
  /** Rotary tables of the token's position by kind of layer; the queries' carry the attention's scale. */
  ropes: Map<Rope, Record<"cos" | "sin" | "queryCos" | "querySin", number>>;
  /** Results of the linear layers. */
  results: Map<LinearName, number>;
  /** The adapters' inner activations [rank]. */
  low: Map<LinearName, number>;
  /** For each thread and query head the values' sum [headDim], the largest score, the sum of shares, and two unused. */
  parts: number;
  activated: number;
  logits: number;
}

/** Cached keys and values at an address: float32 [layers, 2, kvHeads, capacity, headDim]. */
export interface SoloCache {
  at: number;
  /** A multiple of 4. */
  capacity: number;
}

export const cacheBytes = ({ layers, kvHeads, headDim }: DecoderConfig, capacity: number): number =>
  8 * layers * kvHeads * headDim * capacity;

/** What a thread has for itself: addresses. */
export interface OwnVectors {
  x: number;
  normed: number;
  codes: number;
  scales: number;
  q: number;
  k: number;
  attended: number;
  scores: number;
}

export function sharedVectors(
  memory: SoloMemory,
  config: DecoderConfig,
  weights: SoloWeights,
  threads: number,
): SoloVectors {
  const { hiddenSize, heads, headDim, vocabSize } = config;
  const half = headDim / 2;
  const results = new Map<LinearName, number>();
  const low = new Map<LinearName, number>();
  const ropes: SoloVectors["ropes"] = new Map();
  for (const rope of new Set(config.rope)) {
    const table = (): number => memory.vector(half);
    ropes.set(rope, { cos: table(), sin: table(), queryCos: table(), querySin: table() });
  }
  for (const name of linearNames(config)) {
    results.set(name, memory.vector(weights.layers[0]!.linear.get(name)!.rows));
    low.set(name, memory.vector(MOST_RANK));
  }
  return {
    embedding: memory.vector(hiddenSize),
    ropes,
    results,
    low,
    parts: memory.vector(threads * heads * (headDim + 4)),
    activated: memory.vector(config.block.mlp.width),
    logits: memory.vector(vocabSize),
  };
}

/** The largest rank of an adapter there is room for. */
export const MOST_RANK = 1024;

export function ownVectors(memory: SoloMemory, config: DecoderConfig, capacity: number): OwnVectors {
  const { hiddenSize, heads, kvHeads, headDim } = config;
  const widest = Math.max(hiddenSize, config.block.mlp.width, heads * headDim, MOST_RANK);
  return {
    x: memory.vector(hiddenSize),
    normed: memory.vector(hiddenSize),
    codes: memory.vector(widest),
    scales: memory.vector(widest),
    q: memory.vector(heads * headDim),
    k: memory.vector(kvHeads * headDim),
    attended: memory.vector(heads * headDim),
    scores: memory.vector((heads / kvHeads) * (capacity + 4)),
  };
}
