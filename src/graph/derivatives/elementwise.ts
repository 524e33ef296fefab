/** Derivatives of the element-by-element operations. */
import type { Node, Value } from "../graph.js";
import { and, div, exp, lessOrEqual, mul, neg, reduceSum, reshape, scale, sub, where } from "../ops/index.js";
import { sameShape } from "../shape.js";
import { defineVjp } from "./vjp.js";

/** Sums a gradient over the axes along which its value had been broadcast. */
export function unbroadcast(gradient: Value, like: Value): Value {
  if (sameShape(gradient.shape, like.shape)) return gradient;
  const extra = gradient.shape.length - like.shape.length;
  const axes: number[] = [];
  gradient.shape.forEach((dim, i) => {
    if (i < extra || (like.shape[i - extra] === 1 && dim !== 1)) axes.push(i);
  });
  const summed = axes.length ? reduceSum(gradient, axes, true) : gradient;
  return reshape(summed, like.shape);
}

const inputsOf = (node: Node): [Value, Value] => [node.inputs[0]!, node.inputs[1]!];

defineVjp("Add", (node, [g]) => node.inputs.map((x) => unbroadcast(g!, x!)));

defineVjp("Sub", (node, [g], needs) => {
  const [a, b] = inputsOf(node);
  return [needs[0] ? unbroadcast(g!, a) : undefined, needs[1] ? unbroadcast(neg(g!), b) : undefined];
});

defineVjp("Mul", (node, [g], needs) => {
  const [a, b] = inputsOf(node);
  return [needs[0] ? unbroadcast(mul(g!, b), a) : undefined, needs[1] ? unbroadcast(mul(g!, a), b) : undefined];
});

defineVjp("Div", (node, [g], needs) => {
  const [a, b] = inputsOf(node);
  const quotient = node.outputs[0]!;
  return [
    needs[0] ? unbroadcast(div(g!, b), a) : undefined,
    needs[1] ? unbroadcast(neg(div(mul(g!, quotient), b)), b) : undefined,
  ];
});

defineVjp("Identity", () => [undefined]);

defineVjp("Neg", (_, [g]) => [neg(g!)]);

defineVjp("Exp", (node, [g]) => [mul(g!, node.outputs[0]!)]);

defineVjp("Log", (node, [g]) => [div(g!, node.inputs[0]!)]);

defineVjp("Sqrt", (node, [g]) => [div(scale(g!, 0.5), node.outputs[0]!)]);

defineVjp("Tanh", (node, [g]) => {
  const y = node.outputs[0]!;
  return [mul(g!, sub(y.graph.scalar(1), mul(y, y)))];
});

defineVjp("Sigmoid", (node, [g]) => {
  const y = node.outputs[0]!;
  return [mul(g!, mul(y, sub(y.graph.scalar(1), y)))];
});

defineVjp("Erf", (node, [g]) => {
  const x = node.inputs[0]!;
  return [mul(g!, scale(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI)))];
});

defineVjp("Clip", (node, [g]) => {
  const [x, low, high] = node.inputs as [Value, Value, Value];
  const inside = and(lessOrEqual(low, x), lessOrEqual(x, high));
  return [where(inside, g!, x.graph.scalar(0))];
});

defineVjp("Where", (node, [g], needs) => {
  const [condition, a, b] = node.inputs as [Value, Value, Value];
  const zero = g!.graph.scalar(0);
  return [
    undefined,
    needs[1] ? unbroadcast(where(condition, g!, zero), a) : undefined,
    needs[2] ? unbroadcast(where(condition, zero, g!), b) : undefined,
  ];
});
