/** Sums, means and maxima over axes, and softmax. */
import type { Value } from "../graph.js";
import { type Dim, fixedDim, normalAxis } from "../shape.js";
import { reshape } from "./shape-ops.js";

function reduce(op: string, x: Value, axes: readonly number[], keepDims: boolean): Value {
  const normal = axes.map((axis) => normalAxis(axis, x.shape.length));
  const shape: Dim[] = [];
  x.shape.forEach((dim, i) => {
    if (!normal.includes(i)) shape.push(dim);
    else if (keepDims) shape.push(1);
  });
  const axesInput = x.graph.constant("int64", [normal.length], normal);
  const attributes = { keepdims: { int: keepDims ? 1 : 0 } };
  return x.graph.node(op, [x, axesInput], [{ dtype: x.dtype, shape }], { attributes })[0]!;
}

/** Σ x over the axes, which stay with size one if `keepDims`. */
export const reduceSum = (x: Value, axes: readonly number[], keepDims = false): Value =>
  reduce("ReduceSum", x, axes, keepDims);
/** Length up to which one running sum of float32 is good enough. */
const RUN = 512;

/**
 * Σ x along the last axis, kept with size one, of many values of very different size: in one running sum the small ones
 * vanish (2·10⁻⁵ of a softmax's total over 49,152 classes), so parts are summed first. Has no derivative of its own.
 */
export function sumLast(x: Value): Value {
  const lead = x.shape.slice(0, -1);
  const length = fixedDim(x.shape, x.shape.length - 1);
  let part = Math.min(RUN, length);
  while (length % part) part--;
  // A length without a fitting divisor would make parts too short to help.
  if (length <= RUN || part < 16) return reduceSum(x, [-1], true);
  const parts = reduceSum(reshape(x, [...lead, length / part, part]), [-1]);
  return sumLast(parts);
}
/** Mean of x over the axes, which stay with size one if `keepDims`. */
export const reduceMean = (x: Value, axes: readonly number[], keepDims = false): Value =>
  reduce("ReduceMean", x, axes, keepDims);
/** Σ x² over the axes. Has no derivative: derivatives are made of it. */
export const reduceSumSquare = (x: Value, axes: readonly number[], keepDims = false): Value =>
  reduce("ReduceSumSquare", x, axes, keepDims);
/** Largest element along the axes. Has no derivative: it is used to keep exponentials in range, where it cancels. */
export const reduceMax = (x: Value, axes: readonly number[], keepDims = false): Value =>
  reduce("ReduceMax", x, axes, keepDims);

/** exp(x) / Σ exp(x) along the last axis. */
export function softmax(x: Value): Value {
  const attributes = { axis: { int: -1 } };
  return x.graph.node("Softmax", [x], [{ dtype: x.dtype, shape: x.shape }], { attributes })[0]!;
}
