/**
 * One decoding step as a graph: one new token for each of a batch of sequences, or several for a single one (a guess at
 * how it goes on), against a cache of keys and values that the host owns and writes. The graph never returns the cache,
 * which would be a copy of it, only the new tokens' keys and values. A row is a new token; hidden states are
 * [1, rows, hidden], so that rotary positions need no reshaping.
 */
import { Graph, ops, type Value } from "../graph/index.js";
import type { AdapterShape } from "../model/adapter.js";
import type { DecoderConfig } from "../model/decoder-config.js";
import {
  decoderLayer,
  type LinearName,
  linearOf,
  linearShape,
  linearWeights,
  normalise,
} from "../model/decoder-layer.js";
import { inputName } from "../model/layer-graph.js";
import { type DecoderWeights, decodeWeight, type StoredLayer } from "../model/weights.js";
import { type BlockWeight, quantizeBlocks } from "../quant/block-quant.js";
import { cachedAttention } from "./cached-attention.js";
import { foldedNorm, type Linear, normGain, rotateLinear, rotateReader, streamNorm } from "./rotation.js";

/** How the decoding step holds its weights: full precision, or blocks of weights in 8 or 4 bits. */
export type DecodePrecision = "float32" | "int8" | "int4";

/** Blocks `from` ≤ i < `to` of a model; the last segment ends in logits. */
export interface Segment {
  from: number;
  to: number;
}

/** Names of a decoding graph's inputs and outputs besides `x` and the adapter's factors. */
export const decodeName = {
  /** Keys of a layer, float32 [slots, kvHeads, 1, capacity, headDim]. */
  keys: (layer: number): string => `keys${layer}`,
  /** Values of a layer, float32 [slots, kvHeads, 1, capacity, headDim]. */
  values: (layer: number): string => `values${layer}`,
  /**
   * 0 where a row may see a cached position or a new token of its sequence, a large negative number elsewhere; float32
   * [rows, 1, 1, 1, capacity + own].
   */
  bias: (window: number | undefined): string => `bias${window ?? ""}`,
  /** Rotary tables of one kind of layer, float32 [positions, headDim / 2]; the queries' carry the attention's scale. */
  rope: (kind: number): Record<"cos" | "sin" | "queryCos" | "querySin", string> => {
    const end = kind || "";
    return { cos: `cos${end}`, sin: `sin${end}`, queryCos: `queryCos${end}`, querySin: `querySin${end}` };
  },
  /** An adapter factor of a layer. */
  factor: (layer: number, name: string): string => `layer${layer}.${name}`,
};

/**
 * Bytes of weights in one session, about: a model is cut into several, so that packing them needs less memory and the event
 * loop gets its turn within a step too (a run does not give way).
 */
const SEGMENT_BYTES = 80e6;

/** Bytes of weights that a step reads. */
export function stepBytes(config: DecoderConfig, precision: DecodePrecision): number {
  const perWeight = precision === "float32" ? 4 : precision === "int8" ? 1.125 : 0.64;
  const { hiddenSize, layers, vocabSize } = config;
  return (linearWeights(config) * layers + vocabSize * hiddenSize) * perWeight;
}

/** Cuts a model's blocks into segments of about equal weight. */
export function segments(config: DecoderConfig, precision: DecodePrecision): Segment[] {
  const { layers } = config;
  const count = Math.min(layers, Math.max(1, Math.ceil(stepBytes(config, precision) / SEGMENT_BYTES)));
  const size = Math.ceil(layers / count);
  return Array.from({ length: Math.ceil(layers / size) }, (_, i) => ({
    from: i * size,
    to: Math.min(layers, (i + 1) * size),
  }));
}

export interface DecodeGraphOptions {
  /** Take several new tokens of one sequence; steps of one are a little slower then. */
  several?: boolean;
  /** `x`, `y` and the factors are in the basis of `rotation.ts`. */
  rotated?: boolean;
  adapter?: AdapterShape;
}

/**
 * The step over one segment, for `slots` sequences with `own` new tokens each; rows = slots · own. Own is 1 unless
 * `several`, and then slots or own is.
 *
 * Inputs: `x` [rows, hidden]; `positions` int64 [1, rows]; rotary tables as named above; `cachedAndOwn` int64 [2], the capacity and own; if `several`, `ownShape` int64 [5], slots, own,
 * kvHeads, 1 and headDim; caches, biases and factors as named above. Outputs: `y` [rows, hidden] or, after the last
 * block, `logits` [rows, vocab]; `k` and `v` [layers of the segment, rows, kvHeads · headDim].
 */
