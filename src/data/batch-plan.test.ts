import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planEpoch } from "./batch-plan.js";

const settings = fc.record({
  lengths: fc.array(fc.integer({ min: 1, max: 64 }), { maxLength: 120 }),
  seed: fc.nat(),
  epoch: fc.nat(20),
  microBatch: fc.integer({ min: 1, max: 9 }),
  accumulation: fc.integer({ min: 1, max: 5 }),
  packing: fc.boolean(),
});
const maxLength = 64;
const numeric = (a: number, b: number): number => a - b;

describe("planEpoch", () => {
  it("takes each example exactly once, in micro-batches of at most the size", () => {
    fc.assert(
      fc.property(settings, ({ lengths, ...options }) => {
        const plan = planEpoch(lengths, { ...options, maxLength });
        expect(plan.flat().sort(numeric)).toEqual([...lengths.keys()]);
        for (const batch of plan) expect(batch.length).toBeGreaterThan(0);
        for (const batch of plan) expect(batch.length).toBeLessThanOrEqual(options.microBatch);
        expect(plan).toHaveLength(Math.ceil(lengths.length / options.microBatch));
      }),
    );
  });

  it("depends on seed and epoch alone, and on both", () => {
    const lengths = Array.from({ length: 100 }, (_, i) => 1 + (i % 60));
    const plan = (seed: number, epoch: number) =>
      planEpoch(lengths, { seed, epoch, microBatch: 4, packing: true, maxLength });
    const fifth = plan(3, 5);
    for (let epoch = 0; epoch < 5; epoch++) expect(plan(3, epoch)).not.toEqual(fifth);
    expect(plan(3, 5)).toEqual(fifth);
    expect(plan(4, 5)).not.toEqual(fifth);
  });

  it("puts the same examples into a step however it is split and packed", () => {
    fc.assert(
      fc.property(settings, ({ lengths, seed, epoch }) => {
        const steps = (microBatch: number, accumulation: number, packing: boolean): number[][] => {
          const plan = planEpoch(lengths, { seed, epoch, microBatch, accumulation, packing, maxLength });
          return Array.from({ length: Math.ceil(lengths.length / 8) }, (_, i) =>
            plan
              .slice(i * accumulation, (i + 1) * accumulation)
              .flat()
              .sort(numeric),
          );
        };
        const want = steps(8, 1, false);
        expect(steps(4, 2, false)).toEqual(want);
        expect(steps(2, 4, true)).toEqual(want);
        expect(steps(1, 8, true)).toEqual(want);
      }),
    );
  });

  it("wastes little: like lengths together unpacked, even token counts packed", () => {
    const lengths = Array.from({ length: 640 }, (_, i) => 1 + ((i * 37) % 64));
    const options = { seed: 1, epoch: 0, microBatch: 8, maxLength };
    const tokens = (batch: number[]): number => batch.reduce((sum, i) => sum + lengths[i]!, 0);
    const padded = (batch: number[]): number => batch.length * Math.max(...batch.map((i) => lengths[i]!));
    const total = (plan: number[][], cost: (batch: number[]) => number): number =>
      plan.reduce((sum, b) => sum + cost(b), 0);
    const one = planEpoch(lengths, { ...options, packing: false });
    const eight = planEpoch(lengths, { ...options, accumulation: 8, packing: false });
    expect(total(eight, padded)).toBeLessThan(0.7 * total(one, padded));
    const sums = planEpoch(lengths, { ...options, accumulation: 8, packing: true })
      .slice(0, 8)
      .map(tokens);
    expect(Math.max(...sums) - Math.min(...sums)).toBeLessThan(8);
  });

  it("refuses an example that is too long", () => {
    expect(() => planEpoch([3, 65], { seed: 0, epoch: 0, microBatch: 1, packing: true, maxLength })).toThrow(
      "example 1 has 65 tokens, more than max_length 64",
    );
  });
});
