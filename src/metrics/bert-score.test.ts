import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bertScore,
  inverseDocumentFrequency,
  normalizeRows,
  rescaleBertScore,
  type TokenEmbeddings,
} from "./bert-score.js";

const embed = (rows: number[][], weights?: number[]): TokenEmbeddings => {
  const width = rows[0]?.length ?? 2;
  return { vectors: normalizeRows(Float32Array.from(rows.flat()), width), count: rows.length, width, weights };
};

describe("bertScore", () => {
  it("matches every token with its nearest", () => {
    const { precision, recall, f1 } = bertScore(
      embed([[1, 0]]),
      embed([
        [2, 0],
        [0, 3],
      ]),
    );
    expect(precision).toBeCloseTo(1, 6);
    expect(recall).toBeCloseTo(0.5, 6);
    expect(f1).toBeCloseTo(2 / 3, 6);
  });

  it("weighs tokens, and lets those of weight 0 be matched only", () => {
    const candidate = embed(
      [
        [1, 0],
        [0, 1],
      ],
      [3, 1],
    );
    const reference = embed(
      [
        [0, 1],
        [1, 0],
      ],
      [1, 0],
    );
    const score = bertScore(candidate, reference);
    expect(score.precision).toBeCloseTo(1, 6);
    expect(score.recall).toBeCloseTo(1, 6);
    const far = bertScore(candidate, embed([[0, 1]], [1]));
    expect(far.precision).toBeCloseTo(0.25, 6);
  });

  it("matches padding with 0, where there is some", () => {
    const away = embed([[-1, 0]]);
    expect(bertScore(embed([[1, 0]]), away)).toMatchObject({ precision: -1, recall: -1 });
    expect(bertScore(embed([[1, 0]]), { ...away, isPadded: true })).toMatchObject({ precision: 0, recall: -1 });
    expect(bertScore({ ...embed([[1, 0]]), isPadded: true }, away)).toMatchObject({ precision: -1, recall: 0 });
  });

  it("is 0 against an empty side", () => {
    expect(bertScore(embed([[1, 0]], [0]), embed([[1, 0]]))).toEqual({ precision: 0, recall: 0, f1: 0 });
    expect(bertScore(embed([[1, 0]]), embed([]))).toEqual({ precision: 0, recall: 0, f1: 0 });
  });

  it("refuses embeddings of different widths", () => {
    expect(() => bertScore(embed([[1, 0]]), embed([[1, 0, 0]]))).toThrow("width 2 against 3");
  });

  it("turns with its sides and gives 1 to equal texts", () => {
    const row = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 });
    const side = fc
      .array(row, { minLength: 1, maxLength: 6 })
      .filter((rows) => rows.every((r) => Math.hypot(...r) > 1e-3));
    fc.assert(
      fc.property(side, side, (a, b) => {
        const ab = bertScore(embed(a), embed(b));
        const ba = bertScore(embed(b), embed(a));
        expect(ab.precision).toBeCloseTo(ba.recall, 9);
        expect(bertScore(embed(a), embed(a)).f1).toBeCloseTo(1, 5);
      }),
    );
  });
});

describe("rescaleBertScore", () => {
  it("puts the baseline at 0 and 1 at 1", () => {
    const baseline = { precision: 0.8, recall: 0.5, f1: 0.6 };
    expect(rescaleBertScore(baseline, baseline)).toEqual({ precision: 0, recall: 0, f1: 0 });
    expect(rescaleBertScore({ precision: 1, recall: 0.75, f1: 0.8 }, baseline)).toEqual({
      precision: 1,
      recall: 0.5,
      f1: expect.closeTo(0.5, 12),
    });
  });
});

describe("inverseDocumentFrequency", () => {
  it("counts texts, not occurrences", () => {
    const weight = inverseDocumentFrequency([
      [0, 5, 5, 2],
      [0, 7, 2],
      [0, 2],
    ]);
    expect(weight(0)).toBe(0);
    expect(weight(5)).toBeCloseTo(Math.log(4 / 2), 12);
    expect(weight(99)).toBeCloseTo(Math.log(4), 12);
  });
});
