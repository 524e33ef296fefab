import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "../random/counter.js";
import {
  binomialInterval,
  binomialTest,
  mean,
  pairedBootstrap,
  poolGroups,
  sampleVariance,
  signTest,
  standardError,
} from "./statistics.js";
import { normalCdf, normalQuantile, studentCdf, studentQuantile } from "./student-t.js";

type BinomialCase = [k: number, n: number, p: number, pValue: number, low: number, high: number];
// Made by tools/golden/metrics.py with SciPy.
const golden = JSON.parse(readFileSync(new URL("fixtures/statistics.json", import.meta.url), "utf8")) as {
  binomial: BinomialCase[];
  student: [t: number, df: number, share: number][];
  quantiles: [share: number, df: number, t: number][];
  normal: [z: number, share: number][];
};

describe("means", () => {
  it("takes n − 1 in the deviation", () => {
    expect(mean([1, 2, 3, 4])).toBe(2.5);
    expect(sampleVariance([1, 2, 3, 4])).toBeCloseTo(5 / 3, 15);
    expect(standardError([1, 0, 1, 1])).toBeCloseTo(0.25, 15);
    expect(standardError([1])).toBeNaN();
    expect(mean([])).toBeNaN();
  });

  it("pools groups by size", () => {
    const a = [1, 1, 0, 1];
    const b = [0, 0, 1];
    const pooled = poolGroups([
      { value: mean(a), stderr: standardError(a), n: a.length },
      { value: mean(b), stderr: standardError(b), n: b.length },
    ]);
    expect(pooled.n).toBe(7);
    expect(pooled.value).toBeCloseTo(4 / 7, 15);
    // Squared deviations within the groups: 0.75 and 2/3; seven rows, two means taken from them.
    expect(pooled.stderr).toBeCloseTo(Math.sqrt((0.75 + 2 / 3) / 5 / 7), 15);
  });
});

describe("Student's t and the normal distribution", () => {
  it.each(golden.student)("P(T ≤ %d) with %d degrees of freedom equals SciPy's", (t, df, share) => {
    expect(Math.abs(studentCdf(t, df) - share)).toBeLessThan(1e-12 + 1e-9 * share);
  });

  it.each(golden.quantiles)("the %d quantile with %d degrees of freedom equals SciPy's", (share, df, t) => {
    expect(Math.abs(studentQuantile(share, df) - t)).toBeLessThan(1e-8 * Math.abs(t));
  });

  it.each(golden.normal)("P(Z ≤ %d) equals SciPy's, and its quantile goes back", (z, share) => {
    expect(Math.abs(normalCdf(z) / share - 1)).toBeLessThan(1e-12);
    if (Math.abs(z) < 5) expect(normalQuantile(share)).toBeCloseTo(z, 9);
  });
});

describe("binomial", () => {
  it.each(golden.binomial)("equals SciPy for %d of %d at %d", (k, n, p, pValue, low, high) => {
    expect(binomialTest(k, n, p)).toBeCloseTo(pValue, 9);
    expect(binomialInterval(k, n).low).toBeCloseTo(low, 9);
    expect(binomialInterval(k, n).high).toBeCloseTo(high, 9);
  });

  it("says nothing about no trial", () => {
    expect(binomialTest(0, 0)).toBe(1);
  });
});

describe("signTest", () => {
  it("leaves ties out", () => {
    const result = signTest([1, 1, 1, 0, 1, 1], [0, 0, 0, 0, 0, 0]);
    expect(result).toEqual({ wins: 5, losses: 0, ties: 1, pValue: expect.closeTo(2 / 32, 12) });
    expect(signTest([1], [1]).pValue).toBe(1);
  });
});

describe("pairedBootstrap", () => {
  const random = (n: number) => fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: n, maxLength: n });

  it("repeats itself, orders its interval and turns with its sides", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 30 }).chain((n) => fc.tuple(random(n), random(n))),
        ([a, b]) => {
          const ab = pairedBootstrap(a, b, { samples: 200, seed: 3 });
          expect(pairedBootstrap(a, b, { samples: 200, seed: 3 })).toEqual(ab);
          expect(ab.low!).toBeLessThanOrEqual(ab.high!);
          expect(pairedBootstrap(b, a, { samples: 200, seed: 3 }).difference).toBeCloseTo(-ab.difference, 9);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("has the width that theory says, and finds a real difference", () => {
    const a = Array.from({ length: 400 }, (_, i) => (i % 4 === 0 ? 0 : 1));
    const b = Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? 0 : 1));
    const { difference, low, high, pValue } = pairedBootstrap(a, b);
    expect(difference).toBeCloseTo(0.25, 12);
    const stderr = standardError(a.map((x, i) => x - b[i]!));
    expect((high! - low!) / 2 / 1.96 / stderr).toBeGreaterThan(0.93);
    expect((high! - low!) / 2 / 1.96 / stderr).toBeLessThan(1.07);
    expect(pValue).toBeLessThan(0.001);
    expect(pairedBootstrap(a, a).pValue).toBe(1);
  });

  it("is defined for one row and for two", () => {
    expect(pairedBootstrap([1], [0])).toEqual({ difference: 1, low: null, high: null, pValue: 1 });
    const two = pairedBootstrap([1, 3], [0, 0]);
    expect([two.low, two.high]).toEqual([1, 3]); // as wide as two rows can say
    expect(two.pValue).toBeGreaterThan(0.1);
  });

  /** P-values of experiments without a difference, in order. */
  function underNull(n: number, experiments: number): number[] {
    const random = new Random("null", n);
    const normals = () => Array.from({ length: n }, () => random.normal());
    return Array.from(
      { length: experiments },
      (_, seed) => pairedBootstrap(normals(), normals(), { samples: 400, seed }).pValue,
    ).sort((x, y) => x - y);
  }

  it("has p-values that are uniform where there is no difference", () => {
    const values = underNull(30, 2000);
    // Kolmogorov's distance: 0.0304 is its 95 % point for 2,000 values; 400 resamples and the +1 add some 1/400.
    const distance = Math.max(...values.map((p, i) => Math.max((i + 1) / 2000 - p, p - i / 2000)));
    expect(distance).toBeLessThan(0.035);
  });

  it("errs to the safe side with very few rows", () => {
    for (const n of [2, 3, 5]) {
      const values = underNull(n, 400);
      expect(values.filter((p) => p <= 0.05).length / 400, `${n} rows`).toBeLessThan(0.07);
    }
  });

  it("refuses unequal lists", () => {
    expect(() => pairedBootstrap([1], [1, 2])).toThrow(RangeError);
    expect(() => pairedBootstrap([], [])).toThrow(RangeError);
  });
});
