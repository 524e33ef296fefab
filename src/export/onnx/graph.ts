/**
 * A whole model as one graph, with the inputs and outputs that transformers.js 4 gives and takes: ids and mask, keys and values
 * so far, logits, and keys and values with the new tokens'. Attention is ONNX Runtime's GroupQueryAttention, which also rotates.
 */
import { UsageError } from "../../errors.js";
import { type DType, Graph, ops, type Shape, type Value } from "../../graph/index.js";
import type { DecoderConfig } from "../../model/decoder-config.js";
import { decoderLayer, hasBias, linearShape, normalise } from "../../model/decoder-layer.js";
import { type Rope, ropeFrequencies, ropeTables } from "../../model/rope.js";
import { type DecoderWeights, decodeWeight } from "../../model/weights.js";
import { quantizeBlocks } from "../../quant/block-quant.js";

export type OnnxStorage = "f32" | "q4";

/** Weights that share a scale in `q4`. */
const BLOCK = 32;

interface Sequence {
  /** int64 [2]: sequences and new tokens of each. */
  shape: Value;
  /** int32 [batch]: tokens before the last one, the new ones included. */
  before: Value;
  /** int32 scalar: tokens in all. */
  total: Value;
}

/** @throws UsageError for what GroupQueryAttention does not compute. */
export function onnxGraph(weights: DecoderWeights, storage: OnnxStorage): Graph {
  const { config } = weights;
  checkSupported(weights);
  const graph = new Graph();
  const { hiddenSize, vocabSize } = config;
  const ids = graph.input("input_ids", "int64", ["batch_size", "sequence_length"]);
  const mask = graph.input("attention_mask", "int64", ["batch_size", "total_sequence_length"]);
  const sequence = sequenceOf(graph, ids, mask);
  const table = graph.constant("float32", [vocabSize, hiddenSize], embeddingTable(weights));
  const flatIds = node(graph, "Reshape", [ids, graph.constant("int64", [1], [-1])], "int64", ["rows"]);
  const embedded = node(graph, "Gather", [table, flatIds], "float32", ["rows", hiddenSize]);
  let x = ops.scale(embedded, config.embeddingScale);
  const tables = new Map<Rope, [Value, Value]>();
  for (const [layer, stored] of weights.layers.entries()) {
    const rope = config.rope[layer]!;
    let rotation = tables.get(rope);
    if (!rotation) tables.set(rope, (rotation = rotationTables(graph, config, rope)));
    x = decoderLayer(config, x, {
      linear: (name, input) => {
        const [out, width] = linearShape(config, name);
        const data = decodeWeight(stored.linear.get(name)!, () => new Float32Array(out * width));
        const product = linear(input, data, [out, width], storage);
        return hasBias(config, name)
          ? ops.add(product, graph.constant("float32", [out], stored.biases.get(name)!))
          : product;
      },
      vector: (name, size) => graph.constant("float32", [size], stored.vectors.get(name)!),
      rotate: (value) => value,
      attend: (q, k, v) => attention(graph, config, layer, sequence, [q, k, v], rotation),
    });
  }
  const normed = normalise(config.finalNorm, x, (name, size) =>
    graph.constant("float32", [size], name === config.finalNorm.bias ? weights.finalNormBias! : weights.finalNorm!),
  );
  const head = config.tiedEmbeddings ? table : graph.constant("float32", [vocabSize, hiddenSize], weights.head);
  const product = ops.scale(ops.gemm(normed, head, { transB: true }), config.logitScale);
  const logits = config.finalSoftCap === undefined ? product : ops.softCap(product, config.finalSoftCap);
  graph.output("logits", inSequences(graph, sequence, logits, vocabSize));
  return graph;
}

function checkSupported({ config, positions, source }: DecoderWeights): void {
  const refuse = (what: string): never => {
    throw new UsageError(`${source}: ${what} cannot be written to ONNX`);
  };
  if (positions) refuse("learned positions");
  if (config.headDim % 16)
    refuse(`heads of ${config.headDim} numbers (ONNX Runtime's attention takes multiples of 16)`);
  if (config.rope.some(({ dims }) => dims !== config.headDim)) refuse("rotary positions on a part of each head");
}

const node = (
  graph: Graph,
  op: string,
  inputs: (Value | undefined)[],
  dtype: DType,
  shape: Shape,
  axis?: number,
): Value =>
  graph.node(op, inputs, [{ dtype, shape }], axis === undefined ? {} : { attributes: { axis: { int: axis } } })[0]!;

