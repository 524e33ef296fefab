/** Low-rank adapters (LoRA, Hu et al. 2021): what is adapted, and the two factors of each adapted layer. */
import { UsageError } from "../errors.js";
import type { DecoderConfig } from "./decoder-config.js";
import { type LinearName, linearNames, linearShape } from "./decoder-layer.js";

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

/** What a recipe says of an adapter (PEFT's names). */
export interface AdapterSettings {
  r: number;
  alpha: number;
  dropout: number;
  /** `all-linear`, or names such as `q_proj` or `self_attn.q_proj`. */
  target_modules: "all-linear" | readonly string[];
}

/** @throws UsageError when a name of `target_modules` is unknown. */
export function adapterShape(
  config: Pick<DecoderConfig, "block">,
  { r, alpha, dropout, target_modules }: AdapterSettings,
): AdapterShape {
  const known = linearNames(config);
  const wanted = target_modules === "all-linear" ? known : target_modules;
  const found = wanted.map((name) => known.find((layer) => layer === name || layer.endsWith(`.${name}`)));
  if (found.includes(undefined))
    throw new UsageError(
      `lora.target_modules: unknown layer in ${JSON.stringify(target_modules)}; use all-linear or names of ${known.map(moduleName).join(", ")}`,
    );
  const targets = known.filter((name) => found.includes(name));
  return { rank: r, alpha, scaling: alpha / r, dropout, targets };
}

/** The adapted layers as PEFT names them: `q_proj`, not `self_attn.q_proj`. */
export const moduleNames = ({ targets }: AdapterShape): string[] => targets.map(moduleName);

const moduleName = (name: LinearName): string => name.slice(name.indexOf(".") + 1);

/** Trainable numbers of an adapter. */
export function adapterParameters(config: DecoderConfig, shape: AdapterShape): number {
  const perLayer = shape.targets.reduce((sum, name) => {
    const [out, width] = linearShape(config, name);
    return sum + shape.rank * (out + width);
  }, 0);
  return perLayer * config.layers;
}
