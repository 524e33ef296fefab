/** The graph of one decoder block over a packed row, with weights and adapter as inputs: one serves all layers. */
import { Graph, ops, type Value } from "../graph/index.js";
import type { GraphAdapter } from "./adapter.js";
import type { DecoderConfig } from "./decoder-config.js";
import { decoderLayer, type LinearName, linearOf, vectorShapes } from "./decoder-layer.js";
import { packedAttention } from "./packed-attention.js";
import { pastAttention } from "./past.js";

/** Names of a block graph's inputs. */
export const inputName = {
  weight: (name: LinearName): string => `${name}.weight`,
  bias: (name: LinearName): string => `${name}.bias`,
  loraA: (name: LinearName): string => `${name}.lora_A`,
  loraB: (name: LinearName): string => `${name}.lora_B`,
  /** Factor of the adapter's output; float32 [1]. */
  scaling: (name: LinearName): string => `${name}.lora_scaling`,
  /** DoRA's lengths of the adapted weight's rows; float32 [out]. */
  magnitude: (name: LinearName): string => `${name}.lora_magnitude`,
  /** 1 where an element of the adapter's input survives dropout; uint8 [tokens, in]. */
  dropout: (name: LinearName): string => `${name}.dropout`,
};

export interface LayerGraph {
  graph: Graph;
  /** [tokens, hidden]. */
  x: Value;
  /** [tokens, hidden]. */
  y: Value;
  /** Parameters by input name, in a fixed order. */
  parameters: Map<string, Value>;
  /** Where attention is computed outside: what it reads, rotated, as matrices, and the input that takes its result. */
  attention?: { q: Value; k: Value; v: Value; attended: Value };
}

export interface LayerGraphOptions {
  adapter?: GraphAdapter;
  /** Adds dropout masks as inputs when the adapter has dropout. */
  training?: boolean;
  /** Leaves attention out, for rows that are too long for one graph (long-attention.ts). */
  attentionOutside?: boolean;
  /** The row goes on from a past (past.ts). */
  past?: boolean;
}

/** Builds the forward graph of one block for rows of `tokens`. */
export function layerGraph(config: DecoderConfig, tokens: number, options: LayerGraphOptions = {}): LayerGraph {
  const graph = new Graph();
  const { adapter } = options;
  const parameters = new Map<string, Value>();
  const parameter = (name: string, shape: number[]): Value => {
    let value = parameters.get(name);
    if (!value) {
      value = graph.input(name, "float32", shape);
      parameters.set(name, value);
    }
    return value;
  };
  for (const [name, size] of vectorShapes(config)) parameter(name, [size]);

  const x = graph.input("x", "float32", [tokens, config.hiddenSize]);
  const positions = graph.input("positions", "int64", [1, tokens]);
  const half = config.rope[0]!.dims / 2;
  const cos = graph.input("cos", "float32", ["positions", half]);
  const sin = graph.input("sin", "float32", ["positions", half]);
  const within = options.past ? pastAttention : packedAttention;
  const attention = options.attentionOutside ? undefined : within(graph, config, tokens);
  let outside: LayerGraph["attention"];
  const takeOutside = (q: Value, k: Value, v: Value): Value => {
    const matrix = (x: Value): Value => ops.reshape(x, [tokens, x.shape[x.shape.length - 1]!]);
    const attended = graph.input("attended", "float32", [tokens, config.heads * config.headDim]);
    outside = { q: matrix(q), k: matrix(k), v: matrix(v), attended };
    return attended;
  };

  const y = decoderLayer(config, x, {
    linear: (name, input) => {
      const spec = linearOf(config, name);
      const [out, width] = spec.shape;
      const weight = parameter(inputName.weight(name), [out, width]);
      const product = ops.gemm(input, weight, { transB: true });
      const base = spec.bias ? ops.add(product, parameter(inputName.bias(name), [out])) : product;
      const rank = adapter?.ranks.get(name);
      if (!adapter || rank === undefined) return base;
      const masked = options.training && adapter.dropout > 0;
      const kept = masked
        ? ops.mul(input, ops.cast(graph.input(inputName.dropout(name), "uint8", [tokens, width]), "float32"))
        : input;
      const alpha = masked ? 1 / (1 - adapter.dropout) : 1;
      const a = parameter(inputName.loraA(name), [rank, width]);
      const b = parameter(inputName.loraB(name), [out, rank]);
      const scaling = graph.input(inputName.scaling(name), "float32", [1]);
      const low = graph.keep(`${name}.low`, ops.gemm(kept, a, { transB: true, alpha }));
      const update = ops.gemm(ops.mul(low, scaling), b, { transB: true });
      if (!adapter.dora) return ops.add(base, update);
      const gain = doraGain(weight, a, b, scaling, parameter(inputName.magnitude(name), [out]));
      // As PEFT does: what is dropped from the adapter's input is dropped from its share of the base's product too.
      const shared = masked ? ops.gemm(kept, weight, { transB: true, alpha }) : product;
      const rest = ops.mul(ops.sub(gain, graph.scalar(1)), shared);
      return ops.add(base, ops.add(rest, ops.mul(gain, update)));
    },
    vector: (name, size) => parameter(name, [size]),
    rotate: (value, heads) => ops.rotary(value, positions, cos, sin, { heads, dims: config.rope[0]!.dims }),
    attend: attention?.attend ?? takeOutside,
    keep: (name, value) => graph.keep(name, ops.beforeReshape(value)),
  });
  return { graph, x, y, parameters, attention: outside };
}

/** What DoRA multiplies each output by: its trained length over that of the row of W + scaling · B·A, a constant. */
function doraGain(weight: Value, a: Value, b: Value, scaling: Value, magnitude: Value): Value {
  const adapted = ops.add(weight, ops.mul(ops.gemm(b, a), scaling));
  const lengths = ops.sqrt(ops.reduceSumSquare(adapted, [1]));
  return ops.div(magnitude, weight.graph.keep(`${magnitude.inputName}.norm`, ops.detach(lengths)));
}
