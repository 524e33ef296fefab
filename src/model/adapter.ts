/** Low-rank adapters (LoRA, Hu et al. 2021): what is adapted, and the factors of each adapted layer. */
import type { DecoderConfig } from "./decoder-config.js";
import { type LinearName, linearShape } from "./decoder-layer.js";

/** How one linear layer of one block is adapted. */
export interface LinearAdapter {
  rank: number;
  /** Factor of the adapter's output: alpha / rank, or alpha / √rank (rsLoRA, arXiv 2312.03732). */
  scaling: number;
}

/** What an adapter adapts. Ranks and scales may differ from layer to layer and block to block. */
export interface AdapterShape {
  /** What the model calls its blocks, as in `model.layers`: the adapted modules are named by it. */
  blocks: string;
  /** By block: its adapted layers. */
  layers: readonly ReadonlyMap<LinearName, LinearAdapter>[];
  /** Probability that an element of an adapter's input is dropped in training. */
  dropout: number;
  /** DoRA (arXiv 2402.09353): the adapted weight's rows are brought to trained lengths. */
  dora: boolean;
  /** The settings that say so in PEFT's words: an adapter is saved with those it came with. */
  settings: PeftSettings;
}

/** The fields of PEFT's LoraConfig that decide which layers are adapted, with what rank and scale. */
export interface PeftSettings {
  r: number;
  lora_alpha: number;
  /** Names, or one regular expression (Python's) over full module names. */
  target_modules: readonly string[] | string;
  exclude_modules: readonly string[] | string | null;
  use_rslora: boolean;
  use_dora: boolean;
  rank_pattern: Readonly<Record<string, number>>;
  alpha_pattern: Readonly<Record<string, number>>;
  layers_to_transform: readonly number[] | number | null;
  layers_pattern: readonly string[] | string | null;
}

/** The factors of one adapted layer, row-major. */
export interface AdapterFactors {
  /** [rank, in] */
  a: Float32Array;
  /** [out, rank] */
  b: Float32Array;
  /** [out]; DoRA's lengths of the adapted weight's rows. */
  magnitude?: Float32Array;
}

/** A loaded adapter: `layers[i]` holds the factors of block i by layer name. */
export interface Adapter {
  shape: AdapterShape;
  layers: Map<LinearName, AdapterFactors>[];
  /** The base model the adapter says it was made for, when it says so. */
  baseModel?: string;
}

/**
 * An adapter as one graph for all blocks takes it: each layer that any block adapts, with the largest rank it has
 * anywhere. Smaller factors are filled up with zeros, which change nothing and stay zeros in training, because the
 * gradient of a row of A is a product with the matching column of B, and the other way round.
 */
export interface GraphAdapter {
  ranks: ReadonlyMap<LinearName, number>;
  /** Probability that an element of the input is dropped in training. */
  dropout: number;
  dora: boolean;
}

export function graphAdapter(shape: AdapterShape): GraphAdapter {
  const rankOf = (name: LinearName): number => Math.max(0, ...shape.layers.map((layer) => layer.get(name)?.rank ?? 0));
  const names = new Set(shape.layers.flatMap((layer) => [...layer.keys()]));
  const ranks = [...names].map((name) => [name, rankOf(name)] as const);
  return { ranks: new Map(ranks), dropout: shape.dropout, dora: shape.dora };
}

/** Equal for adapters that one compiled graph can serve. */
export const graphKey = ({ ranks, dora }: GraphAdapter): string => `${[...ranks].join(" ")}${dora ? " dora" : ""}`;

/** Equal for adapters whose layers have the same ranks in the same places. */
export const shapeKey = ({ layers, dora }: AdapterShape): string =>
  `${dora ? "dora " : ""}${layers.map((layer) => [...layer].map(([name, { rank }]) => `${name} ${rank}`).join()).join(";")}`;

/** The largest rank in an adapter. */
export const largestRank = ({ layers }: AdapterShape): number =>
  Math.max(0, ...layers.flatMap((layer) => [...layer.values()].map(({ rank }) => rank)));

/** A matrix [rows, width] within one of zeros [toRows, toWidth]; itself where nothing is to be added. */
export function padded(x: Float32Array, width: number, toRows: number, toWidth: number): Float32Array {
  if (x.length === toRows * toWidth) return x;
  const result = new Float32Array(toRows * toWidth);
  for (let row = 0; row * width < x.length; row++)
    result.set(x.subarray(row * width, (row + 1) * width), row * toWidth);
  return result;
}

/** The inverse of `padded`: the first `rows` rows of a matrix of this width, cut to `toWidth`. */
export function cut(x: Float32Array, width: number, rows: number, toWidth: number): Float32Array {
  const result = new Float32Array(rows * toWidth);
  for (let row = 0; row < rows; row++) result.set(x.subarray(row * width, row * width + toWidth), row * toWidth);
  return result;
}

/** Trainable numbers of an adapter. */
export function adapterParameters(config: DecoderConfig, shape: AdapterShape): number {
  let sum = 0;
  for (const layer of shape.layers)
    for (const [name, { rank }] of layer) {
      const [out, width] = linearShape(config, name);
      sum += rank * (out + width) + (shape.dora ? out : 0);
    }
  return sum;
}
