import { describe, expect, it } from "vitest";
import { Random } from "../random/counter.js";
import { Device, hostTensor, type Tensor } from "../runtime/device.js";
import { differentiableOperations } from "./derivatives/index.js";
import { differentiate, Graph, ops, type Value } from "./index.js";
import { array64, evaluate64 } from "./testing/float64.js";

/**
 * Each case builds y from float inputs. The analytic gradient of Σ y·r (r random), as the runtime computes it in
 * float32, is compared with central differences of the float64 evaluator.
 */
interface Case {
  inputs: Record<string, number[]>;
  positive?: boolean;
  build(x: Record<string, Value>, graph: Graph): Value;
}

const cases: Record<string, Case> = {
  "Add with broadcasting": { inputs: { a: [3, 4], b: [4] }, build: ({ a, b }) => ops.add(a!, b!) },
  "Sub with broadcasting": { inputs: { a: [4], b: [3, 4] }, build: ({ a, b }) => ops.sub(a!, b!) },
  "Mul with broadcasting": { inputs: { a: [2, 3, 4], b: [3, 1] }, build: ({ a, b }) => ops.mul(a!, b!) },
  "Mul of a value with itself": { inputs: { a: [5] }, build: ({ a }) => ops.mul(a!, a!) },
  Div: { inputs: { a: [3, 4], b: [3, 1] }, positive: true, build: ({ a, b }) => ops.div(a!, b!) },
  Neg: { inputs: { a: [3] }, build: ({ a }) => ops.neg(a!) },
  Exp: { inputs: { a: [6] }, build: ({ a }) => ops.exp(a!) },
  Log: { inputs: { a: [6] }, positive: true, build: ({ a }) => ops.log(a!) },
  Sqrt: { inputs: { a: [6] }, positive: true, build: ({ a }) => ops.sqrt(a!) },
  Tanh: { inputs: { a: [6] }, build: ({ a }) => ops.tanh(a!) },
  Sigmoid: { inputs: { a: [6] }, build: ({ a }) => ops.sigmoid(a!) },
  Erf: { inputs: { a: [6] }, build: ({ a }) => ops.erf(a!) },
  Clip: { inputs: { a: [8] }, build: ({ a }) => ops.clip(a!, -30, 30) },
  "Clip, outside": { inputs: { a: [8] }, build: ({ a }) => ops.clip(a!, 20, 30) },
  Where: {
    inputs: { a: [2, 4], b: [4] },
    build: ({ a, b }, g) => ops.where(g.constant("bool", [2, 4], [1, 0, 1, 0, 0, 1, 1, 0]), a!, b!),
  },
  "ReduceSum, kept": { inputs: { a: [2, 3, 4] }, build: ({ a }) => ops.reduceSum(a!, [1], true) },
  "ReduceSum, dropped": { inputs: { a: [2, 3, 4] }, build: ({ a }) => ops.reduceSum(a!, [0, 2]) },
  ReduceMean: { inputs: { a: [2, 3, 4] }, build: ({ a }) => ops.reduceMean(a!, [-1]) },
  Softmax: { inputs: { a: [3, 5] }, build: ({ a }) => ops.softmax(a!) },
  Reshape: { inputs: { a: [3, 4] }, build: ({ a }) => ops.reshape(a!, [2, 6]) },
  Transpose: { inputs: { a: [2, 3, 4] }, build: ({ a }) => ops.transpose(a!, [2, 0, 1]) },
  Concat: { inputs: { a: [2, 3], b: [2, 2] }, build: ({ a, b }) => ops.concat([a!, b!], 1) },
  Split: {
    inputs: { a: [5, 3] },
    build: ({ a }) => {
      const [first, second] = ops.split(a!, 0, [2, 3]);
      return ops.concat([ops.mul(first!, first!), second!], 0);
    },
  },
  "Split, one part without influence": {
    inputs: { a: [3, 5] },
    build: ({ a }) => ops.split(a!, 1, [2, 1, 2])[2]!,
  },
  Slice: { inputs: { a: [5, 3] }, build: ({ a }) => ops.slice(a!, 0, 1, 4) },
  "Slice whose start is fed": {
    inputs: { a: [5, 3] },
    build: ({ a }, g) =>
      ops.reshape(
        ops.sliceFrom(a!, g.constant("int64", [1], [2]), 4, "rows", g.constant("int64", [4], [2, 0, 1, 0])),
        [2, 3],
      ),
  },
  Gemm: { inputs: { a: [3, 4], b: [4, 2] }, build: ({ a, b }) => ops.gemm(a!, b!, { alpha: 0.5 }) },
  "Gemm, b transposed, and a bias": {
    inputs: { a: [3, 4], b: [2, 4], c: [2] },
    build: ({ a, b, c }) => ops.add(ops.gemm(a!, b!, { transB: true }), c!),
  },
  "Gemm, a transposed": { inputs: { a: [4, 3], b: [4, 2] }, build: ({ a, b }) => ops.gemm(a!, b!, { transA: true }) },
  "Gemm, both transposed": {
    inputs: { a: [4, 3], b: [2, 4] },
    build: ({ a, b }) => ops.gemm(a!, b!, { transA: true, transB: true, alpha: 2 }),
  },
  "Gemm, one value in two products": {
    inputs: { a: [3, 4], b: [4, 2], c: [4, 2] },
    build: ({ a, b, c }) => ops.mul(ops.gemm(a!, b!), ops.gemm(a!, c!)),
  },
  MatMul: { inputs: { a: [2, 3, 4], b: [2, 4, 2] }, build: ({ a, b }) => ops.matmul(a!, b!) },
  "MatMul with broadcasting": { inputs: { a: [2, 3, 4], b: [1, 4, 2] }, build: ({ a, b }) => ops.matmul(a!, b!) },
  "RMS norm": { inputs: { a: [3, 8], w: [8] }, build: ({ a, w }) => ops.rmsNorm(a!, w!, 1e-5) },
  "layer norm": { inputs: { a: [3, 8], w: [8], b: [8] }, build: ({ a, w, b }) => ops.layerNorm(a!, 1e-5, w, b) },
  "rotary positions": {
    inputs: { a: [3, 8] },
    build: ({ a }, g) => {
      const angles = Array.from({ length: 16 }, (_, i) => Math.floor(i / 2) * (i % 2 ? 0.1 : 1));
      const cos = g.constant("float32", [8, 2], angles.map(Math.cos));
      const sin = g.constant("float32", [8, 2], angles.map(Math.sin));
      return ops.rotary(a!, g.constant("int64", [1, 3], [2, 5, 7]), cos, sin, { heads: 2, dims: 4 });
    },
  },
  "rotary positions of part of a head": {
    inputs: { a: [3, 16] },
    build: ({ a }, g) => {
      const angles = Array.from({ length: 16 }, (_, i) => Math.floor(i / 2) * (i % 2 ? 0.1 : 1));
      const cos = g.constant("float32", [8, 2], angles.map(Math.cos));
      const sin = g.constant("float32", [8, 2], angles.map(Math.sin));
      return ops.rotary(a!, g.constant("int64", [1, 3], [2, 5, 7]), cos, sin, { heads: 2, dims: 4 });
    },
  },
  silu: { inputs: { a: [6] }, build: ({ a }) => ops.silu(a!) },
  geluTanh: { inputs: { a: [6] }, build: ({ a }) => ops.geluTanh(a!) },
  gelu: { inputs: { a: [6] }, build: ({ a }) => ops.gelu(a!) },
  softCap: { inputs: { a: [6] }, build: ({ a }) => ops.softCap(a!, 2) },
};

