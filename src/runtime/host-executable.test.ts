/** The saving of copies depends on how the binding behaves; without it, results are the same. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { Graph, ops } from "../graph/index.js";
import { hostTensor, zeros } from "./tensor.js";

function doubled(): Graph {
  const graph = new Graph();
  const x = graph.input("x", "float32", [3]);
  graph.output("y", ops.add(x, x));
  return graph;
}

/** A fresh module, as it makes its trial once. */
async function load() {
  vi.resetModules();
  return import("./host-executable.js");
}

afterEach(() => vi.restoreAllMocks());

describe("graphs on the CPU", () => {
  it("save the copies with the binding that is installed", async () => {
    const { refusalSavesCopies } = await load();
    expect(await refusalSavesCopies()).toBe(true);
  });

  it.each([
    ["takes what is no tensor", async () => ({})],
    [
      "refuses before it runs",
      async () => {
        throw new Error("Non tensor type");
      },
    ],
    [
      "fails with another message",
      async () => {
        throw new Error("sequences are not supported");
      },
    ],
  ])("have ordinary outputs where a binding %s", async (_, behaviour) => {
    const { compileOnHost, refusalSavesCopies } = await load();
    const { Session } = await import("./onnxruntime.js");
    const { create } = Session;
    vi.spyOn(Session, "create").mockImplementation(async (...args) => {
      const session = await create(...args);
      if (session.outputNames.includes("no tensor"))
        vi.spyOn(session, "run").mockImplementation(behaviour as typeof session.run);
      return session;
    });
    expect(await refusalSavesCopies()).toBe(false);
    const executable = await compileOnHost(doubled(), { threads: 1, trace: undefined });
    const y = zeros([3]);
    const result = await executable.run({ x: hostTensor("float32", Float32Array.of(1, 2, 3), [3]) }, { y });
    expect(result.y).toBe(y);
    expect([...(y.data as Float32Array)]).toEqual([2, 4, 6]);
    await executable.dispose();
  });
});
