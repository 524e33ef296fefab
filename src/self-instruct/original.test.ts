import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseInstances } from "./parse-instances.js";
import { postProcess } from "./post-process.js";
import { bootstrapPrompt } from "./prompts.js";

interface Golden {
  lists: [text: string, finish: string, instructions: string[]][];
  instances: [text: string, classification: boolean, finish: string, found: [string, string][]][];
  prompts: [instructions: string[], body: string][];
}
/** Made by tools/golden/self_instruct.py from the original project's functions. */
const golden = JSON.parse(readFileSync(new URL("fixtures/original.json", import.meta.url), "utf8")) as Golden;

const byCodePoint = (a: [string, string], b: [string, string]): number => {
  const [x, y] = [Buffer.from(JSON.stringify(a)), Buffer.from(JSON.stringify(b))];
  return x.compare(y);
};

describe("equal to the original project's functions", () => {
  it.each(golden.lists)("list %j (%s)", (text, finish, instructions) => {
    expect(postProcess(text, finish)).toEqual(instructions);
  });

  it("transcripts", () => {
    expect(golden.instances.filter(([, , , found]) => found.length > 0).length).toBeGreaterThan(200);
    for (const [text, classification, finish, found] of golden.instances) {
      const ours = parseInstances(text, " Do it \n", classification, finish === "length");
      for (const { instruction } of ours) expect(instruction).toBe("Do it");
      const pairs = ours.map(({ input, output }): [string, string] => [input, output]).sort(byCodePoint);
      expect(pairs, JSON.stringify([text, classification, finish])).toEqual([...found].sort(byCodePoint));
    }
  });

  it.each(golden.prompts)("prompt of %j", (instructions, body) => {
    expect(bootstrapPrompt("lead", instructions)).toBe(`lead\n${body}`);
  });
});
