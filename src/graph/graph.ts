/**
 * The tensor graph: typed, shaped values and the operations between them. It knows nothing of models or of training;
 * operations are those of ONNX (and a few ONNX Runtime extensions), so that lowering is a plain translation.
 */
import { formatShape, type Shape } from "./shape.js";

/** Element types of tensors, by ONNX's names. */
export type DType = "float32" | "float16" | "int64" | "int32" | "uint32" | "uint8" | "int8" | "bool";

/** An attribute of an operation, typed as ONNX types it. */
export type Attribute = { int: number } | { float: number } | { ints: readonly number[] } | { string: string };

/** One operation of a graph. */
export interface Node {
  /** Name of the operator, such as `Gemm`. */
  readonly op: string;
  /** Operator set; "" is ONNX's own, "com.microsoft" ONNX Runtime's. */
  readonly domain: string;
  /** `undefined` marks an optional input that is left out. */
  readonly inputs: readonly (Value | undefined)[];
  /** What it puts out, in the operator's order. */
  readonly outputs: readonly Value[];
  /** Settings of the operator by their names. */
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** Raw little-endian bytes of a constant. */
export interface ConstantData {
  /** Row-major elements. */
  readonly bytes: Uint8Array;
}

/** One tensor of a graph: an input, a constant, or what a node puts out. */
export class Value {
  /** The node that puts it out; undefined for inputs and constants. */
  producer?: Node;
  /** Position among the producer's outputs. */
  outputIndex = 0;

  constructor(
    /** The graph that it belongs to. */
    readonly graph: Graph,
    /** Unique in its graph. */
    readonly id: number,
    /** Element type. */
    readonly dtype: DType,
    /** Dimensions, outermost first. */
    readonly shape: Shape,
    /** Set for graph inputs. */
    readonly inputName?: string,
    /** Set for constants. */
    readonly constant?: ConstantData,
  ) {}

  /** For messages: name, element type and shape. */
  toString(): string {
    return `${this.inputName ?? this.producer?.op ?? "constant"}#${this.id} ${this.dtype}${formatShape(this.shape)}`;
  }
}

/** What a node has beside inputs and outputs. */
export interface NodeSpec {
  /** Operator set; default ONNX's own. */
  domain?: string;
  /** Default none. */
  attributes?: Record<string, Attribute>;
}

const BYTES: Record<DType, number> = {
  float32: 4,
  float16: 2,
  int64: 8,
  int32: 4,
  uint32: 4,
  uint8: 1,
  int8: 1,
  bool: 1,
};

/** Bytes that one element takes. */
export function bytesPerElement(dtype: DType): number {
  return BYTES[dtype];
}

/** A tensor graph, built node by node; `toOnnx` makes a model of it, `differentiate` adds the gradients. */
export class Graph {
  /** In an order in which they can be computed. */
  readonly nodes: Node[] = [];
  /** Fed at every run. */
  readonly inputs: Value[] = [];
  /** Held in the graph. */
  readonly constants: Value[] = [];
  /** Results of a run, by name. */
  readonly outputs = new Map<string, Value>();
  /** Values a forward pass keeps for its backward pass instead of recomputing them (see partition.ts). */
  readonly kept = new Map<string, Value>();
  private nextId = 0;

  /** Declares an input that is fed at every run. Names are unique. */
  input(name: string, dtype: DType, shape: Shape): Value {
    if (this.inputs.some((value) => value.inputName === name)) throw new Error(`graph input ${name} is declared twice`);
    const value = new Value(this, this.nextId++, dtype, shape, name);
    this.inputs.push(value);
    return value;
  }

  /** A constant held in the graph itself. */
  constant(dtype: DType, shape: readonly number[], data: ArrayBufferView | readonly number[]): Value {
    const bytes = Array.isArray(data) ? encode(dtype, data) : viewBytes(data as ArrayBufferView);
    const count = shape.reduce((product, dim) => product * dim, 1);
    if (bytes.byteLength !== count * BYTES[dtype])
      throw new Error(
        `constant ${dtype}${formatShape(shape)} needs ${count * BYTES[dtype]} bytes, got ${bytes.byteLength}`,
      );
    const value = new Value(this, this.nextId++, dtype, shape, undefined, { bytes });
    this.constants.push(value);
    return value;
  }

  /** A constant float32 scalar. */
  scalar(value: number): Value {
    return this.constant("float32", [], [value]);
  }

  /** Appends a node; the caller (an operation in ops/) has already worked out the outputs' types and shapes. */
  node(
    op: string,
    inputs: readonly (Value | undefined)[],
    outputs: readonly { dtype: DType; shape: Shape }[],
    spec: NodeSpec = {},
  ): Value[] {
    for (const value of inputs)
      if (value && value.graph !== this) throw new Error(`${op}: ${value} belongs to another graph`);
    const values = outputs.map(({ dtype, shape }) => new Value(this, this.nextId++, dtype, shape));
    const node: Node = { op, domain: spec.domain ?? "", inputs, outputs: values, attributes: spec.attributes ?? {} };
    values.forEach((value, index) => {
      value.producer = node;
      value.outputIndex = index;
    });
    this.nodes.push(node);
    return values;
  }

  /** Names a result. @throws Error for a name that is taken */
  output(name: string, value: Value): void {
    if (this.outputs.has(name)) throw new Error(`graph output ${name} is declared twice`);
    this.outputs.set(name, value);
  }

  /** Marks a value as worth keeping between the forward and the backward pass. */
  keep(name: string, value: Value): Value {
    this.kept.set(name, value);
    return value;
  }
}

function encode(dtype: DType, data: readonly number[]): Uint8Array {
  switch (dtype) {
    case "float32":
      return viewBytes(Float32Array.from(data));
    case "int64":
      return viewBytes(BigInt64Array.from(data, (x) => BigInt(x)));
    case "int32":
      return viewBytes(Int32Array.from(data));
    case "uint32":
      return viewBytes(Uint32Array.from(data));
    case "uint8":
    case "bool":
      return Uint8Array.from(data);
    case "int8":
      return viewBytes(Int8Array.from(data));
    default:
      throw new Error(`constants of ${dtype} are given as bytes`);
  }
}

function viewBytes(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
