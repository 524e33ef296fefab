/** Derivatives of matrix products. */
import type { Value } from "../graph.js";
import { gemm, matmul, transposeLast } from "../ops/index.js";
import { unbroadcast } from "./elementwise.js";
import { defineVjp } from "./vjp.js";

defineVjp("Gemm", (node, [g], needs) => {
  const [a, b] = node.inputs as [Value, Value];
  const flag = (name: string) => (node.attributes[name] as { int: number }).int === 1;
  const alpha = (node.attributes.alpha as { float: number }).float;
  const transA = flag("transA");
  const transB = flag("transB");
  return [
    needs[0]
      ? transA
        ? gemm(b, g!, { alpha, transA: transB, transB: true })
        : gemm(g!, b, { alpha, transB: !transB })
      : undefined,
    needs[1]
      ? transB
        ? gemm(g!, a, { alpha, transA: true, transB: transA })
        : gemm(a, g!, { alpha, transA: !transA })
      : undefined,
  ];
});

defineVjp("MatMul", (node, [g], needs) => {
  const [a, b] = node.inputs as [Value, Value];
  return [
    needs[0] ? unbroadcast(matmul(g!, transposeLast(b)), a) : undefined,
    needs[1] ? unbroadcast(matmul(transposeLast(a), g!), b) : undefined,
  ];
});
