/** Operations of transformers that ONNX Runtime computes in one pass: root mean square norm, rotary positions. */
import type { Value } from "../graph.js";
import { add, div, erf, mul, scale, sqrt, sub, tanh } from "./elementwise.js";
import { reduceMean } from "./reduce.js";
import { reshape } from "./shape-ops.js";

/**
 * x / √(mean(x²) + ε) · weight over the last axis (Zhang and Sennrich 2019).
 * @param x [..., n]; @param weight [n].
 */
export function rmsNorm(x: Value, weight: Value, epsilon: number): Value {
  const attributes = { axis: { int: -1 }, epsilon: { float: epsilon }, stash_type: { int: 1 } };
  return x.graph.node("SimplifiedLayerNormalization", [x, weight], [{ dtype: x.dtype, shape: x.shape }], {
    attributes,
  })[0]!;
}

/** (x − mean) / √(variance + ε) over the last axis, then · weight + bias when given (Ba et al. 2016). Built from parts. */
export function layerNorm(x: Value, epsilon: number, weight?: Value, bias?: Value): Value {
  const centred = sub(x, reduceMean(x, [-1], true));
  const variance = reduceMean(mul(centred, centred), [-1], true);
  let y = div(centred, sqrt(add(variance, x.graph.scalar(epsilon))));
  if (weight) y = mul(y, weight);
  return bias ? add(y, bias) : y;
}

/**
 * Rotary position embedding, the halves-of-a-head form (Su et al. 2021 as in Llama's checkpoints).
 * @param x [tokens, heads · headDim], or that with a leading 1; @param positions int64 [1, tokens]; @param cos, @param sin
 * [maxPositions, dims / 2]; @param dims numbers of each head, the first ones, that are rotated.
 */
export function rotary(
  x: Value,
  positions: Value,
  cos: Value,
  sin: Value,
  { heads, dims }: { heads: number; dims: number },
): Value {
  const batched = x.shape.length === 3 ? x : reshape(x, [1, ...x.shape]);
  const whole = dims * heads === x.shape[x.shape.length - 1];
  const attributes = {
    interleaved: { int: 0 },
    num_heads: { int: heads },
    rotary_embedding_dim: { int: whole ? 0 : dims },
  };
  const out = x.graph.node(
    "RotaryEmbedding",
    [batched, positions, cos, sin],
    [{ dtype: x.dtype, shape: batched.shape }],
    {
      domain: "com.microsoft",
      attributes,
    },
  )[0]!;
  return reshape(out, x.shape);
}

/** x · sigmoid(x) (SiLU, also called swish). */
export function silu(x: Value): Value {
  return x.graph.node("QuickGelu", [x], [{ dtype: x.dtype, shape: x.shape }], {
    domain: "com.microsoft",
    attributes: { alpha: { float: 1 } },
  })[0]!;
}

/** The tanh form of GELU (Hendrycks and Gimpel 2016). */
export function geluTanh(x: Value): Value {
  const inner = mul(x, add(x.graph.scalar(1), scale(mul(x, x), 0.044715)));
  return mul(scale(x, 0.5), add(x.graph.scalar(1), tanh(scale(inner, Math.sqrt(2 / Math.PI)))));
}

/** The exact form of GELU. */
export function gelu(x: Value): Value {
  return mul(scale(x, 0.5), add(x.graph.scalar(1), erf(scale(x, Math.SQRT1_2))));
}

/** cap · tanh(x / cap): keeps logits within ±cap (Gemma 2). */
export function softCap(x: Value, cap: number): Value {
  return scale(tanh(scale(x, 1 / cap)), cap);
}