export function decodeGraph(
  weights: DecoderWeights,
  segment: Segment,
  precision: DecodePrecision,
  { several = false, rotated = false, adapter }: DecodeGraphOptions = {},
): Graph {
  const { config } = weights;
  const { kvHeads, headDim, hiddenSize } = config;
  const graph = new Graph();
  const positions = graph.input("positions", "int64", [1, "rows"]);
  // The queries' tables carry the attention's scale, which saves a pass over each.
  const ropes = new Map(
    [...new Set(config.rope)].map((rope, kind) => {
      const names = decodeName.rope(kind);
      const table = (name: string): Value => graph.input(name, "float32", ["positions", rope.dims / 2]);
      const key = [table(names.cos), table(names.sin)] as const;
      return [rope, { key, query: [table(names.queryCos), table(names.querySin)] as const }];
    }),
  );
  const cachedAndOwn = graph.input("cachedAndOwn", "int64", [2]);
  const ownShape = several ? graph.input("ownShape", "int64", [5]) : undefined;
  const biases = new Map<number | undefined, Value>();
  const newKeys: Value[] = [];
  const newValues: Value[] = [];

  // Linear layers that read the same input: one larger product each, which is less overhead for small batches.
  const sameInput = [config.block.attention.qkv, config.block.mlp.input];

  let x = ops.reshape(graph.input("x", "float32", ["rows", hiddenSize]), [1, "rows", hiddenSize]);
  for (let layer = segment.from; layer < segment.to; layer++) {
    const stored = weights.layers[layer]!;
    const window = config.slidingWindow[layer];
    let bias = biases.get(window);
    if (!bias)
      biases.set(window, (bias = graph.input(decodeName.bias(window), "float32", ["rows", 1, 1, 1, "capacity+own"])));
    const cached = ["slots", kvHeads, 1, "capacity", headDim];
    const keys = graph.input(decodeName.keys(layer), "float32", cached);
    const values = graph.input(decodeName.values(layer), "float32", cached);

    const products = new Map<LinearName, Value>();
    x = decoderLayer(config, x, {
      linear: (name, input) => {
        if (!products.has(name)) {
          const group = sameInput.find((names) => names.includes(name)) ?? [name];
          const parts = jointProduct(config, stored, group, input, precision, rotated);
          group.forEach((member, i) => void products.set(member, parts[i]!));
        }
        const base = products.get(name)!;
        const linear = adapter && adapter.layers[layer]!.get(name);
        return linear ? adapted(config, layer, name, input, base, linear.rank, adapter.dora) : base;
      },
      vector: (name, size) => {
        const folded = rotated ? streamNorm(config, name) : undefined;
        return graph.constant("float32", [size], folded ? foldedNorm(folded) : stored.vectors.get(name)!);
      },
      rotate: (value, count, role) => {
        const { dims } = config.rope[layer]!;
        const tables = ropes.get(config.rope[layer]!)!;
        // What is not rotated takes no factor from the tables.
        const apart = role === "query" && dims < headDim;
        const [cos, sin] = apart ? tables.key : tables[role];
        const rotated = ops.rotary(value, positions, cos, sin, { heads: count, dims });
        return apart ? ops.scale(rotated, config.attentionScale) : rotated;
      },
      attend: (q, k, v) => {
        newKeys.push(k);
        newValues.push(v);
        return cachedAttention(config, { keys, values, bias, cachedAndOwn, ownShape }, q, k, v);
      },
    });
  }
  graph.output("k", ops.concat(newKeys, 0));
  graph.output("v", ops.concat(newValues, 0));
  x = flat(x);
  if (segment.to < config.layers) {
    graph.output("y", x);
    return graph;
  }
  graph.output("logits", logits(weights, x, precision, rotated));
  return graph;
}

/** Final norm, output projection and what is done to the logits. */
function logits({ config, ...weights }: DecoderWeights, x: Value, precision: DecodePrecision, rotated: boolean): Value {
  const { finalNorm, logitScale, finalSoftCap, vocabSize, hiddenSize } = config;
  const vectors = new Map<string, Float32Array>();
  if (weights.finalNorm) vectors.set(finalNorm.weight!, weights.finalNorm);
  if (weights.finalNormBias) vectors.set(finalNorm.bias!, weights.finalNormBias);
  const normed = normalise(finalNorm, x, (name, size) =>
    x.graph.constant("float32", [size], rotated ? foldedNorm(finalNorm) : vectors.get(name)!),
  );
  // The head decides between near-equal tokens: it never has less than 8 bits.
  const headPrecision = precision === "int4" ? "int8" : precision;
  const head: Linear = { data: weights.head, shape: [vocabSize, hiddenSize] };
  const plain = product(normed, rotated ? rotateReader(head, normGain(finalNorm, vectors)) : head, headPrecision);
  const scaled = logitScale === 1 ? plain : ops.scale(plain, logitScale);
  return finalSoftCap === undefined ? scaled : ops.softCap(scaled, finalSoftCap);
}

