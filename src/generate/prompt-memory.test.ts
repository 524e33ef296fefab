import { expect, it } from "vitest";
import type { Adapter } from "../model/adapter.js";
import { PromptMemory, type ReadPrompt } from "./prompt-memory.js";

const read = (size: number): ReadPrompt => ({
  layers: [{ k: new Float32Array(size), v: new Float32Array(size) }],
  logits: new Float32Array(2),
});

it("forgets what was not used for longest, within its limit", () => {
  const memory = new PromptMemory(200);
  const [a, b, c] = [read(8), read(8), read(8)]; // 72 bytes each
  memory.put([1], undefined, a);
  memory.put([2], undefined, b);
  expect(memory.get([1])).toBe(a);
  memory.put([3], undefined, c);
  expect([memory.get([1]), memory.get([2]), memory.get([3])]).toEqual([a, undefined, c]);
  expect([memory.takes(25), memory.takes(26)]).toEqual([true, false]);
});

it("tells adapters and prompts apart", () => {
  const memory = new PromptMemory(1e6);
  const [one, two] = [{}, {}] as Adapter[];
  const [a, b] = [read(1), read(1)];
  memory.put([1, 23], one, a);
  memory.put([1, 23], undefined, b);
  expect(memory.get([1, 23], one)).toBe(a);
  expect(memory.get([1, 23])).toBe(b);
  expect([memory.get([1, 23], two), memory.get([12, 3], one), memory.get([1], one)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});
