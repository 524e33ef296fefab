/** Derivatives of the fused transformer operations. */
import type { Value } from "../graph.js";
import { add, div, mul, neg, reduceMean, reduceSum, reduceSumSquare, scale, sigmoid, sqrt, sub } from "../ops/index.js";
import { fixedDim } from "../shape.js";
import { defineVjp } from "./vjp.js";

defineVjp("SimplifiedLayerNormalization", (node, [g], needs) => {
  const [x, weight] = node.inputs as [Value, Value];
  const width = fixedDim(x.shape, x.shape.length - 1);
  // The kernel's own second output would do, but WebGPU's (ONNX Runtime 1.30) does not hold it.
  const epsilon = (node.attributes.epsilon as { float: number }).float;
  const one = x.graph.scalar(1);
  const meanSquare = scale(reduceSumSquare(x, [-1], true), 1 / width);
  const inverse = div(one, sqrt(add(meanSquare, x.graph.scalar(epsilon))));
  let dx: Value | undefined;
  if (needs[0]) {
    // In this order two passes over the activations fewer than by way of the normalised x.
    const weighted = mul(g!, weight);
    const mean = reduceMean(mul(weighted, x), [-1], true);
    const towardsX = mul(mean, mul(inverse, mul(inverse, inverse)));
    dx = sub(mul(weighted, inverse), mul(x, towardsX));
  }
  let dw: Value | undefined;
  if (needs[1]) {
    const axes = x.shape.map((_, i) => i).slice(0, -1);
    dw = reduceSum(mul(g!, mul(x, inverse)), axes);
  }
  return [dx, dw];
});

/** x · σ(x): its derivative is σ + y · (1 − σ), y the result. */
defineVjp("QuickGelu", (node, [g]) => {
  const x = node.inputs[0]!;
  const y = node.outputs[0]!;
  const s = sigmoid(x);
  return [mul(g!, add(s, sub(y, mul(y, s))))];
});

defineVjp("RotaryEmbedding", (node, [g]) => {
  const [, positions, cos, sin] = node.inputs as [Value, Value, Value, Value];
  // A rotation's transpose is the rotation by the opposite angle.
  return g!.graph.node("RotaryEmbedding", [g!, positions, cos, neg(sin)], [{ dtype: g!.dtype, shape: g!.shape }], {
    domain: "com.microsoft",
    attributes: node.attributes,
  });
});
