/** Operations that move or select elements: reshape, transpose, concatenate, split, slice, pad, gather. */
import type { Value } from "../graph.js";
import { type Dim, elementCount, fixedDim, formatShape, normalAxis, type Shape, sameShape } from "../shape.js";

/** The same elements in another shape. At most one dimension may be symbolic, unless it keeps its place. */
export function reshape(x: Value, shape: Shape): Value {
  if (sameShape(x.shape, shape)) return x;
  const { producer } = x;
  if (producer?.op === "Reshape") return reshape(producer.inputs[0]!, shape);
  let inferred = false;
  const target = shape.map((dim, i) => {
    if (typeof dim === "number") return dim;
    if (x.shape[i] === dim && x.shape.slice(0, i).every((d, j) => d === shape[j])) return 0; // ONNX: copy this dimension
    if (inferred) throw new Error(`reshape ${formatShape(x.shape)} to ${formatShape(shape)}: two unknown dimensions`);
    inferred = true;
    return -1;
  });
  if (!x.shape.some((d) => typeof d === "string") && !inferred && elementCount(x.shape) !== elementCount(shape))
    throw new Error(`reshape ${formatShape(x.shape)} to ${formatShape(shape)} changes the number of elements`);
  const shapeInput = x.graph.constant("int64", [target.length], target);
  return x.graph.node("Reshape", [x, shapeInput], [{ dtype: x.dtype, shape }])[0]!;
}

/** The value that a reshape was made from, or the value itself: a reshaped graph output is copied, this one is not. */
export function beforeReshape(x: Value): Value {
  return x.producer?.op === "Reshape" ? x.producer.inputs[0]! : x;
}

/** Axes in a new order: result axis i is input axis `order[i]`. */
export function transpose(x: Value, order: readonly number[]): Value {
  if (order.length !== x.shape.length) throw new Error(`transpose of ${x} by [${order}]`);
  const shape = order.map((axis) => x.shape[axis]!);
  return x.graph.node("Transpose", [x], [{ dtype: x.dtype, shape }], { attributes: { perm: { ints: order } } })[0]!;
}

/** Values joined along an axis; `size` overrides the joined dimension when a part's is symbolic. */
export function concat(values: readonly Value[], axis: number, size?: Dim): Value {
  const first = values[0]!;
  if (values.length === 1) return first;
  const at = normalAxis(axis, first.shape.length);
  const total = size ?? values.reduce((sum, value) => sum + fixedDim(value.shape, at), 0);
  const shape = first.shape.map((dim, i) => (i === at ? total : dim));
  return first.graph.node("Concat", values, [{ dtype: first.dtype, shape }], { attributes: { axis: { int: at } } })[0]!;
}

/** A value cut along an axis into parts of the given sizes, which add up to the axis's. */
export function split(x: Value, axis: number, sizes: readonly number[]): Value[] {
  const at = normalAxis(axis, x.shape.length);
  if (sizes.reduce((a, b) => a + b, 0) !== fixedDim(x.shape, at))
    throw new Error(`split of axis ${at} of ${formatShape(x.shape)} into ${sizes}`);
  if (sizes.length === 1) return [x];
  const parts = sizes.map((size) => ({ dtype: x.dtype, shape: x.shape.map((dim, i) => (i === at ? size : dim)) }));
  const sizesInput = x.graph.constant("int64", [sizes.length], sizes as number[]);
  return x.graph.node("Split", [x, sizesInput], parts, { attributes: { axis: { int: at } } });
}

/** Elements `start` ≤ i < `end` along an axis. */
export function slice(x: Value, axis: number, start: number, end: number): Value {
  const at = normalAxis(axis, x.shape.length);
  const size = x.shape[at]!;
  if (typeof size === "number" && (start < 0 || end > size || start >= end))
    throw new Error(`slice ${start}:${end} of axis ${at} of ${formatShape(x.shape)}`);
  if (start === 0 && end === size) return x;
  const { graph } = x;
  const one = (n: number) => graph.constant("int64", [1], [n]);
  const shape = x.shape.map((dim, i) => (i === at ? end - start : dim));
  return graph.node("Slice", [x, one(start), one(end), one(at)], [{ dtype: x.dtype, shape }])[0]!;
}

/**
 * A slice along axis 0 whose start is known only when the graph runs: rows `start` ≤ i < `end`.
 * @param start int64 [1], in host memory on every device.
 * @param length name of the result's first dimension.
 * @param pads int64 [2·rank], the padding that undoes the slice: `start` rows before, size−end after. The derivative
 * needs it; passing it in keeps integer arithmetic out of the graph, which a GPU would hand to the processor.
 */
export function sliceFrom(x: Value, start: Value, end: number, length: string, pads: Value): Value {
  const { graph } = x;
  const one = (n: number) => graph.constant("int64", [1], [n]);
  const shape = [length, ...x.shape.slice(1)];
  const attributes = {};
  return graph.node("Slice", [x, start, one(end), one(0), undefined, pads], [{ dtype: x.dtype, shape }], {
    attributes,
  })[0]!;
}

/** Zeros around a tensor. `pads` int64 [2·rank]: counts before each axis, then counts after. */
export function pad(x: Value, pads: Value, shape: Shape): Value {
  return x.graph.node("Pad", [x, pads], [{ dtype: x.dtype, shape }])[0]!;
}

/** Repeats dimensions of size one until the shape is `like`'s. */
export function expandLike(x: Value, like: Value): Value {
  if (sameShape(x.shape, like.shape)) return x;
  const { graph } = x;
  const fixed = like.shape.every((dim) => typeof dim === "number");
  const target = fixed
    ? graph.constant("int64", [like.shape.length], like.shape as number[])
    : graph.node("Shape", [like], [{ dtype: "int64", shape: [like.shape.length] }])[0]!;
  return graph.node("Expand", [x, target], [{ dtype: x.dtype, shape: like.shape }])[0]!;
}

/** Rows of x at `indices`, int32: the shape of the indices with that of a row behind. Has no derivative. */
export function rowsAt(x: Value, indices: Value): Value {
  const shape = [...indices.shape, ...x.shape.slice(1)];
  return x.graph.node("Gather", [x, indices], [{ dtype: x.dtype, shape }])[0]!;
}

/** For each row of x [n, m], the element at column `indices` int32 or int64 [n, 1]; result [n, 1]. */
export function pick(x: Value, indices: Value): Value {
  const attributes = { axis: { int: 1 } };
  return x.graph.node("GatherElements", [x, indices], [{ dtype: x.dtype, shape: indices.shape }], { attributes })[0]!;
}

/** x [n, m] with, in each row, the element at column `indices` int32 or int64 [n, 1] replaced by `values` [n, 1]. */
export function put(x: Value, indices: Value, values: Value): Value {
  const attributes = { axis: { int: 1 } };
  const output = { dtype: x.dtype, shape: x.shape };
  return x.graph.node("ScatterElements", [x, indices, values], [output], { attributes })[0]!;
}
