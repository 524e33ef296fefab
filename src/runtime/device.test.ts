import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Graph, ops } from "../graph/index.js";
import { Device, hostTensor, zeros } from "./device.js";

/** sum = a + b, product = a · b, of any length. */
function sumAndProduct(): Graph {
  const graph = new Graph();
  const a = graph.input("a", "float32", ["n"]);
  const b = graph.input("b", "float32", ["n"]);
  graph.output("sum", ops.add(a, b));
  graph.output("product", ops.mul(a, b));
  return graph;
}

const vector = (...values: number[]) => hostTensor("float32", Float32Array.from(values), [values.length]);

describe("a compiled graph on the processor", () => {
  it("names its own inputs and outputs only", async () => {
    const device = await Device.open();
    const executable = await device.compile(sumAndProduct());
    expect(executable.inputNames).toEqual(["a", "b"]);
    expect(executable.outputNames).toEqual(["sum", "product"]);
    const result = await executable.run({ a: vector(1, 2), b: vector(3, 4) });
    expect(Object.keys(result)).toEqual(["sum", "product"]);
    await executable.dispose();
  });

  it("writes into the tensors it is given and returns those, all of them or some", async () => {
    const device = await Device.open();
    const executable = await device.compile(sumAndProduct());
    const feeds = { a: vector(1, 2, 3), b: vector(4, 5, 6) };
    const [sum, product] = [zeros([3]), zeros([3])];
    const both = await executable.run(feeds, { sum, product });
    expect([both.sum, both.product]).toEqual([sum, product]);
    expect(both.sum).toBe(sum);
    expect([...(sum.data as Float32Array)]).toEqual([5, 7, 9]);
    expect([...(product.data as Float32Array)]).toEqual([4, 10, 18]);
    (product.data as Float32Array).fill(0);
    const one = await executable.run(feeds, { product });
    expect(one.product).toBe(product);
    expect([...(product.data as Float32Array)]).toEqual([4, 10, 18]);
    expect([...(one.sum!.data as Float32Array)]).toEqual([5, 7, 9]);
    await executable.dispose();
  });

  it("reports a failing run as failed, outputs given or not", async () => {
    const device = await Device.open();
    const executable = await device.compile(sumAndProduct());
    const feeds = { a: vector(1, 2, 3), b: vector(4, 5) };
    const outputs = { sum: zeros([3]), product: zeros([3]) };
    await expect(executable.run(feeds)).rejects.toThrow(/Non-zero status code|broadcast/i);
    await expect(executable.run(feeds, outputs)).rejects.toThrow(/Non-zero status code|broadcast/i);
    const narrow = { sum: zeros([2]), product: zeros([2]) };
    await expect(executable.run({ a: vector(1, 2, 3), b: vector(4, 5, 6) }, narrow)).rejects.toThrow();
    await executable.dispose();
  });

  it("writes a trace with the time of every operation when asked to", async () => {
    const folder = mkdtempSync(join(tmpdir(), "evoke-trace-"));
    try {
      const device = await Device.open({ trace: join(folder, "run") });
      const executable = await device.compile(sumAndProduct());
      await executable.run({ a: vector(1), b: vector(2) });
      await executable.dispose();
      const [file] = readdirSync(folder);
      const events = JSON.parse(readFileSync(join(folder, file!), "utf8")) as { args?: { op_name?: string } }[];
      expect(events.map(({ args }) => args?.op_name)).toEqual(expect.arrayContaining(["Add", "Mul"]));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
