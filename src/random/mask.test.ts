import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { assemble } from "../../tools/wasm/assemble.js";
import { fillMask } from "./mask.js";
import { MASK_WASM } from "./simd/mask-wasm.js";

/** xoshiro128**, as its authors write it, on one generator. */
function generator(state: Uint32Array): () => number {
  const rotated = (x: number, by: number): number => ((x << by) | (x >>> (32 - by))) >>> 0;
  return () => {
    const result = Math.imul(rotated(Math.imul(state[1]!, 5), 7), 9) >>> 0;
    const t = state[1]! << 9;
    state[2]! ^= state[0]!;
    state[3]! ^= state[1]!;
    state[1]! ^= state[2]!;
    state[0]! ^= state[3]!;
    state[2]! ^= t;
    state[3] = rotated(state[3]!, 11);
    return result;
  };
}

function expected(length: number, zeroProbability: number, key: unknown[]): number[] {
  const words = new Uint32Array(new Uint8Array(createHash("sha512").update(JSON.stringify(key)).digest()).buffer);
  const generators = [0, 1, 2, 3].map((lane) =>
    generator(Uint32Array.of(words[lane]!, words[4 + lane]!, words[8 + lane]!, words[12 + lane]! | 1)),
  );
  const mask: number[] = [];
  while (mask.length < length)
    for (const next of generators) {
      const x = next();
      for (const half of [x & 0xffff, x >>> 16]) mask.push(half >= zeroProbability * 65536 ? 1 : 0);
    }
  return mask.slice(0, length);
}

describe("fillMask", () => {
  it.each([0, 1, 15, 16, 17, 4096, 32768, 32769, 70001])("fills %i values as four plain generators would", (length) => {
    const mask = new Uint8Array(length + 1).fill(7);
    fillMask(mask.subarray(0, length), 0.25, ["mask", length]);
    expect([...mask]).toEqual([...expected(length, 0.25, ["mask", length]), 7]);
  });

  it.each([0, 0.1, 0.5, 0.999])("gives zeros with probability %d", (probability) => {
    const count = 1 << 20;
    const mask = new Uint8Array(count);
    fillMask(mask, probability, ["share"]);
    const zeros = count - mask.reduce((sum, value) => sum + value, 0);
    // Five standard deviations, and the rounding of the probability.
    const bound = 5 * Math.sqrt(count * probability * (1 - probability)) + count * 2 ** -17;
    expect(Math.abs(zeros - count * probability)).toBeLessThanOrEqual(bound);
  });

  it("runs the module that mask.wat gives", async () => {
    expect(
      Buffer.from(await assemble(fileURLToPath(new URL("./simd/mask.wat", import.meta.url)))).toString("base64"),
    ).toBe(MASK_WASM);
  });
});