function sequenceOf(graph: Graph, ids: Value, mask: Value): Sequence {
  const counts = ops.cast(ops.reduceSum(mask, [1]), "int32");
  const width = node(graph, "Shape", [mask], "int64", [2]);
  const total = node(graph, "Gather", [width, graph.constant("int64", [], [1])], "int64", [], 0);
  return {
    shape: node(graph, "Shape", [ids], "int64", [2]),
    before: ops.sub(counts, graph.constant("int32", [], [1])),
    total: ops.cast(total, "int32"),
  };
}

/** [rows, width] → [batch, sequence, width]. */
function inSequences(graph: Graph, { shape }: Sequence, x: Value, width: number): Value {
  const target = node(graph, "Concat", [shape, graph.constant("int64", [1], [width])], "int64", [3], 0);
  return node(graph, "Reshape", [x, target], "float32", ["batch_size", "sequence_length", width]);
}

function attention(
  graph: Graph,
  config: DecoderConfig,
  layer: number,
  sequence: Sequence,
  [q, k, v]: [Value, Value, Value],
  [cos, sin]: [Value, Value],
): Value {
  const { heads, kvHeads, headDim, attentionScale, attentionSoftCap } = config;
  const window = config.slidingWindow[layer];
  const cached = ["batch_size", kvHeads, "past_sequence_length", headDim];
  const joined = ["batch_size", kvHeads, "total_sequence_length", headDim];
  const outputs = [["batch_size", "sequence_length", heads * headDim], joined, joined];
  const [y, keys, values] = graph.node(
    "GroupQueryAttention",
    [
      inSequences(graph, sequence, q, heads * headDim),
      inSequences(graph, sequence, k, kvHeads * headDim),
      inSequences(graph, sequence, v, kvHeads * headDim),
      graph.input(`past_key_values.${layer}.key`, "float32", cached),
      graph.input(`past_key_values.${layer}.value`, "float32", cached),
      sequence.before,
      sequence.total,
      cos,
      sin,
    ],
    outputs.map((shape) => ({ dtype: "float32" as const, shape })),
    {
      domain: "com.microsoft",
      attributes: {
        num_heads: { int: heads },
        kv_num_heads: { int: kvHeads },
        scale: { float: attentionScale },
        do_rotary: { int: 1 },
        rotary_interleaved: { int: 0 },
        local_window_size: { int: window ?? -1 },
        softcap: { float: attentionSoftCap ?? 0 },
      },
    },
  );
  graph.output(`present.${layer}.key`, keys!);
  graph.output(`present.${layer}.value`, values!);
  const rows = graph.constant("int64", [2], [-1, heads * headDim]);
  return node(graph, "Reshape", [y, rows], "float32", ["rows", heads * headDim]);
}

function rotationTables(graph: Graph, config: DecoderConfig, rope: Rope): [Value, Value] {
  const frequencies = ropeFrequencies(rope.dims, rope.theta, rope.scaling);
  const { cos, sin } = ropeTables(frequencies, config.maxPositions);
  const shape = [config.maxPositions, rope.dims / 2];
  return [graph.constant("float32", shape, cos), graph.constant("float32", shape, sin)];
}

/** x [rows, in] · Wᵀ. */
function linear(x: Value, data: Float32Array, [out, width]: [number, number], storage: OnnxStorage): Value {
  const { graph } = x;
  if (storage === "f32" || width % BLOCK)
    return ops.gemm(x, graph.constant("float32", [out, width], data), { transB: true });
  const { blocks, codes, scales, zeroPoints } = quantizeBlocks(data, [out, width], 4, BLOCK);
  const inputs = [
    x,
    graph.constant("uint8", [out, blocks, BLOCK / 2], codes),
    graph.constant("float32", [out * blocks], scales),
    graph.constant("uint8", [zeroPoints!.length], zeroPoints!),
  ];
  const attributes = { K: { int: width }, N: { int: out }, bits: { int: 4 }, block_size: { int: BLOCK } };
  const result = [{ dtype: "float32" as const, shape: ["rows", out] }];
  return graph.node("MatMulNBits", inputs, result, { domain: "com.microsoft", attributes })[0]!;
}

function embeddingTable({ config, head, embed }: DecoderWeights): Float32Array {
  if (config.tiedEmbeddings) return head;
  const table = new Float32Array(config.vocabSize * config.hiddenSize);
  embed(
    Int32Array.from({ length: config.vocabSize }, (_, i) => i),
    table,
  );
  return table;
}
