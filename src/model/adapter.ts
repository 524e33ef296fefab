/** Low-rank adapters (LoRA, Hu et al. 2021): what is adapted, and the two factors of each adapted layer. */
import type { DecoderConfig } from "./decoder-config.js";
import { LINEAR_LAYERS, type LinearName, linearShape } from "./decoder-layer.js";

export interface AdapterShape {
  rank: number;
  /** alpha / rank: factor of the adapter's output. */
  scaling: number;
  alpha: number;
  /** Probability that an element of an adapter's input is dropped in training. */
  dropout: number;
  targets: readonly LinearName[];
}

/** The factors of one adapted layer, row-major. */
export interface AdapterFactors {
  /** [rank, in] */
  a: Float32Array;
  /** [out, rank] */
  b: Float32Array;
}

/** A loaded adapter: `layers[i]` holds the factors of block i by layer name. */
export interface Adapter {
  shape: AdapterShape;
  layers: Map<LinearName, AdapterFactors>[];
  /** The base model the adapter says it was made for, when it says so. */
  baseModel?: string;
}

/** Resolves `all-linear` or a list of names such as `q_proj` or `self_attn.q_proj`; undefined if a name is unknown. */
export function targetLayers(targets: "all-linear" | readonly string[]): LinearName[] | undefined {
  if (targets === "all-linear") return LINEAR_LAYERS.slice();
  const found = targets.map((name) => LINEAR_LAYERS.find((layer) => layer === name || layer.endsWith(`.${name}`)));
  if (found.some((name) => name === undefined)) return undefined;
  return LINEAR_LAYERS.filter((name) => found.includes(name));
}

/** Trainable numbers of an adapter. */
export function adapterParameters(config: DecoderConfig, shape: AdapterShape): number {
  const perLayer = shape.targets.reduce((sum, name) => {
    const [out, width] = linearShape(config, name);
    return sum + shape.rank * (out + width);
  }, 0);
  return perLayer * config.layers;
}
