import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countBits, lcsLength, lcsPositions } from "./lcs.js";

function plainLength(a: readonly number[], b: readonly number[]): number {
  let above = new Array<number>(b.length + 1).fill(0);
  for (const x of a) {
    const row = [0];
    for (let j = 0; j < b.length; j++) row.push(x === b[j] ? above[j]! + 1 : Math.max(above[j + 1]!, row[j]!));
    above = row;
  }
  return above[b.length]!;
}

// Few distinct tokens and lengths beyond one, two and three words of state.
const sequence = (distinct: number) => fc.array(fc.nat(distinct), { maxLength: 110 });

describe("lcsLength", () => {
  it("equals the quadratic recurrence", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 30 }).chain((d) => fc.tuple(sequence(d), sequence(d))),
        ([a, b]) => {
          expect(lcsLength(a, b)).toBe(plainLength(a, b));
        },
      ),
      { numRuns: 500 },
    );
  });

  it("carries over word borders", () => {
    const long = Array.from({ length: 95 }, (_, i) => i);
    expect(lcsLength(long, long)).toBe(95);
    expect(lcsLength(long, long.toReversed())).toBe(1);
    expect(lcsLength([], long)).toBe(0);
  });
});

describe("lcsPositions", () => {
  it("names a common subsequence of the greatest length", () => {
    fc.assert(
      fc.property(sequence(4), sequence(4), (a, b) => {
        const positions = lcsPositions(a, b);
        expect(positions).toHaveLength(plainLength(a, b));
        let at = 0;
        for (const [i, position] of positions.entries()) {
          if (i > 0) expect(position).toBeGreaterThan(positions[i - 1]!);
          at = b.indexOf(a[position]!, at) + 1;
          expect(at).toBeGreaterThan(0);
        }
      }),
    );
  });
});

describe("countBits", () => {
  it("counts", () => {
    fc.assert(
      fc.property(fc.integer(), (word) => {
        expect(countBits(word)).toBe((word >>> 0).toString(2).replaceAll("0", "").length);
      }),
    );
  });
});
