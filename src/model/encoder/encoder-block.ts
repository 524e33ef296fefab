/**
 * The graphs of an encoder of BERT's kind (Devlin et al. 2019): the sum of three embeddings, normalised, and one block of
 * attention in both directions and an MLP, each added to its input and normalised after. One compiled block serves all
 * layers: its weights are inputs.
 */
import { Graph, ops, type Value } from "../../graph/index.js";
import type { EncoderConfig } from "./encoder-config.js";

/** A block's parameters, by their names in a checkpoint, with their shapes. */
export function blockParameters({ hiddenSize, intermediateSize }: EncoderConfig): Map<string, number[]> {
  const linear = (name: string, out: number, width: number): [string, number[]][] => [
    [`${name}.weight`, [out, width]],
    [`${name}.bias`, [out]],
  ];
  const norm = (name: string): [string, number[]][] => [
    [`${name}.weight`, [hiddenSize]],
    [`${name}.bias`, [hiddenSize]],
  ];
  return new Map([
    ...linear("attention.self.query", hiddenSize, hiddenSize),
    ...linear("attention.self.key", hiddenSize, hiddenSize),
    ...linear("attention.self.value", hiddenSize, hiddenSize),
    ...linear("attention.output.dense", hiddenSize, hiddenSize),
    ...norm("attention.output.LayerNorm"),
    ...linear("intermediate.dense", intermediateSize, hiddenSize),
    ...linear("output.dense", hiddenSize, intermediateSize),
    ...norm("output.LayerNorm"),
  ]);
}

/** Texts of one padded length that are computed together. */
export interface BatchShape {
  texts: number;
  /** Tokens of each, padding included. */
  length: number;
}

/** Inputs x [texts · length, hidden], weight and bias [hidden]; output y of x's shape. */
export function embeddingNormGraph({ hiddenSize, epsilon }: EncoderConfig): Graph {
  const graph = new Graph();
  const x = graph.input("x", "float32", ["tokens", hiddenSize]);
  const weight = graph.input("weight", "float32", [hiddenSize]);
  const bias = graph.input("bias", "float32", [hiddenSize]);
  graph.output("y", ops.layerNorm(x, epsilon, weight, bias));
  return graph;
}

/**
 * Inputs x [texts · length, hidden], mask [texts, 1, 1, length] (0 at tokens, a large negative number at padding) and the
 * parameters of `blockParameters`; output y of x's shape.
 */
export function blockGraph(config: EncoderConfig, { texts, length }: BatchShape): Graph {
  const { hiddenSize, heads, headDim, epsilon } = config;
  const graph = new Graph();
  const rows = texts * length;
  const x = graph.input("x", "float32", [rows, hiddenSize]);
  const mask = graph.input("mask", "float32", [texts, 1, 1, length]);
  const parameters = new Map([...blockParameters(config)].map(([n, shape]) => [n, graph.input(n, "float32", shape)]));
  const parameter = (name: string): Value => parameters.get(name)!;
  const linear = (name: string, value: Value): Value =>
    ops.add(ops.gemm(value, parameter(`${name}.weight`), { transB: true }), parameter(`${name}.bias`));
  const norm = (name: string, value: Value): Value =>
    ops.layerNorm(value, epsilon, parameter(`${name}.weight`), parameter(`${name}.bias`));

  const split = (value: Value, order: number[]): Value =>
    ops.transpose(ops.reshape(value, [texts, length, heads, headDim]), order);
  const queries = split(ops.scale(linear("attention.self.query", x), 1 / Math.sqrt(headDim)), [0, 2, 1, 3]);
  const keys = split(linear("attention.self.key", x), [0, 2, 3, 1]);
  const values = split(linear("attention.self.value", x), [0, 2, 1, 3]);
  const weights = ops.softmax(ops.add(ops.matmul(queries, keys), mask));
  const mixed = ops.reshape(ops.transpose(ops.matmul(weights, values), [0, 2, 1, 3]), [rows, hiddenSize]);
  const attended = norm("attention.output.LayerNorm", ops.add(x, linear("attention.output.dense", mixed)));

  const inner = linear("intermediate.dense", attended);
  const activated = config.activation === "gelu" ? ops.gelu(inner) : ops.geluTanh(inner);
  graph.output("y", norm("output.LayerNorm", ops.add(attended, linear("output.dense", activated))));
  return graph;
}