/** The results of linear layers with the same input, computed in one product. */
function jointProduct(
  config: DecoderConfig,
  stored: StoredLayer,
  names: readonly LinearName[],
  x: Value,
  precision: DecodePrecision,
  rotated: boolean,
): Value[] {
  const sizes = names.map((name) => linearShape(config, name)[0]);
  const width = linearShape(config, names[0]!)[1];
  const out = sizes.reduce((sum, size) => sum + size, 0);
  const data = joined(
    names.map((name, i) => decodeWeight(stored.linear.get(name)!, () => new Float32Array(sizes[i]! * width))),
  );
  const offset = linearOf(config, names[0]!).bias ? joined(names.map((name) => stored.biases.get(name)!)) : undefined;
  const linear: Linear = { data, shape: [out, width], offset };
  const y = product(x, rotated ? rotateLinear(config, stored, names[0]!, linear) : linear, precision);
  return ops.split(y, -1, sizes);
}

function joined(arrays: readonly Float32Array[]): Float32Array {
  if (arrays.length === 1) return arrays[0]!;
  const result = new Float32Array(arrays.reduce((sum, array) => sum + array.length, 0));
  let at = 0;
  for (const array of arrays) {
    result.set(array, at);
    at += array.length;
  }
  return result;
}

/** Without the leading 1: ONNX's Gemm takes matrices only. */
const flat = (x: Value): Value => (x.shape.length === 3 ? ops.reshape(x, x.shape.slice(1)) : x);

/** x · Wᵀ (+ offset) with the weight held in the graph. */
function product(x: Value, { data, shape, offset, block, row }: Linear, precision: DecodePrecision): Value {
  const { graph } = x;
  let y: Value;
  if (precision === "float32") {
    let w = data;
    if (row) row(data, (w = new Float32Array(data.length)));
    y = ops.reshape(ops.gemm(flat(x), graph.constant("float32", shape, w), { transB: true }), [
      ...x.shape.slice(0, -1),
      shape[0],
    ]);
  } else y = blockProduct(x, quantizeBlocks(data, shape, precision === "int8" ? 8 : 4, block, row));
  return offset ? ops.add(y, graph.constant("float32", [shape[0]], offset)) : y;
}

/** ONNX Runtime's MatMulNBits; accuracy level 4 rounds x to 8 bits in blocks, so that the products are of integers. */
function blockProduct(x: Value, weight: BlockWeight): Value {
  const { graph } = x;
  const { bits, shape, block, blocks, codes, scales, zeroPoints } = weight;
  const [out, width] = shape;
  const inputs: (Value | undefined)[] = [
    x,
    graph.constant("uint8", [out, blocks, (block * bits) / 8], codes),
    graph.constant("float32", [out * blocks], scales),
  ];
  if (zeroPoints) inputs.push(graph.constant("uint8", [zeroPoints.length], zeroPoints));
  const attributes = {
    K: { int: width },
    N: { int: out },
    bits: { int: bits },
    block_size: { int: block },
    accuracy_level: { int: 4 },
  };
  return graph.node("MatMulNBits", inputs, [{ dtype: "float32", shape: [...x.shape.slice(0, -1), out] }], {
    domain: "com.microsoft",
    attributes,
  })[0]!;
}

/** Adds an adapter whose B has its scale in it. DoRA's gains multiply the product, but not its bias. */
function adapted(
  config: DecoderConfig,
  layer: number,
  name: LinearName,
  x: Value,
  base: Value,
  rank: number,
  dora: boolean,
): Value {
  const { graph } = x;
  const [out, width] = linearShape(config, name);
  const input = (key: string, shape: number[]): Value => graph.input(decodeName.factor(layer, key), "float32", shape);
  // A product for one token with the factor 1 has a kernel of its own, which rounds in another order: an answer would depend
  // on its company. A power of two on one side and its inverse on the other changes no bit.
  const low = ops.gemm(flat(x), input(inputName.loraA(name), [rank, width]), { transB: true, alpha: 0.5 });
  const product = ops.gemm(low, input(inputName.loraB(name), [out, rank]), { transB: true, alpha: 2 });
  const update = ops.reshape(product, base.shape);
  if (!dora) return ops.add(base, update);
  const scaled = ops.add(ops.mul(base, input(inputName.magnitude(name), [out])), update);
  return linearOf(config, name).bias ? ops.add(scaled, input(inputName.bias(name), [out])) : scaled;
}
