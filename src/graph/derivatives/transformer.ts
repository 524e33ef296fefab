/** Derivatives of the fused transformer operations. */
import type { Value } from "../graph.js";
import { add, div, mul, neg, reduceMean, reduceSum, sqrt, sub } from "../ops/index.js";
import { defineVjp } from "./vjp.js";

defineVjp("SimplifiedLayerNormalization", (node, [g], needs) => {
  const [x, weight] = node.inputs as [Value, Value];
  // The kernel's own second output would do, but WebGPU's (ONNX Runtime 1.30) does not hold it.
  const epsilon = (node.attributes.epsilon as { float: number }).float;
  const one = x.graph.scalar(1);
  const inverse = div(one, sqrt(add(reduceMean(mul(x, x), [-1], true), x.graph.scalar(epsilon))));
  const normal = mul(x, inverse);
  let dx: Value | undefined;
  if (needs[0]) {
    const weighted = mul(g!, weight);
    dx = mul(inverse, sub(weighted, mul(normal, reduceMean(mul(weighted, normal), [-1], true))));
  }
  let dw: Value | undefined;
  if (needs[1]) {
    const axes = x.shape.map((_, i) => i).slice(0, -1);
    dw = reduceSum(mul(g!, normal), axes);
  }
  return [dx, dw];
});

defineVjp("RotaryEmbedding", (node, [g]) => {
  const [, positions, cos, sin] = node.inputs as [Value, Value, Value, Value];
  // A rotation's transpose is the rotation by the opposite angle.
  return g!.graph.node("RotaryEmbedding", [g!, positions, cos, neg(sin)], [{ dtype: g!.dtype, shape: g!.shape }], {
    domain: "com.microsoft",
    attributes: node.attributes,
  });
});
