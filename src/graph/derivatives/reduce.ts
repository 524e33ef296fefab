/** Derivatives of reductions and softmax. */
import type { Value } from "../graph.js";
import { expandLike, mul, reduceSum, reshape, scale, sub } from "../ops/index.js";
import { elementCount } from "../shape.js";
import { defineVjp } from "./vjp.js";

function spread(gradient: Value, input: Value): Value {
  // The reduced axes come back as ones, whether or not they were kept.
  const keep = input.shape.map((dim, i) => (gradient.shape.length === input.shape.length ? gradient.shape[i]! : dim));
  return expandLike(gradient.shape.length === input.shape.length ? gradient : reshape(gradient, keep), input);
}

function reducedAxes(node: { inputs: readonly (Value | undefined)[] }): number[] {
  const bytes = node.inputs[1]!.constant!.bytes;
  return Array.from(new BigInt64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8), Number);
}

function withOnes(gradient: Value, input: Value, axes: readonly number[]): Value {
  return reshape(
    gradient,
    input.shape.map((dim, i) => (axes.includes(i) ? 1 : dim)),
  );
}

defineVjp("ReduceSum", (node, [g]) => {
  const x = node.inputs[0]!;
  return [spread(withOnes(g!, x, reducedAxes(node)), x)];
});

defineVjp("ReduceMean", (node, [g]) => {
  const x = node.inputs[0]!;
  const axes = reducedAxes(node);
  const count = elementCount(axes.map((axis) => x.shape[axis]!));
  return [spread(scale(withOnes(g!, x, axes), 1 / count), x)];
});

defineVjp("Softmax", (node, [g]) => {
  const y = node.outputs[0]!;
  return [mul(y, sub(g!, reduceSum(mul(g!, y), [-1], true)))];
});
