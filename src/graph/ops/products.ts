/** Matrix products. */
import type { Value } from "../graph.js";
import { broadcastShapes, formatShape, type Shape } from "../shape.js";
import { transpose } from "./shape-ops.js";

/** Options of `gemm`. */
export interface GemmOptions {
  /** Factor of the product. Default 1. */
  alpha?: number;
  /** Transpose the first matrix. Default false. */
  transA?: boolean;
  /** Transpose the second matrix. Default false. */
  transB?: boolean;
}

/**
 * alpha · op(a) · op(b) for matrices; op transposes when asked. The workhorse of training. ONNX's third operand, a sum, is
 * left out: ONNX Runtime copies it into the result on one thread before the product, an addition of its own is faster.
 */
export function gemm(a: Value, b: Value, options: GemmOptions = {}): Value {
  const { alpha = 1, transA = false, transB = false } = options;
  const [m, k] = transA ? [a.shape[1]!, a.shape[0]!] : [a.shape[0]!, a.shape[1]!];
  const [kb, n] = transB ? [b.shape[1]!, b.shape[0]!] : [b.shape[0]!, b.shape[1]!];
  if (a.shape.length !== 2 || b.shape.length !== 2 || k !== kb)
    throw new Error(
      `product of ${formatShape(a.shape)}${transA ? "ᵀ" : ""} and ${formatShape(b.shape)}${transB ? "ᵀ" : ""}`,
    );
  const attributes = {
    alpha: { float: alpha },
    transA: { int: transA ? 1 : 0 },
    transB: { int: transB ? 1 : 0 },
  };
  return a.graph.node("Gemm", [a, b], [{ dtype: a.dtype, shape: [m, n] }], { attributes })[0]!;
}

/** Product of the last two axes, the axes before them broadcast: to `lead`, where symbols differ that may be 1. */
export function matmul(a: Value, b: Value, lead?: Shape): Value {
  const ra = a.shape.length;
  const rb = b.shape.length;
  if (ra < 2 || rb < 2 || a.shape[ra - 1] !== b.shape[rb - 2])
    throw new Error(`product of ${formatShape(a.shape)} and ${formatShape(b.shape)}`);
  const batch = lead ?? broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
  return a.graph.node(
    "MatMul",
    [a, b],
    [{ dtype: a.dtype, shape: [...batch, a.shape[ra - 2]!, b.shape[rb - 1]!] }],
  )[0]!;
}

/** The last two axes exchanged. */
export function transposeLast(x: Value): Value {
  const order = x.shape.map((_, i) => i);
  const last = order.length - 1;
  [order[last], order[last - 1]] = [last - 1, last];
  return transpose(x, order);
}
