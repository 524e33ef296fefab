/** Element by element: arithmetic with broadcasting, and functions of one argument. */

import type { DType, Value } from "../graph.js";
import { ELEMENT_TYPE } from "../onnx/element-type.js";
import { broadcastShapes } from "../shape.js";

function binary(op: string, a: Value, b: Value, dtype: DType = a.dtype): Value {
  if (a.dtype !== b.dtype) throw new Error(`${op}: ${a} and ${b} differ in type`);
  return a.graph.node(op, [a, b], [{ dtype, shape: broadcastShapes(a.shape, b.shape) }])[0]!;
}

function unary(op: string, x: Value): Value {
  return x.graph.node(op, [x], [{ dtype: x.dtype, shape: x.shape }])[0]!;
}

/** a + b, broadcast. */
export const add = (a: Value, b: Value): Value => binary("Add", a, b);
/** a − b, broadcast. */
export const sub = (a: Value, b: Value): Value => binary("Sub", a, b);
/** a · b, element by element, broadcast. */
export const mul = (a: Value, b: Value): Value => binary("Mul", a, b);
/** a / b, broadcast. */
export const div = (a: Value, b: Value): Value => binary("Div", a, b);
/** −x. */
export const neg = (x: Value): Value => unary("Neg", x);
/** eˣ. */
export const exp = (x: Value): Value => unary("Exp", x);
/** Natural logarithm. */
export const log = (x: Value): Value => unary("Log", x);
/** √x. */
export const sqrt = (x: Value): Value => unary("Sqrt", x);
/** Hyperbolic tangent. */
export const tanh = (x: Value): Value => unary("Tanh", x);
/** 1 / (1 + e⁻ˣ). */
export const sigmoid = (x: Value): Value => unary("Sigmoid", x);
/** The error function. */
export const erf = (x: Value): Value => unary("Erf", x);
/** x itself, as a constant for differentiation: no gradient flows back through it. */
export const detach = (x: Value): Value => unary("Identity", x);
/** a ≤ b as bool, broadcast. Has no derivative. */
export const lessOrEqual = (a: Value, b: Value): Value => binary("LessOrEqual", a, b, "bool");
/** a = b as bool, broadcast. Has no derivative. */
export const equal = (a: Value, b: Value): Value => binary("Equal", a, b, "bool");
/** a and b, of bools. Has no derivative. */
export const and = (a: Value, b: Value): Value => binary("And", a, b);
/** a or b, of bools. Has no derivative. */
export const or = (a: Value, b: Value): Value => binary("Or", a, b);

/** x times a fixed number. */
export function scale(x: Value, factor: number): Value {
  return factor === 1 ? x : mul(x, x.graph.scalar(factor));
}

/** x limited to [low, high]; the gradient passes only inside. */
export function clip(x: Value, low: number, high: number): Value {
  const { graph } = x;
  return graph.node("Clip", [x, graph.scalar(low), graph.scalar(high)], [{ dtype: x.dtype, shape: x.shape }])[0]!;
}

/** Elements of `a` where the condition holds, of `b` elsewhere; all three broadcast. */
export function where(condition: Value, a: Value, b: Value): Value {
  if (condition.dtype !== "bool" || a.dtype !== b.dtype) throw new Error(`Where: ${condition}, ${a}, ${b}`);
  const shape = broadcastShapes(condition.shape, broadcastShapes(a.shape, b.shape));
  return a.graph.node("Where", [condition, a, b], [{ dtype: a.dtype, shape }])[0]!;
}

/** Type conversion. Has no derivative: masks and indices are what is converted. */
export function cast(x: Value, dtype: DType): Value {
  if (x.dtype === dtype) return x;
  const attributes = { to: { int: ELEMENT_TYPE[dtype] } };
  return x.graph.node("Cast", [x], [{ dtype, shape: x.shape }], { attributes })[0]!;
}
