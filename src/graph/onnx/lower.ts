/** Lowering: the graph as the bytes of an ONNX model (github.com/onnx/onnx, onnx.proto: field numbers below). */
import type { Attribute, DType, Graph, Node, Value } from "../graph.js";
import { bytesPerElement } from "../graph.js";
import { elementCount, type Shape } from "../shape.js";
import { ELEMENT_TYPE } from "./element-type.js";
import { ProtobufWriter } from "./protobuf.js";

const IR_VERSION = 8;
const OPSET = 18;

/** TensorProto.DataLocation.EXTERNAL */
const EXTERNAL = 1;

/** An ONNX model. */
export interface LoweredModel {
  /** The model file's bytes (protobuf). */
  bytes: Uint8Array;
  /**
   * Constants of 1 kB and more, handed to the runtime beside the model so that they are not copied into it. Integers of 64
   * bits are never among them: shapes are inferred from those, and the runtime reads shapes from the model itself only.
   */
  external: { path: string; data: Uint8Array }[];
}

const EXTERNAL_FROM = 1024;

/** Nodes that the outputs depend on, in order. */
function liveNodes(graph: Graph): Node[] {
  const live = new Set<Value>(graph.outputs.values());
  const nodes: Node[] = [];
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i]!;
    if (!node.outputs.some((output) => live.has(output))) continue;
    nodes.push(node);
    for (const input of node.inputs) if (input) live.add(input);
  }
  return nodes.reverse();
}

/** How a graph becomes a model. */
export interface LoweringOptions {
  /** Name of an extra output, the first: an empty sequence, which is not a tensor (runtime/device.ts says what for). */
  emptySequence?: string;
  /** Holds all constants in the model itself, for a file that stands alone. */
  inside?: boolean;
}

/** Writes the graph, leaving out nodes and inputs that no output depends on. */
export function toOnnx(graph: Graph, options: LoweringOptions = {}): LoweredModel {
  const nodes = liveNodes(graph);
  const used = new Set<Value>(graph.outputs.values());
  for (const node of nodes) for (const input of node.inputs) if (input) used.add(input);

  const names = new Map<Value, string>();
  for (const [name, value] of graph.outputs)
    if (!value.inputName && !value.constant && !names.has(value)) names.set(value, name);
  const nameOf = (value: Value): string => value.inputName ?? names.get(value) ?? `_${value.id}`;

  const external: LoweredModel["external"] = [];
  const body = new ProtobufWriter();
  body.message(7, (g) => {
    for (const node of nodes) g.message(1, (w) => writeNode(w, node, nameOf, used));
    // An output that is itself an input, a constant, or named twice goes through Identity.
    for (const [name, value] of graph.outputs)
      if (nameOf(value) !== name) g.message(1, (w) => w.string(1, nameOf(value)).string(2, name).string(4, "Identity"));
    const { emptySequence } = options;
    if (emptySequence) g.message(1, (w) => w.string(2, emptySequence).string(4, "SequenceEmpty"));
    g.string(2, "evoke");
    for (const constant of graph.constants) {
      if (!used.has(constant)) continue;
      g.message(5, (w) => writeConstant(w, constant, nameOf(constant), options.inside ? undefined : external));
    }
    for (const input of graph.inputs)
      if (used.has(input)) g.message(11, (w) => writeValueInfo(w, nameOf(input), input.dtype, input.shape));
    if (emptySequence)
      g.message(12, (w) =>
        w
          .string(1, emptySequence)
          .message(2, (type) =>
            type.message(4, (sequence) =>
              sequence.message(1, (element) => element.message(1, (tensor) => tensor.int(1, ELEMENT_TYPE.float32))),
            ),
          ),
      );
    for (const [name, value] of graph.outputs) g.message(12, (w) => writeValueInfo(w, name, value.dtype, value.shape));
  });
  const model = new ProtobufWriter().int(1, IR_VERSION).string(2, "evoke");
  model.message(8, (w) => w.string(1, "").int(2, OPSET));
  model.message(8, (w) => w.string(1, "com.microsoft").int(2, 1));
  const head = model.finish();
  const rest = body.finish();
  const bytes = new Uint8Array(head.byteLength + rest.byteLength);
  bytes.set(head);
  bytes.set(rest, head.byteLength);
  return { bytes, external };
}

function writeNode(w: ProtobufWriter, node: Node, nameOf: (value: Value) => string, used: Set<Value>): void {
  // Slice carries the padding of its derivative as an input of ours (ops/shape-ops.ts); ONNX's Slice has none.
  const inputs = node.op === "Slice" ? node.inputs.slice(0, 4) : node.inputs;
  for (const input of inputs) w.string(1, input ? nameOf(input) : "");
  const outputs = node.outputs.slice();
  // Split's outputs are as many as its sizes.
  while (node.op !== "Split" && outputs.length > 1 && !used.has(outputs[outputs.length - 1]!)) outputs.pop();
  for (const output of outputs) w.string(2, nameOf(output));
  w.string(4, node.op);
  for (const [name, value] of Object.entries(node.attributes)) w.message(5, (a) => writeAttribute(a, name, value));
  if (node.domain) w.string(7, node.domain);
}

function writeAttribute(w: ProtobufWriter, name: string, value: Attribute): void {
  w.string(1, name);
  if ("float" in value) w.float(2, value.float).int(20, 1);
  else if ("int" in value) w.int(3, value.int).int(20, 2);
  else if ("string" in value) w.string(4, value.string).int(20, 3);
  else {
    for (const item of value.ints) w.int(8, item);
    w.int(20, 7);
  }
}

function writeConstant(w: ProtobufWriter, value: Value, name: string, external?: LoweredModel["external"]): void {
  for (const dim of value.shape) w.int(1, dim as number);
  w.int(2, ELEMENT_TYPE[value.dtype]).string(8, name);
  const { bytes } = value.constant!;
  if (bytes.byteLength !== elementCount(value.shape) * bytesPerElement(value.dtype))
    throw new Error(`constant ${value}`);
  if (!external || bytes.byteLength < EXTERNAL_FROM || value.dtype === "int64") {
    w.bytes(9, bytes);
    return;
  }
  const path = `${name}.bin`;
  external.push({ path, data: bytes });
  const entry = (key: string, text: string) => w.message(13, (e) => e.string(1, key).string(2, text));
  entry("location", path);
  entry("offset", "0");
  entry("length", String(bytes.byteLength));
  w.int(14, EXTERNAL);
}

function writeValueInfo(w: ProtobufWriter, name: string, dtype: DType, shape: Shape): void {
  w.string(1, name).message(2, (type) =>
    type.message(1, (tensor) => {
      tensor.int(1, ELEMENT_TYPE[dtype]).message(2, (s) => {
        for (const dim of shape) s.message(1, (d) => (typeof dim === "number" ? d.int(1, dim) : d.string(2, dim)));
      });
    }),
  );
}
