import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { assemble } from "../../tools/wasm/assemble.js";
import { fillMask, joinedWords, type KeyWords, keyWords } from "./mask.js";
import { MASK_WASM } from "./simd/mask-wasm.js";

/** Number n of a key, as mask.wat makes it. */
function number(n: number, [a, b]: KeyWords): number {
  const round = (x: number): number => {
    const y = Math.imul(x, 2 * x + 1);
    return (y << 16) | (y >>> 16);
  };
  return round(round((round((n + a) | 0) + b) | 0)) >>> 0;
}

function expected(length: number, zeroProbability: number, key: KeyWords): number[] {
  return Array.from({ length }, (_, i) => {
    const x = number(i >> 1, key);
    return (i % 2 ? x >>> 16 : x & 0xffff) >= zeroProbability * 65536 ? 1 : 0;
  });
}

describe("fillMask", () => {
  it.each([0, 1, 15, 16, 17, 4096, 32768, 32769, 70001])("fills %i values as plain arithmetic does", (length) => {
    const mask = new Uint8Array(length + 1).fill(7);
    const key = keyWords("mask", length);
    fillMask(mask.subarray(0, length), 0.25, key);
    expect([...mask]).toEqual([...expected(length, 0.25, key), 7]);
  });

  it.each([0, 0.1, 0.5, 0.999])("gives zeros with probability %d", (probability) => {
    const count = 1 << 20;
    const mask = new Uint8Array(count);
    fillMask(mask, probability, keyWords("share"));
    const zeros = count - mask.reduce((sum, value) => sum + value, 0);
    // Five standard deviations, and the rounding of the probability.
    const bound = 5 * Math.sqrt(count * probability * (1 - probability)) + count * 2 ** -17;
    expect(Math.abs(zeros - count * probability)).toBeLessThanOrEqual(bound);
  });

  // Neighbours, rows of common widths, and masks of the same document in two layers or of two documents in one.
  it("draws values that do not depend on each other", () => {
    const count = 1 << 18;
    const p = 0.1;
    const draw = (document: number, site: number): Int8Array => {
      const mask = new Uint8Array(count);
      fillMask(mask, p, joinedWords(keyWords("document", document), keyWords("site", site)));
      return Int8Array.from(mask, (value) => 1 - value);
    };
    const correlation = (a: Int8Array, b: Int8Array): number => {
      let sum = 0;
      for (let i = 0; i < a.length; i++) sum += (a[i]! - p) * (b[i]! - p);
      return sum / (p * (1 - p) * Math.sqrt(a.length));
    };
    for (let i = 0; i < 8; i++) {
      const mask = draw(i, i);
      for (const lag of [1, 2, 3, 16, 288, 576, 1536, 4096, 65536, 131072])
        expect(Math.abs(correlation(mask.subarray(0, count - lag), mask.subarray(lag))), `${lag}`).toBeLessThan(5);
      expect(Math.abs(correlation(mask, draw(i, i + 1)))).toBeLessThan(5);
      expect(Math.abs(correlation(mask, draw(i + 1, i)))).toBeLessThan(5);
    }
  });

  it("runs the module that mask.wat gives", async () => {
    expect(
      Buffer.from(await assemble(fileURLToPath(new URL("./simd/mask.wat", import.meta.url)))).toString("base64"),
    ).toBe(MASK_WASM);
  });
});
