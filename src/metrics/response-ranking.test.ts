import { describe, expect, it } from "vitest";
import { bootstrapRatio } from "./bootstrap-ratio.js";
import { drawResponses, rankRow } from "./response-ranking.js";

describe("the draw", () => {
  const texts = Array.from({ length: 1000 }, (_, i) => `response ${i}`);
  const own = texts.map((_, i) => i);

  it("is Python's random.seed(0) with randint for 1,000 instructions and 5 responses", () => {
    const draws = drawResponses(own, texts, 5);
    // python3: random.seed(0); [random.randint(0, 999) for _ in range(5000)]
    expect(draws.slice(0, 2).map(({ original }) => original)).toEqual([
      [864, 394, 776, 911, 430],
      [41, 265, 988, 523, 497],
    ]);
    expect(draws.at(-1)!.original).toEqual([857, 7, 273, 109, 859]);
    expect(draws.reduce((sum, { original }) => sum + original.reduce((a, b) => a + b, 0), 0)).toBe(2503797);
  });

  it("replaces own responses, and others of the same text, in the second list only", () => {
    const few = ["a", "b", "a", "c"];
    for (const [i, { original, others }] of drawResponses([0, 1, 2, 3], few, 5).entries()) {
      expect(others).toHaveLength(5);
      expect(others.map((each) => few[each])).not.toContain(few[i]);
      original.forEach((each, j) => {
        if (few[each] !== few[i]) expect(others[j]).toBe(each);
      });
    }
    expect(drawResponses([0, 1], ["same", "same"], 3)[0]!.others).toEqual([]);
  });

  it("depends on the seed", () => {
    expect(drawResponses(own, texts, 5, 1)[0]).not.toEqual(drawResponses(own, texts, 5, 0)[0]);
  });
});

describe("a row's figures", () => {
  const own = { logprob: -10, tokens: 10 };

  it("count strictly lower scores by mean and by sum", () => {
    const lower = { logprob: -22, tokens: 20 };
    const higherMean = { logprob: -9, tokens: 18 };
    const shortOne = { logprob: -4, tokens: 2 };
    expect(rankRow(own, [own, lower, higherMean], [lower, higherMean, shortOne])).toEqual({
      original: 1 / 3,
      pairs: 2 / 3,
      pairsBySum: 1 / 3,
      top: 0,
      reciprocalRank: 1 / 2,
      topBySum: 0,
    });
  });

  it("are undefined where nothing else is there to rank", () => {
    expect(rankRow(own, [own], [])).toMatchObject({ original: 0, pairs: null, top: null, reciprocalRank: null });
  });
});

describe("a ratio's bootstrap error", () => {
  it("is that of a mean where all denominators are equal", () => {
    const rows = Array.from({ length: 400 }, (_, i) => [Math.sin(i * 12.9898) * 3, 1] as const);
    const { value, stderr } = bootstrapRatio(rows);
    const mean = rows.reduce((sum, [x]) => sum + x, 0) / rows.length;
    const deviation = Math.sqrt(rows.reduce((sum, [x]) => sum + (x - mean) ** 2, 0) / rows.length);
    expect(value).toBeCloseTo(mean, 12);
    expect(stderr / (deviation / Math.sqrt(rows.length))).toBeGreaterThan(0.93);
    expect(stderr / (deviation / Math.sqrt(rows.length))).toBeLessThan(1.07);
  });

  it("has no error with one row and no value without any", () => {
    expect(bootstrapRatio([[3, 2]])).toEqual({ value: 1.5, stderr: Number.NaN });
    expect(bootstrapRatio([]).value).toBeNaN();
  });
});
