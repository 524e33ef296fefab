import { describe, expect, it } from "vitest";
import { Graph } from "../graph/index.js";
import type { Executable } from "./device.js";
import { SessionCache } from "./session-cache.js";

/** A cache of graphs that note when they are freed. */
function cacheOf(limit: number, compiling: () => void = () => {}) {
  const freed: string[] = [];
  const names = new Map<Graph, string>();
  const compile = async (graph: Graph): Promise<Executable> => {
    const name = names.get(graph)!;
    compiling();
    return {
      inputNames: [],
      outputNames: [],
      outputShapes: new Map(),
      run: async () => {
        if (freed.includes(name)) throw new Error(`${name} was freed while in use`);
        return {};
      },
      dispose: async () => void freed.push(name),
    };
  };
  const graph = (name: string) => (): Graph => {
    const made = new Graph();
    names.set(made, name);
    return made;
  };
  return { freed, graph, cache: new SessionCache({ compile }, limit) };
}

describe("a cache of compiled graphs", () => {
  it("frees the least recently used one, and none that is running", async () => {
    const { freed, graph, cache } = cacheOf(2);
    const use = (name: string, work: () => Promise<unknown> = async () => {}): Promise<unknown> =>
      cache.use(name, graph(name), async (executable) => {
        await work();
        return executable.run({});
      });
    let finish = (): void => {};
    const running = use("a", () => new Promise<void>((resolve) => (finish = resolve)));
    await use("b");
    await use("c");
    await use("d");
    expect(freed).toEqual(["b", "c"]);
    finish();
    await running;
    await use("e");
    expect(freed).toEqual(["b", "c", "a"]);
    await cache.dispose();
    expect(freed).toEqual(["b", "c", "a", "d", "e"]);
  });

  it("holds more than its limit only while more are running", async () => {
    const { freed, graph, cache } = cacheOf(1);
    let finish = (): void => {};
    const gate = new Promise<void>((resolve) => (finish = resolve));
    const calls = ["a", "b", "c"].map((name) =>
      cache.use(name, graph(name), async (executable) => {
        await gate;
        return executable.run({});
      }),
    );
    await Promise.resolve();
    expect(freed).toEqual([]);
    finish();
    await Promise.all(calls);
    expect(freed).toHaveLength(2);
  });

  it("compiles one graph for calls that come together, and forgets one that failed to compile", async () => {
    let tries = 0;
    const { graph, cache } = cacheOf(1, () => {
      if (tries++ === 0) throw new Error("no memory");
    });
    const use = (): Promise<string> => cache.use("a", graph("a"), async () => "ran");
    const first = await Promise.allSettled([use(), use()]);
    expect(first.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(tries).toBe(1);
    expect(await Promise.all([use(), use()])).toEqual(["ran", "ran"]);
    expect(tries).toBe(2);
  });

  it("evicts the graphs of a group together, and counts the group once", async () => {
    const { freed, graph, cache } = cacheOf(100);
    const use = (group: string, name: string) =>
      cache.use({ key: `${group} ${name}`, group, weight: 60 }, graph(`${group} ${name}`), async () => {});
    await use("a", "forward");
    await use("a", "backward");
    expect(freed).toEqual([]);
    await use("b", "forward");
    expect(freed).toEqual(["a forward", "a backward"]);
    expect(cache.size).toBe(1);
  });
});
