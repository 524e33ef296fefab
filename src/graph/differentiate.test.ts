import { describe, expect, it } from "vitest";
import { Random } from "../random/counter.js";
import { Device, hostTensor } from "../runtime/device.js";
import { differentiate, Graph, ops, type Value } from "./index.js";

/**
 * Each case builds y from float inputs. The analytic gradient of Σ y·r (r random) is compared with central differences.
 * The runtime computes in float32, so steps are large enough for its rounding and the functions smooth at that scale;
 * derivatives are summed in float64.
 */
interface Case {
  inputs: Record<string, number[]>;
  positive?: boolean;
  step?: number;
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
  "Cast through itself": { inputs: { a: [4] }, build: ({ a }) => ops.cast(a!, "float32") },
  "ReduceSum, kept": { inputs: { a: [2, 3, 4] }, build: ({ a }) => ops.reduceSum(a!, [1], true) },
  "ReduceSum, dropped": { inputs: { a: [2, 3, 4] }, build: ({ a }) => ops.reduceSum(a!, [0, 2]) },
  ReduceMean: { inputs: { a: [2, 3, 4] }, build: ({ a }) => ops.reduceMean(a!, [-1]) },
  Softmax: { inputs: { a: [3, 5] }, build: ({ a }) => ops.softmax(a!) },
  Reshape: { inputs: { a: [3, 4] }, build: ({ a }) => ops.reshape(a!, [2, 6]) },
  Transpose: { inputs: { a: [2, 3, 4] }, build: ({ a }) => ops.transpose(a!, [2, 0, 1]) },
  Concat: { inputs: { a: [2, 3], b: [2, 2] }, build: ({ a, b }) => ops.concat([a!, b!], 1) },
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
  "Gemm, b transposed, with bias": {
    inputs: { a: [3, 4], b: [2, 4], c: [2] },
    build: ({ a, b, c }) => ops.gemm(a!, b!, { transB: true, c }),
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
      return ops.rotary(a!, g.constant("int64", [1, 3], [2, 5, 7]), cos, sin, 2);
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
      graph.output("y", y);
      Object.keys(inputs).forEach((key, i) => {
        if (gradients[i]) graph.output(`d_${key}`, gradients[i]);
      });
      const executable = await device.compile(graph);
      const run = async () => {
        const feeds = Object.fromEntries(
          Object.entries(data).map(([key, x]) => [key, hostTensor("float32", x, spec.inputs[key]!)]),
        );
        const seed = hostTensor("float32", weights, dims);
        const result = await executable.run(executable.inputNames.includes("seed") ? { ...feeds, seed } : feeds);
        const values = result.y!.data as Float32Array;
        return {
          result,
          loss: (base: Float32Array) => values.reduce((s, v, i) => s + (v - base[i]!) * weights[i]!, 0),
          values,
        };
      };
      const { result } = await run();
      for (const [key, x] of Object.entries(data)) {
        const analytic = result[`d_${key}`]!.data as Float32Array;
        const scale = Math.max(...analytic.map(Math.abs), 1e-3);
        for (let i = 0; i < x.length; i++) {
          const at = x[i]!;
          // Richardson extrapolation of two central differences: error O(h⁴), so that h can dwarf float32 rounding.
          const central = async (h: number) => {
            x[i] = at + h;
            const up = await run();
            const stepUp = x[i]! - at;
            x[i] = at - h;
            const down = await run();
            const stepDown = at - x[i]!;
            x[i] = at;
            return up.loss(down.values) / (stepUp + stepDown);
          };
          const h = 0.03;
          const numeric = (4 * (await central(h)) - (await central(2 * h))) / 3;
          expect(Math.abs(numeric - analytic[i]!) / scale, `d${key}[${i}]`).toBeLessThan(1e-4);
        }
      }
      await executable.dispose();
    });
});
