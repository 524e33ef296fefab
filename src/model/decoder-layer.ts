/**
 * One decoder block as a graph, as its specification says. What differs between uses is passed in: how a linear layer is
 * computed (plain, with an adapter, quantised) and how attention finds its keys (a packed row, a cache).
 */
import { ops, type Value } from "../graph/index.js";
import { type Activation, blockNorms, type LinearName, type LinearSpec, type NormSpec } from "./block-spec.js";
import type { DecoderConfig } from "./decoder-config.js";

export type { LinearName } from "./block-spec.js";

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

/** The linear layers of a model's blocks. */
export const linearNames = ({ block }: Pick<DecoderConfig, "block">): LinearName[] =>
  block.linears.map(({ name }) => name);

export function linearOf({ block }: Pick<DecoderConfig, "block">, name: LinearName): LinearSpec {
  const found = block.linears.find((linear) => linear.name === name);
  if (!found) throw new Error(`the model's blocks have no linear layer ${name}`);
  return found;
}

/** Sizes [out, in] of a linear layer. */
export const linearShape = (config: DecoderConfig, name: LinearName): [number, number] => [
  ...linearOf(config, name).shape,
];

export const hasBias = (config: DecoderConfig, name: LinearName): boolean => linearOf(config, name).bias;

/** Weights in the linear layers of one block. */
export const linearWeights = ({ block }: DecoderConfig): number =>
  block.linears.reduce((sum, { shape: [out, width] }) => sum + out * width, 0);

/** The norm vectors of a block and their sizes, by checkpoint name. */
export function vectorShapes({ block }: DecoderConfig): Map<string, number> {
  const shapes = new Map<string, number>();
  for (const { weight, bias, size } of blockNorms(block))
    for (const name of [weight, bias]) if (name !== undefined) shapes.set(name, size);
  return shapes;
}

/** A norm with given vectors; `vector` is asked for those it has. */
export function normalise(norm: NormSpec, x: Value, vector: (name: string, size: number) => Value): Value {
  const { kind, size, epsilon, offset } = norm;
  const weight = norm.weight === undefined ? undefined : vector(norm.weight, size);
  const bias = norm.bias === undefined ? undefined : vector(norm.bias, size);
  if (kind === "layer") return ops.layerNorm(x, epsilon, weight, bias);
  const w = weight ?? x.graph.constant("float32", [size], new Float32Array(size).fill(1));
  return ops.rmsNorm(x, offset ? ops.add(w, x.graph.scalar(offset)) : w, epsilon);
}

/** x [tokens, hidden], or that with a leading 1 where all parts take it → the block's output, same shape. */
export function decoderLayer(config: DecoderConfig, x: Value, parts: BlockParts): Value {
  const keep = parts.keep ?? (() => {});
  const { norms, attention, mlp, residual, residualScale } = config.block;
  const norm = (spec: NormSpec | undefined, value: Value): Value =>
    spec ? normalise(spec, value, parts.vector) : value;
  const add = (to: Value, value: Value): Value =>
    ops.add(to, residualScale === 1 ? value : ops.scale(value, residualScale));

  const [q, k, v] = queriesKeysValues(config, norm(norms.beforeAttention, x), parts);
  keep("q", q);
  keep("k", k);
  keep("v", v);
  const attended = parts.attend(q, k, v);
  keep("attended", attended);
  const afterAttention = add(x, norm(norms.afterAttention, parts.linear(attention.output, attended)));
  keep("afterAttention", afterAttention);

  const mlpInput = norm(norms.beforeMlp, residual === "parallel" ? x : afterAttention);
  const inner = mlp.input.map((name) => parts.linear(name, mlpInput));
  const [gate, up] = mlp.gated && inner.length === 1 ? ops.split(inner[0]!, -1, [mlp.width, mlp.width]) : inner;
  keep("gate", gate!);
  if (up) keep("up", up);
  const activated = activate(mlp.activation, gate!);
  const down = parts.linear(mlp.down, up ? ops.mul(activated, up) : activated);
  return add(afterAttention, norm(norms.afterMlp, down));
}

/** Rotated queries and keys, and values, of the normed input. */
function queriesKeysValues(config: DecoderConfig, x: Value, parts: BlockParts): [Value, Value, Value] {
  const { heads, kvHeads, headDim } = config;
  const { qkv, byHead, clip, queryNorm, keyNorm } = config.block.attention;
  const projected = qkv.map((name) => {
    const y = parts.linear(name, x);
    return clip === undefined ? y : ops.clip(y, -clip, clip);
  });
  let [q, k, v] = projected as [Value, Value, Value];
  if (projected.length === 1 && byHead) {
    const lead = q.shape.slice(0, -1);
    const apart = ops.split(ops.reshape(q, [...lead, heads, 3 * headDim]), -1, [headDim, headDim, headDim]);
    [q, k, v] = apart.map((part) => ops.reshape(part, [...lead, heads * headDim])) as [Value, Value, Value];
  } else if (projected.length === 1) {
    const sizes = [heads * headDim, kvHeads * headDim, kvHeads * headDim];
    [q, k, v] = ops.split(q, -1, sizes) as [Value, Value, Value];
  }
  const normed = (y: Value, count: number, spec: NormSpec | undefined): Value => {
    if (!spec) return y;
    if (spec.size === count * headDim && count !== 1) return normalise(spec, y, parts.vector);
    const split = ops.reshape(y, [...y.shape.slice(0, -1), count, headDim]);
    return ops.reshape(normalise(spec, split, parts.vector), y.shape);
  };
  return [
    parts.rotate(normed(q, heads, queryNorm), heads, "query"),
    parts.rotate(normed(k, kvHeads, keyNorm), kvHeads, "key"),
    v,
  ];
}

function activate(activation: Activation, x: Value): Value {
  switch (activation) {
    case "silu":
      return ops.silu(x);
    case "gelu-tanh":
      return ops.geluTanh(x);
    case "gelu":
      return ops.gelu(x);
  }
}
