import { describe, expect, it } from "vitest";
import { Device, hostTensor } from "../../runtime/device.js";
import { Graph, ops } from "../index.js";

describe("sumLast", () => {
  it.each([7, 512, 32000, 49152, 50257, 151936])("adds %i values, one large and the rest small", async (length) => {
    const device = await Device.open({ threads: 1 });
    const graph = new Graph();
    const y = ops.sumLast(graph.input("x", "float32", [2, length]));
    expect(y.shape).toEqual([2, 1]);
    graph.output("y", y);
    const x = new Float32Array(2 * length).fill(2e-8);
    x[3] = 1;
    const executable = await device.compile(graph);
    const result = (await executable.run({ x: hostTensor("float32", x, [2, length]) })).y!.data as Float32Array;
    await executable.dispose();
    // 50257 is prime: one running sum, as good as it is.
    const bound = length === 50257 ? 1e-3 : 1e-5;
    expect(Math.abs(result[0]! - (1 + (length - 1) * Math.fround(2e-8)))).toBeLessThan(bound);
    expect(Math.abs(result[1]! / (length * Math.fround(2e-8)) - 1)).toBeLessThan(bound);
  });
});
