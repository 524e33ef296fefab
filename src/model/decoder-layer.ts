/**
 * One decoder block as a graph. What differs between uses is passed in: how a linear layer is computed (plain, with an
 * adapter, quantised) and how attention finds its keys (a packed row, a cache).
 */
import { ops, type Value } from "../graph/index.js";
import type { DecoderConfig } from "./decoder-config.js";

/** The linear layers of a block, by their checkpoint names within it. */
export const LINEAR_LAYERS = [
  "self_attn.q_proj",
  "self_attn.k_proj",
  "self_attn.v_proj",
  "self_attn.o_proj",
  "mlp.gate_proj",
  "mlp.up_proj",
  "mlp.down_proj",
] as const;
export type LinearName = (typeof LINEAR_LAYERS)[number];

export interface BlockParts {
  /** x · Wᵀ (+ bias) for x [tokens, in]. */
  linear(name: LinearName, x: Value): Value;
  /** A one-dimensional weight of the block, such as `input_layernorm.weight`. */
  vector(name: string, size: number): Value;
  /** Applies rotary positions to [tokens, heads · headDim]. */
  rotate(x: Value, heads: number, role: "query" | "key"): Value;
  /** Attention: q [tokens, heads · headDim]; k, v [tokens, kvHeads · headDim], rotated; result as q. */
  attend(q: Value, k: Value, v: Value): Value;
  /** Told of values worth keeping for the backward pass. */
  keep?(name: string, value: Value): void;
}

/** Sizes [out, in] of each linear layer. */
export function linearShape(config: DecoderConfig, name: LinearName): [number, number] {
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim } = config;
  switch (name) {
    case "self_attn.q_proj":
      return [heads * headDim, hiddenSize];
    case "self_attn.k_proj":
    case "self_attn.v_proj":
      return [kvHeads * headDim, hiddenSize];
    case "self_attn.o_proj":
      return [hiddenSize, heads * headDim];
    case "mlp.gate_proj":
    case "mlp.up_proj":
      return [intermediateSize, hiddenSize];
    case "mlp.down_proj":
      return [hiddenSize, intermediateSize];
  }
}

export function hasBias(config: DecoderConfig, name: LinearName): boolean {
  if (name.startsWith("mlp.")) return config.bias.mlp;
  return name === "self_attn.o_proj" ? config.bias.output : config.bias.qkv;
}

/** The norm vectors of a block and their sizes, by checkpoint name. */
export function vectorShapes(config: DecoderConfig): Map<string, number> {
  const shapes = new Map<string, number>();
  const { norm, hiddenSize } = config;
  if (norm.weighted) {
    for (const name of NORM_NAMES[norm.placement]) if (name) shapes.set(`${name}.weight`, hiddenSize);
  }
  if (config.qkNorm !== "none") {
    const head = config.qkNorm === "head";
    shapes.set("self_attn.q_norm.weight", head ? config.headDim : config.heads * config.headDim);
    shapes.set("self_attn.k_norm.weight", head ? config.headDim : config.kvHeads * config.headDim);
  }
  return shapes;
}

/** Checkpoint names of the norms: before attention, after it, before the MLP, after it. */
export const NORM_NAMES: Record<DecoderConfig["norm"]["placement"], (string | undefined)[]> = {
  before: ["input_layernorm", undefined, "post_attention_layernorm", undefined],
  after: [undefined, "post_attention_layernorm", undefined, "post_feedforward_layernorm"],
  both: ["input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"],
};

/** Name of the weight of the norm whose result a linear layer reads; undefined where it reads something else. */
export function inputNorm(config: DecoderConfig, name: LinearName): string | undefined {
  const [beforeAttention, , beforeMlp] = NORM_NAMES[config.norm.placement];
  if (name === "self_attn.o_proj" || name === "mlp.down_proj") return undefined;
  const norm = name.startsWith("mlp.") ? beforeMlp : beforeAttention;
  return norm && `${norm}.weight`;
}

/** The model's norm with a given weight (undefined for norms without one). */
export function normalise(config: DecoderConfig, x: Value, weight: Value | undefined): Value {
  const { kind, epsilon, offset } = config.norm;
  if (kind === "layer") return ops.layerNorm(x, epsilon, weight);
  const width = x.shape[x.shape.length - 1] as number;
  const w = weight ?? x.graph.constant("float32", [width], new Float32Array(width).fill(1));
  return ops.rmsNorm(x, offset ? ops.add(w, x.graph.scalar(offset)) : w, epsilon);
}

/** x [tokens, hidden], or that with a leading 1 where all parts take it → the block's output, same shape. */
export function decoderLayer(config: DecoderConfig, x: Value, parts: BlockParts): Value {
  const keep = parts.keep ?? (() => {});
  const names = NORM_NAMES[config.norm.placement];
  const norm = (slot: number, value: Value): Value => {
    const name = names[slot];
    if (name === undefined) return value;
    return normalise(
      config,
      value,
      config.norm.weighted ? parts.vector(`${name}.weight`, config.hiddenSize) : undefined,
    );
  };
  const { heads, kvHeads, headDim } = config;

  const normed = norm(0, x);
  const project = (name: LinearName): Value => {
    const y = parts.linear(name, normed);
    return config.clipQkv === undefined ? y : ops.clip(y, -config.clipQkv, config.clipQkv);
  };
  const normaliseQk = (y: Value, count: number, name: string): Value => {
    if (config.qkNorm === "none") return y;
    if (config.qkNorm === "projection") return normalise(config, y, parts.vector(name, count * headDim));
    const split = ops.reshape(y, [...y.shape.slice(0, -1), count, headDim]);
    return ops.reshape(normalise(config, split, parts.vector(name, headDim)), y.shape);
  };
  const q = parts.rotate(normaliseQk(project("self_attn.q_proj"), heads, "self_attn.q_norm.weight"), heads, "query");
  const k = parts.rotate(normaliseQk(project("self_attn.k_proj"), kvHeads, "self_attn.k_norm.weight"), kvHeads, "key");
  const v = project("self_attn.v_proj");
  keep("q", q);
  keep("k", k);
  keep("v", v);
  const attended = parts.attend(q, k, v);
  keep("attended", attended);
  const afterAttention = ops.add(x, norm(1, parts.linear("self_attn.o_proj", attended)));
  keep("afterAttention", afterAttention);

  const mlpInput = norm(2, afterAttention);
  const gate = parts.linear("mlp.gate_proj", mlpInput);
  const up = parts.linear("mlp.up_proj", mlpInput);
  keep("gate", gate);
  keep("up", up);
  const activated = ops.mul(activate(config, gate), up);
  return ops.add(afterAttention, norm(3, parts.linear("mlp.down_proj", activated)));
}

function activate(config: DecoderConfig, x: Value): Value {
  switch (config.activation) {
    case "silu":
      return ops.silu(x);
    case "gelu-tanh":
      return ops.geluTanh(x);
    case "gelu":
      return ops.gelu(x);
  }
}
