import { describe, expect, it } from "vitest";
import { fixtureWeights } from "../../tests/support/fixture-model.js";
import type { Adapter } from "../model/adapter.js";
import { KvCache, positionBytes, roundedPositions } from "./kv-cache.js";
import { PrefixCache } from "./prefix-cache.js";

const { config } = fixtureWeights("llama");

function cacheOf(positions: number): KvCache {
  const cache = new KvCache(config);
  cache.reserve(1, positions);
  cache.add(positions);
  return cache;
}

const text = (length: number, first = 0): number[] => Array.from({ length }, (_, i) => first + i);
const logits = new Float32Array(2);
/** Bytes of a remembered text without logits. */
const bytes = (length: number): number => roundedPositions(length) * positionBytes(config) + 8 * length;

describe("prompts and texts read lately", () => {
  it("forgets what was not used for longest, within its limit, and what is too large", () => {
    const memory = new PrefixCache(3 * bytes(32) + 50);
    for (const first of [100, 200, 300]) memory.put(text(32, first), undefined, cacheOf(32), logits);
    expect(memory.get(text(32, 100))).toMatchObject({ length: 32 });
    memory.put(text(32, 400), undefined, cacheOf(32), logits);
    expect([100, 200, 300, 400].map((first) => memory.get(text(32, first)) !== undefined)).toEqual([
      true,
      false,
      true,
      true,
    ]);
    memory.put(text(64, 500), undefined, cacheOf(64), logits);
    expect(memory.get(text(64, 500))).toBeUndefined();
    expect(memory.get(text(32, 400))).toBeDefined();
  });

  it("tells adapters and prompts apart", () => {
    const memory = new PrefixCache(1e9);
    const [one, two] = [{}, {}] as Adapter[];
    const [a, b] = [cacheOf(2), cacheOf(2)];
    memory.put([1, 23], one, a, logits);
    memory.put([1, 23], undefined, b, logits);
    expect(memory.get([1, 23], one)?.cache).toBe(a);
    expect(memory.get([1, 23])?.cache).toBe(b);
    expect([memory.get([1, 23], two), memory.get([12, 3], one), memory.get([1], one)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(memory.longest([1, 2], two)).toBeUndefined();
  });

  it("finds the longest common beginning, also inside of a text", () => {
    const memory = new PrefixCache(1e9);
    const [a, b] = [cacheOf(10), cacheOf(8)];
    memory.put(text(10), undefined, a);
    memory.put([...text(6), 90, 91], undefined, b);
    expect(memory.longest([...text(6), 90, 7])).toEqual({ cache: b, length: 7 });
    expect(memory.longest(text(20))).toEqual({ cache: a, length: 10 });
    expect(memory.longest([9, 9])).toBeUndefined();
  });

  it("keeps a conversation once, with the ends of its prompts", () => {
    const memory = new PrefixCache(1e9);
    memory.put(text(4), undefined, cacheOf(4), logits);
    memory.put(text(9), undefined, cacheOf(9));
    const last = cacheOf(12);
    memory.put(text(12), undefined, last, logits);
    expect(memory.get(text(4))).toEqual({ cache: last, length: 4, logits });
    expect(memory.get(text(9))).toBeUndefined();
    expect(memory.get(text(12))).toEqual({ cache: last, length: 12, logits });
  });
});
