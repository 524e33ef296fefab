/**
 * Evaluates a graph in float64, one operation at a time and written for clarity: the oracle that gradients are checked
 * against. It shares nothing with ONNX Runtime but the meaning of the operations (onnx.ai/onnx/operators).
 */
import type { Attribute, Node, Value } from "../graph.js";

export interface Array64 {
  dims: number[];
  data: Float64Array;
}

export const array64 = (dims: readonly number[], data: ArrayLike<number>): Array64 => ({
  dims: [...dims],
  data: Float64Array.from(data),
});

const count = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/** Value of `wanted`, given the graph's inputs by name. */
export function evaluate64(wanted: Value, inputs: Readonly<Record<string, Array64>>): Array64 {
  const done = new Map<Value, Array64>();
  const get = (value: Value): Array64 => {
    let found = done.get(value);
    if (!found) {
      found = value.inputName ? inputs[value.inputName] : value.constant ? decoded(value) : run(value.producer!, value);
      if (!found) throw new Error(`no value for ${value}`);
      done.set(value, found);
    }
    return found;
  };
  const run = (node: Node, output: Value): Array64 => {
    const operation = operations[node.op];
    if (!operation) throw new Error(`no float64 form of ${node.op}`);
    return operation(
      node.inputs.flatMap((input) => (input ? [get(input)] : [])),
      node.attributes,
      node.outputs.indexOf(output),
    );
  };
  return get(wanted);
}

function decoded({ constant, dtype, shape }: Value): Array64 {
  const { buffer, byteOffset, byteLength } = constant!.bytes;
  const bytes = buffer.slice(byteOffset, byteOffset + byteLength);
  const dims = shape as number[];
  if (dtype === "float32") return array64(dims, new Float32Array(bytes));
  if (dtype === "int64") return array64(dims, Array.from(new BigInt64Array(bytes), Number));
  if (dtype === "int32") return array64(dims, new Int32Array(bytes));
  if (dtype === "bool" || dtype === "uint8") return array64(dims, new Uint8Array(bytes));
  throw new Error(`no float64 form of a ${dtype} constant`);
}

type Attributes = Readonly<Record<string, Attribute>>;
/** `output`: which of the node's outputs is wanted. */
type Operation = (inputs: Array64[], attributes: Attributes, output: number) => Array64;

const int = (attributes: Attributes, name: string): number => (attributes[name] as { int: number }).int;
const float = (attributes: Attributes, name: string): number => (attributes[name] as { float: number }).float;

/** Coordinates of element `index`. */
function coordinates(index: number, dims: readonly number[]): number[] {
  const at = new Array<number>(dims.length);
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    at[axis] = index % dims[axis]!;
    index = Math.floor(index / dims[axis]!);
  }
  return at;
}

/** Element at coordinates; missing leading axes and axes of size one broadcast. */
function read({ dims, data }: Array64, at: readonly number[]): number {
  let index = 0;
  dims.forEach((size, axis) => {
    index = index * size + (size === 1 ? 0 : at[at.length - dims.length + axis]!);
  });
  return data[index]!;
}

function broadcast(arrays: readonly Array64[]): number[] {
  const rank = Math.max(...arrays.map(({ dims }) => dims.length));
  return Array.from({ length: rank }, (_, i) =>
    Math.max(...arrays.map(({ dims }) => dims[dims.length - rank + i] ?? 1)),
  );
}

function fill(dims: number[], element: (at: number[]) => number): Array64 {
  return { dims, data: Float64Array.from({ length: count(dims) }, (_, i) => element(coordinates(i, dims))) };
}

const elementwise =
  (f: (...x: number[]) => number): Operation =>
  (inputs) =>
    fill(broadcast(inputs), (at) => f(...inputs.map((input) => read(input, at))));

