/** Rows that go on where a text ended whose keys and values are at hand: the next turn of a conversation. */
import { type Graph, ops, type Value } from "../graph/index.js";
import { hostTensor, type Tensor } from "../runtime/device.js";
import type { DecoderConfig } from "./decoder-config.js";
import type { PackedAttention } from "./packed-attention.js";

/** A text that was read before. */
export interface Past {
  /** Its tokens. */
  length: number;
  /** Positions in the arrays, of which those from `length` on are not read. */
  capacity: number;
  /** Keys, rotated, and values of a layer: [kvHeads, capacity, headDim] each. */
  views(layer: number): { keys: Float32Array; values: Float32Array };
}

/** Declares the inputs for `tokens` that go on from a past, and returns the attention over both. */
export function pastAttention(graph: Graph, config: DecoderConfig, tokens: number): PackedAttention {
  const { heads, kvHeads, headDim, attentionScale, attentionSoftCap } = config;
  const group = heads / kvHeads;
  const [pastKeys, pastValues] = ["pastKeys", "pastValues"].map((name) =>
    graph.input(name, "float32", [kvHeads, "past", headDim]),
  ) as [Value, Value];
  const bias = graph.input("pastBias", "float32", [tokens, "keys"]);
  const all = (past: Value, own: Value): Value =>
    ops.concat([past, ops.transpose(ops.reshape(own, [tokens, kvHeads, headDim]), [1, 0, 2])], 1, "keys");
  return {
    attend(q, k, v) {
      const byHead = ops.transpose(ops.reshape(q, [tokens, kvHeads, group, headDim]), [1, 2, 0, 3]);
      const queries = ops.reshape(byHead, [kvHeads, group * tokens, headDim]);
      let scores = ops.scale(ops.matmul(queries, ops.transposeLast(all(pastKeys, k))), attentionScale);
      if (attentionSoftCap !== undefined) scores = ops.softCap(scores, attentionSoftCap);
      const grouped = ops.add(ops.reshape(scores, [kvHeads, group, tokens, "keys"]), bias);
      const weights = ops.reshape(ops.softmax(grouped), [kvHeads, group * tokens, "keys"]);
      const mixed = ops.reshape(ops.matmul(weights, all(pastValues, v)), [kvHeads, group, tokens, headDim]);
      return ops.reshape(ops.transpose(mixed, [2, 0, 1, 3]), [tokens, heads * headDim]);
    },
  };
}

const HIDDEN = -1e30;

/** The feeds of `pastAttention` by layer. @param windows tokens that each layer looks back on, itself included. */
export function pastFeeds(
  config: DecoderConfig,
  past: Past,
  tokens: number,
  windows: readonly (number | undefined)[],
): (layer: number) => Record<string, Tensor> {
  const { length, capacity } = past;
  const { kvHeads, headDim } = config;
  const biases = new Map<number | undefined, Tensor>();
  const bias = (window: number | undefined): Tensor => {
    const width = capacity + tokens;
    const seen = new Float32Array(tokens * width).fill(HIDDEN);
    for (let q = 0; q < tokens; q++) {
      const first = window === undefined ? 0 : Math.max(0, length + q - window + 1);
      seen.fill(0, q * width + Math.min(first, length), q * width + length);
      seen.fill(0, q * width + capacity + Math.max(0, first - length), q * width + capacity + q + 1);
    }
    return hostTensor("float32", seen, [tokens, width]);
  };
  return (layer) => {
    const window = windows[layer];
    let pastBias = biases.get(window);
    if (!pastBias) biases.set(window, (pastBias = bias(window)));
    const { keys, values } = past.views(layer);
    const dims = [kvHeads, capacity, headDim];
    return {
      pastBias,
      pastKeys: hostTensor("float32", keys, dims),
      pastValues: hostTensor("float32", values, dims),
    };
  };
}
