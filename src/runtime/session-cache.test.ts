import { describe, expect, it } from "vitest";
import type { Executable } from "./device.js";
import { SessionCache } from "./session-cache.js";

/** A graph that notes when it is freed. */
function graph(name: string, freed: string[]): () => Promise<Executable> {
  return async () => ({
    inputNames: [],
    outputNames: [],
    run: async () => {
      if (freed.includes(name)) throw new Error(`${name} was freed while in use`);
      return {};
    },
    dispose: async () => void freed.push(name),
  });
}

describe("a cache of compiled graphs", () => {
  it("frees the least recently used one, and none that is running", async () => {
    const freed: string[] = [];
    const cache = new SessionCache(2);
    const use = (name: string, work: () => Promise<unknown> = async () => {}): Promise<unknown> =>
      cache.use(name, graph(name, freed), async (executable) => {
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
    const freed: string[] = [];
    const cache = new SessionCache(1);
    let finish = (): void => {};
    const gate = new Promise<void>((resolve) => (finish = resolve));
    const calls = ["a", "b", "c"].map((name) =>
      cache.use(name, graph(name, freed), async (executable) => {
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
    const cache = new SessionCache(1);
    let tries = 0;
    const make = async (): Promise<Executable> => {
      if (tries++ === 0) throw new Error("no memory");
      return graph("a", [])();
    };
    const use = (): Promise<string> => cache.use("a", make, async () => "ran");
    const first = await Promise.allSettled([use(), use()]);
    expect(first.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(tries).toBe(1);
    expect(await Promise.all([use(), use()])).toEqual(["ran", "ran"]);
    expect(tries).toBe(2);
  });
});
