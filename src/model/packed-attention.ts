/**
 * Causal attention over a packed row: many documents one after another, without padding. Queries go in blocks; each
 * block looks at the keys from the start of its first document up to its own last token, so that nothing is spent
 * above the diagonal or on other documents. Which keys a query may see inside that range is a bias made on the host
 * (packed-row.ts): causal, own document, own branch, sliding window.
 */
import { type Graph, ops, type Value } from "../graph/index.js";
import type { DecoderConfig } from "./decoder-config.js";

/** Queries in a block. */
export const QUERY_BLOCK = 128;

/** Inputs of one query block. */
interface BlockInputs {
  /** First key the block looks at; int64 [1]. */
  start: Value;
  /** [start, 0, rowLength − end, 0]: undoes the slice of keys in the backward pass; int64 [4]. */
  pads: Value;
  /** 0 where a query may see a key, a large negative number elsewhere; [queries, keys]. */
  bias: Value;
}

export interface PackedAttention {
  attend(q: Value, k: Value, v: Value): Value;
}

/** Declares the inputs for a row of `tokens` and returns the attention over it. */
export function packedAttention(graph: Graph, config: DecoderConfig, tokens: number): PackedAttention {
  const blocks: { from: number; to: number; inputs: BlockInputs; keys: string }[] = [];
  for (let from = 0, i = 0; from < tokens; from += QUERY_BLOCK, i++) {
    const to = Math.min(from + QUERY_BLOCK, tokens);
    const keys = `keys${i}`;
    blocks.push({
      from,
      to,
      keys,
      inputs: {
        start: graph.input(`start${i}`, "int64", [1]),
        pads: graph.input(`pads${i}`, "int64", [4]),
        bias: graph.input(`bias${i}`, "float32", [to - from, keys]),
      },
    });
  }
  return {
    attend(q, k, v) {
      // Split, not slices: the gradients of slices would each be padded to a whole row and added.
      const sizes = blocks.map(({ from, to }) => to - from);
      const parts = ops.split(q, 0, sizes);
      const results = blocks.map(({ from, to, inputs, keys }, block) => {
        const keyRows = (x: Value): Value => ops.sliceFrom(x, inputs.start, to, keys, inputs.pads);
        return attendBlock(config, parts[block]!, keyRows(k), keyRows(v), inputs.bias, { queries: to - from, keys });
      });
      return ops.concat(results, 0);
    },
  };
}

/**
 * Attention of one block of queries.
 * @param q [queries, heads · headDim]. @param k [keys, kvHeads · headDim], as `v`. @param bias [queries, keys].
 * @returns [queries, heads · headDim].
 */
function attendBlock(config: DecoderConfig, q: Value, k: Value, v: Value, bias: Value, block: BlockSize): Value {
  const { kvHeads, heads } = config;
  const { queries, keys } = block;
  const group = heads / kvHeads;
  const scores = attentionScores(config, q, k, bias, block);
  const weights = ops.softmax(ops.reshape(scores, [kvHeads, group, queries, keys]));
  const mixed = ops.matmul(ops.reshape(weights, [kvHeads, group * queries, keys]), valuesByHead(config, v, keys));
  return fromHeads(config, mixed, queries);
}

export interface BlockSize {
  queries: number;
  /** Name of the dimension of keys. */
  keys: string;
}

/**
 * Scores [kvHeads, group · queries, keys], or that shape with the second dimension split, where a bias was added.
 * @param bias [queries, keys]; undefined where all keys may be seen.
 */
export function attentionScores(
  config: DecoderConfig,
  q: Value,
  k: Value,
  bias: Value | undefined,
  { queries, keys }: BlockSize,
): Value {
  const { heads, kvHeads, headDim, attentionScale, attentionSoftCap } = config;
  const keysByHead = ops.transpose(ops.reshape(k, [keys, kvHeads, headDim]), [1, 2, 0]);
  // Scaled here, ONNX Runtime takes the factor into the product.
  let scores = ops.scale(ops.matmul(toHeads(config, q, queries), keysByHead), attentionScale);
  if (attentionSoftCap !== undefined) scores = ops.softCap(scores, attentionSoftCap);
  return bias ? ops.add(ops.reshape(scores, [kvHeads, heads / kvHeads, queries, keys]), bias) : scores;
}

/** [queries, heads · headDim] → [kvHeads, group · queries, headDim]. */
export function toHeads({ heads, kvHeads, headDim }: DecoderConfig, x: Value, queries: number): Value {
  const group = heads / kvHeads;
  return ops.reshape(ops.transpose(ops.reshape(x, [queries, kvHeads, group, headDim]), [1, 2, 0, 3]), [
    kvHeads,
    group * queries,
    headDim,
  ]);
}

/** The way back of `toHeads`. */
export function fromHeads({ heads, kvHeads, headDim }: DecoderConfig, x: Value, queries: number): Value {
  const back = ops.transpose(ops.reshape(x, [kvHeads, heads / kvHeads, queries, headDim]), [2, 0, 1, 3]);
  return ops.reshape(back, [queries, heads * headDim]);
}

/** [keys, kvHeads · headDim] → [kvHeads, keys, headDim]. */
export const valuesByHead = ({ kvHeads, headDim }: DecoderConfig, v: Value, keys: string): Value =>
  ops.transpose(ops.reshape(v, [keys, kvHeads, headDim]), [1, 0, 2]);
