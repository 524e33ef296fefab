import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cheapestGroups, groupCost } from "./cache-groups.js";

const length = fc.integer({ min: 1, max: 5000 });

describe("groups of sequences", () => {
  it("leave a long one apart from short ones, where that reads less", () => {
    const lengths = [70, 4000, 80, 60, 90];
    expect(cheapestGroups(lengths, 2000).groups).toEqual([[3, 0, 2, 4], [1]]);
    expect(cheapestGroups(lengths, 20_000).groups).toEqual([[3, 0, 2, 4, 1]]);
    expect(cheapestGroups([], 2000).groups).toEqual([]);
  });

  it("hold each sequence once, cost what is said, and no more than any single cut", () => {
    fc.assert(
      fc.property(fc.array(length, { minLength: 1, maxLength: 12 }), length, (lengths, perStep) => {
        const { groups, cost } = cheapestGroups(lengths, perStep);
        expect(groups.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
        const costOf = (members: readonly number[]): number =>
          members.length === 0 ? 0 : groupCost(members.length, Math.max(...members), perStep);
        expect(cost).toBe(groups.reduce((sum, members) => sum + costOf(members.map((i) => lengths[i]!)), 0));
        const sorted = [...lengths].sort((a, b) => a - b);
        for (let cut = 0; cut <= sorted.length; cut++)
          expect(cost).toBeLessThanOrEqual(costOf(sorted.slice(0, cut)) + costOf(sorted.slice(cut)));
      }),
    );
  });
});