/** Groups the elements along `axes` and reduces each group. */
function reduced(f: (group: number[]) => number): Operation {
  return ([x, axes], attributes) => {
    const rank = x!.dims.length;
    const chosen = new Set(Array.from(axes!.data, (axis) => (axis + rank) % rank));
    const kept = x!.dims.map((size, axis) => (chosen.has(axis) ? 1 : size));
    const groups = Array.from({ length: count(kept) }, () => [] as number[]);
    x!.data.forEach((value, i) => {
      const at = coordinates(i, x!.dims);
      const index = kept.reduce((sum, size, axis) => sum * size + (size === 1 ? 0 : at[axis]!), 0);
      groups[index]!.push(value);
    });
    const dims = int(attributes, "keepdims") ? kept : x!.dims.filter((_, axis) => !chosen.has(axis));
    return { dims, data: Float64Array.from(groups, f) };
  };
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** Applies f to each run of the last axis. */
function alongLast(x: Array64, f: (line: Float64Array) => ArrayLike<number>): Array64 {
  const width = x.dims.at(-1)!;
  const data = new Float64Array(x.data.length);
  for (let at = 0; at < data.length; at += width) data.set(f(x.data.subarray(at, at + width)), at);
  return { dims: x.dims, data };
}

function matrixProduct(a: Array64, b: Array64): Array64 {
  const [rows, depth, columns] = [a.dims.at(-2)!, a.dims.at(-1)!, b.dims.at(-1)!];
  const lead = (x: Array64): Array64 => ({ dims: x.dims.slice(0, -2), data: x.data });
  const dims = [...broadcast([lead(a), lead(b)]), rows, columns];
  return fill(dims, (at) => {
    const [row, column] = at.slice(-2) as [number, number];
    let total = 0;
    for (let k = 0; k < depth; k++)
      total += read(a, [...at.slice(0, -2), row, k]) * read(b, [...at.slice(0, -2), k, column]);
    return total;
  });
}

function transposed(x: Array64, order: readonly number[]): Array64 {
  return fill(
    order.map((axis) => x.dims[axis]!),
    (at) => {
      const from = new Array<number>(at.length);
      order.forEach((axis, i) => {
        from[axis] = at[i]!;
      });
      return read(x, from);
    },
  );
}

/** e^(−x²) · 2/√π · Σ 2ⁿ x^(2n+1) / (1·3·…·(2n+1)): every term has the sign of x, so nothing cancels. */
function erf(x: number): number {
  let term = x;
  let total = x;
  for (let n = 1; n < 400 && Math.abs(term) > 1e-18 * Math.abs(total); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    total += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total;
}

const operations: Readonly<Record<string, Operation>> = {
  Add: elementwise((a, b) => a! + b!),
  Sub: elementwise((a, b) => a! - b!),
  Mul: elementwise((a, b) => a! * b!),
  Div: elementwise((a, b) => a! / b!),
  Neg: elementwise((a) => -a!),
  Exp: elementwise((a) => Math.exp(a!)),
  Log: elementwise((a) => Math.log(a!)),
  Sqrt: elementwise((a) => Math.sqrt(a!)),
  Tanh: elementwise((a) => Math.tanh(a!)),
  Sigmoid: elementwise((a) => 1 / (1 + Math.exp(-a!))),
  QuickGelu: ([x], attributes) =>
    fill(x!.dims, (at) => {
      const value = read(x!, at);
      return value / (1 + Math.exp(-float(attributes, "alpha") * value));
    }),
  Erf: elementwise((a) => erf(a!)),
  Clip: elementwise((x, low, high) => Math.min(Math.max(x!, low!), high!)),
  Where: elementwise((condition, a, b) => (condition ? a! : b!)),
  ReduceSum: reduced(sum),
  ReduceMean: reduced((group) => sum(group) / group.length),
  ReduceMax: reduced((group) => Math.max(...group)),
  Softmax: ([x]) =>
    alongLast(x!, (line) => {
      const powers = line.map((value) => Math.exp(value - Math.max(...line)));
      return powers.map((power) => power / sum([...powers]));
    }),
  SimplifiedLayerNormalization: ([x, weight], attributes) =>
    alongLast(x!, (line) => {
      const root = Math.sqrt(sum([...line.map((v) => v * v)]) / line.length + float(attributes, "epsilon"));
      return line.map((value, i) => (value / root) * weight!.data[i]!);
    }),
  RotaryEmbedding: ([x, positions, cos, sin], attributes) => {
    const heads = int(attributes, "num_heads");
    const width = x!.dims.at(-1)! / heads;
    const dims = int(attributes, "rotary_embedding_dim") || width;
    const half = dims / 2;
    return fill(x!.dims, ([batch, token, column]) => {
      const within = column! % width;
      if (within >= dims) return read(x!, [batch!, token!, column!]);
      const first = within < half;
      const angle = [positions!.data[token!]!, within % half];
      const partner = read(x!, [batch!, token!, first ? column! + half : column! - half]);
      const own = read(x!, [batch!, token!, column!]);
      return own * read(cos!, angle) + (first ? -1 : 1) * partner * read(sin!, angle);
    });
  },
  Reshape: ([x, shape]) => {
    const dims = Array.from(shape!.data, (size, axis) => (size === 0 ? x!.dims[axis]! : size));
    const rest = count(x!.dims) / count(dims.filter((size) => size !== -1));
    return { dims: dims.map((size) => (size === -1 ? rest : size)), data: x!.data };
  },
  Transpose: ([x], attributes) => transposed(x!, (attributes.perm as { ints: readonly number[] }).ints),
  Concat: (inputs, attributes) => {
    const axis = int(attributes, "axis");
    const dims = [...inputs[0]!.dims];
    dims[axis] = sum(inputs.map((input) => input.dims[axis]!));
    return fill(dims, (at) => {
      let offset = at[axis]!;
      const part = inputs.find((input) => {
        if (offset < input.dims[axis]!) return true;
        offset -= input.dims[axis]!;
        return false;
      });
      return read(part!, at.with(axis, offset));
    });
  },
  Split: ([x, sizes], attributes, output) => {
    const axis = int(attributes, "axis");
    const start = sum([...sizes!.data.subarray(0, output)]);
    return fill(x!.dims.with(axis, sizes!.data[output]!), (at) => read(x!, at.with(axis, at[axis]! + start)));
  },
  Slice: ([x, start, end, axis]) => {
    const along = axis!.data[0]!;
    const dims = x!.dims.with(along, end!.data[0]! - start!.data[0]!);
    return fill(dims, (at) => read(x!, at.with(along, at[along]! + start!.data[0]!)));
  },
  Gemm: ([a, b, c], attributes) => {
    const turned = (x: Array64, name: string): Array64 => (int(attributes, name) ? transposed(x, [1, 0]) : x);
    const product = matrixProduct(turned(a!, "transA"), turned(b!, "transB"));
    const alpha = float(attributes, "alpha");
    return fill(product.dims, (at) => alpha * read(product, at) + (c ? read(c, at) : 0));
  },
  MatMul: ([a, b]) => matrixProduct(a!, b!),
  GatherElements: ([x, indices]) => fill(indices!.dims, ([row, i]) => read(x!, [row!, read(indices!, [row!, i!])])),
};
