import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UsageError } from "../errors.js";
import { Random } from "../random/counter.js";
import { penalties } from "./logits-processors.js";
import type { SamplingOptions } from "./request.js";
import { argMax, checkSampling, logProbabilities, Sampler } from "./sampler.js";

const logits = Float32Array.of(1, 3, 2, 3, -5, 0);

/** Share of draws of each token. */
function draws(options: SamplingOptions, values = logits, count = 4000): number[] {
  const random = new Random("sampler test");
  const shares = values.length ? new Array<number>(values.length).fill(0) : [];
  for (let i = 0; i < count; i++)
    shares[new Sampler(options, random, penalties(options, [])).choose(values.slice())]! += 1 / count;
  return shares;
}

function softmax(values: ArrayLike<number>, temperature: number, kept: (i: number) => boolean): number[] {
  const weights = Array.from(values, (x, i) => (kept(i) ? Math.exp(x / temperature) : 0));
  const total = weights.reduce((a, b) => a + b);
  return weights.map((w) => w / total);
}

function expectShares(found: number[], expected: number[]): void {
  expected.forEach((share, i) => {
    if (share === 0) expect(found[i]).toBe(0);
    else expect(Math.abs(found[i]! - share)).toBeLessThan(0.04);
  });
}

describe("sampling", () => {
  it("takes the first of the best without a temperature", () => {
    expect(new Sampler({}, new Random("x")).choose(logits.slice())).toBe(1);
  });

  it("draws in proportion to exp(logit / temperature)", () => {
    expectShares(
      draws({ temperature: 1 }),
      softmax(logits, 1, () => true),
    );
    expectShares(
      draws({ temperature: 3 }),
      softmax(logits, 3, () => true),
    );
  });

  it("keeps the top k, ties included", () => {
    expectShares(
      draws({ temperature: 2, topK: 2 }),
      softmax(logits, 2, (i) => i === 1 || i === 3),
    );
    expectShares(
      draws({ temperature: 2, topK: 1 }),
      softmax(logits, 2, (i) => i === 1 || i === 3),
    );
    expectShares(
      draws({ temperature: 2, topK: 3 }),
      softmax(logits, 2, (i) => [1, 2, 3].includes(i)),
    );
    expectShares(
      draws({ temperature: 2, topK: 100 }),
      softmax(logits, 2, () => true),
    );
  });

  it("keeps the smallest set that holds top p", () => {
    // 0.393, 0.393, 0.145, 0.053, … at temperature 1.
    expectShares(
      draws({ temperature: 1, topP: 0.8 }),
      softmax(logits, 1, (i) => [1, 2, 3].includes(i)),
    );
    expectShares(
      draws({ temperature: 1, topP: 0.7 }),
      softmax(logits, 1, (i) => i === 1 || i === 3),
    );
    expectShares(draws({ temperature: 1, topP: 0.01 }), [0, 1, 0, 0, 0, 0]);
  });

  it("keeps tokens with a share of the best one's probability", () => {
    expectShares(
      draws({ temperature: 1, minP: 0.3 }),
      softmax(logits, 1, (i) => [1, 2, 3].includes(i)),
    );
    expectShares(
      draws({ temperature: 1, minP: 1 }),
      softmax(logits, 1, (i) => i === 1 || i === 3),
    );
  });

  it("finds the same set as sorting all tokens does", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.integer({ min: -40, max: 40 }).map((x) => x / 8),
          { minLength: 1, maxLength: 40 },
        ),
        fc.double({ min: 0.01, max: 0.99, noNaN: true }),
        fc.integer({ min: 0, max: 45 }),
        (values, topP, topK) => {
          const order = values.map((_, i) => i).sort((a, b) => values[b]! - values[a]! || a - b);
          const floor = topK > 0 ? values[order[Math.min(topK, order.length) - 1]!]! : Number.NEGATIVE_INFINITY;
          const first = order.filter((i) => values[i]! >= floor);
          const shares = softmax(values, 1, (i) => first.includes(i));
          const kept = new Set<number>();
          let sum = 0;
          for (const i of first) {
            if (sum >= topP + 1e-9) break;
            kept.add(i);
            sum += shares[i]!;
          }
          const random = new Random("set", values.length, topK);
          for (let i = 0; i < 30; i++) {
            const token = new Sampler({ temperature: 1, topP, topK }, random).choose(Float32Array.from(values));
            expect(kept).toContain(token);
          }
        },
      ),
    );
  });

  it("punishes what was said: repetition in prompt and answer, presence and frequency in the answer", () => {
    const penalised = (options: SamplingOptions, prompt: number[]): Sampler =>
      new Sampler(options, new Random("x"), penalties(options, prompt));
    const values = Float32Array.of(2, 1.9, -1, -1.05);
    const repeat = penalised({ repetitionPenalty: 2 }, [0]);
    expect([0, 1, 2, 3].map(() => repeat.choose(values.slice()))).toEqual([1, 0, 0, 0]);
    const negative = penalised({ repetitionPenalty: 3 }, [0, 1, 2]);
    expect(negative.choose(Float32Array.of(-1, -1, -1, -2.5))).toBe(3);
    const presence = penalised({ presencePenalty: 0.15 }, [0]);
    expect([0, 1, 2].map(() => presence.choose(values.slice()))).toEqual([0, 1, 0]);
    const frequency = penalised({ frequencyPenalty: 0.15 }, [0]);
    expect([0, 1, 2, 3].map(() => frequency.choose(values.slice()))).toEqual([0, 1, 0, 1]);
  });

  it("gives log-probabilities of the chosen and the best tokens", () => {
    const shares = softmax(logits, 1, () => true);
    const { logprob, top } = logProbabilities(logits, 2, 3);
    expect(logprob).toBeCloseTo(Math.log(shares[2]!), 6);
    expect(top.map(({ token }) => token)).toEqual([1, 3, 2]);
    expect(top[0]!.logprob).toBeCloseTo(Math.log(shares[1]!), 6);
    expect(logProbabilities(logits, 2, 0).top).toEqual([]);
    expect(argMax(logits)).toBe(1);
  });

  it("names a setting that is out of range", () => {
    for (const bad of [
      { temperature: -1 },
      { topP: 0 },
      { topP: 1.1 },
      { minP: 2 },
      { topK: 1.5 },
      { repetitionPenalty: 0 },
    ])
      expect(() => checkSampling(bad)).toThrow(UsageError);
    expect(() => checkSampling({ temperature: Number.NaN })).toThrow(/temperature must be/);
  });
});