const product = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);

describe("gradients against central differences", async () => {
  const device = await Device.open({ threads: 1 });
  for (const [name, spec] of Object.entries(cases))
    it(name, async () => {
      const random = new Random("gradcheck", name);
      const data = Object.fromEntries(
        Object.entries(spec.inputs).map(([key, dims]) => [
          key,
          Float32Array.from({ length: product(dims) }, () => {
            const x = random.normal();
            return spec.positive ? 0.6 + Math.abs(x) : x;
          }),
        ]),
      );
      const graph = new Graph();
      const inputs = Object.fromEntries(
        Object.entries(spec.inputs).map(([key, dims]) => [key, graph.input(key, "float32", dims)]),
      );
      const y = spec.build(inputs, graph);
      const dims = y.shape as number[];
      const weights = Float32Array.from({ length: product(dims) }, () => random.normal());
      const gradients = differentiate(
        [{ output: y, gradient: graph.input("seed", "float32", dims) }],
        Object.values(inputs),
      );
      Object.keys(inputs).forEach((key, i) => void graph.output(`d_${key}`, gradients[i]!));
      const executable = await device.compile(graph);
      const feeds: Record<string, Tensor> = { seed: hostTensor("float32", weights, dims) };
      for (const [key, x] of Object.entries(data)) feeds[key] = hostTensor("float32", x, spec.inputs[key]!);
      const result = await executable.run(
        Object.fromEntries(executable.inputNames.map((input) => [input, feeds[input]!])),
      );
      await executable.dispose();

      const exact = Object.fromEntries(Object.entries(data).map(([key, x]) => [key, array64(spec.inputs[key]!, x)]));
      const loss = (): number => evaluate64(y, exact).data.reduce((sum, value, i) => sum + value * weights[i]!, 0);
      const h = 1e-5;
      for (const [key, { data: x }] of Object.entries(exact)) {
        const analytic = result[`d_${key}`]!.data as Float32Array;
        const scale = Math.max(...analytic.map(Math.abs), 1e-3);
        x.forEach((at, i) => {
          x[i] = at + h;
          const up = loss();
          x[i] = at - h;
          const numeric = (up - loss()) / (2 * h);
          x[i] = at;
          expect(Math.abs(numeric - analytic[i]!) / scale, `d${key}[${i}]`).toBeLessThan(1e-4);
        });
      }
    });

  it("lets nothing flow back through what is detached", () => {
    const graph = new Graph();
    const x = graph.input("x", "float32", [2]);
    const constant = ops.detach(ops.exp(x));
    const seed = graph.input("seed", "float32", [2]);
    const [gradient] = differentiate([{ output: ops.mul(x, constant), gradient: seed }], [x]);
    expect(gradient?.producer?.inputs).toEqual([seed, constant]);
  });

  it("covers every operation that has a derivative", () => {
    // What is detached has another derivative than its values say, on purpose.
    const covered = new Set<string>(["Identity"]);
    for (const { inputs, build } of Object.values(cases)) {
      const graph = new Graph();
      build(
        Object.fromEntries(Object.entries(inputs).map(([key, dims]) => [key, graph.input(key, "float32", dims)])),
        graph,
      );
      for (const { op } of graph.nodes) covered.add(op);
    }
    expect(differentiableOperations().filter((op) => !covered.has(op))).toEqual([]);
  });
});
