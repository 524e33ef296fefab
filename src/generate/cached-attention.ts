/**
 * Attention of new tokens over a cache and among themselves. The cache is read where it lies: past and new keys are
 * scored apart, and the scores (not the keys) are joined.
 */
import { type Dim, ops, type Shape, type Value } from "../graph/index.js";
import type { DecoderConfig } from "../model/decoder-config.js";

/** `slots` sequences have `own` new tokens each, of which one is 1; rows = slots · own. */
export interface CachedAttentionInputs {
  /** float32 [slots, kvHeads, 1, capacity, headDim]. */
  keys: Value;
  /** As the keys. */
  values: Value;
  /** What is added to the scores, float32 [rows, 1, 1, 1, capacity + own]. */
  bias: Value;
  /** The capacity and own, int64 [2]. */
  cachedAndOwn: Value;
  /** slots, own, kvHeads, 1 and headDim, int64 [5]; without it own is 1, which saves a few small operations. */
  ownShape?: Value;
}

/** q [1, rows, heads · headDim], scaled; k, v [1, rows, kvHeads · headDim] → as q. */
export function cachedAttention(
  config: DecoderConfig,
  { keys, values, bias, cachedAndOwn, ownShape }: CachedAttentionInputs,
  q: Value,
  k: Value,
  v: Value,
): Value {
  const { heads, kvHeads, headDim, attentionSoftCap } = config;
  // A product for each row and query head: they need no packing of the keys.
  const lead = ["rows", kvHeads, heads / kvHeads];
  const queries = ops.reshape(q, [...lead, 1, headDim]);
  const past = ops.matmul(queries, ops.transposeLast(keys), lead);
  const own = ops.matmul(queries, ownKeys(k, ownShape, kvHeads, headDim), lead);
  const scores = ops.concat([past, own], -1, "capacity+own");
  const capped = attentionSoftCap === undefined ? scores : ops.softCap(scores, attentionSoftCap);
  const shares = ops.softmax(ops.add(capped, bias));
  const [pastShares, ownShares] = splitLast(shares, cachedAndOwn, ["capacity", ownShape ? "own" : 1]);
  const mixed = ops.add(
    ops.matmul(pastShares, values, lead),
    ownShape
      ? ops.matmul(ownShares, ops.transpose(apart(v, ownShape, kvHeads, headDim), [0, 2, 3, 1, 4]), lead)
      : ops.mul(ownShares, ops.reshape(v, ["rows", kvHeads, 1, 1, headDim])),
  );
  return ops.reshape(mixed, [1, "rows", heads * headDim]);
}

/** [slots, kvHeads, 1, headDim, own]. */
function ownKeys(k: Value, ownShape: Value | undefined, kvHeads: number, headDim: number): Value {
  return ownShape
    ? ops.transpose(apart(k, ownShape, kvHeads, headDim), [0, 2, 3, 4, 1])
    : ops.reshape(k, ["rows", kvHeads, 1, headDim, 1]);
}

/** [slots, own, kvHeads, 1, headDim], a form that is known when the graph runs. */
function apart(x: Value, ownShape: Value, kvHeads: number, headDim: number): Value {
  const shape: Shape = ["slots", "own", kvHeads, 1, headDim];
  return x.graph.node("Reshape", [x, ownShape], [{ dtype: x.dtype, shape }])[0]!;
}

/** The last axis cut in two parts, whose lengths `sizes` int64 [2] holds. */
function splitLast(x: Value, sizes: Value, dims: readonly [Dim, Dim]): [Value, Value] {
  const lead = x.shape.slice(0, -1);
  const parts = dims.map((size) => ({ dtype: x.dtype, shape: [...lead, size] }));
  return x.graph.node("Split", [x, sizes], parts, { attributes: { axis: { int: -1 } } }) as [Value, Value];
}
