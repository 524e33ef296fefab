import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PromptLookup } from "./prompt-lookup.js";

function lookup(...tokens: number[]): PromptLookup {
  const found = new PromptLookup();
  for (const token of tokens) found.add(token);
  return found;
}

describe("guesses", () => {
  it("go on as the text did where its last tokens stood before", () => {
    expect(lookup(1, 2, 3, 4, 5, 9, 1, 2).guess(1)).toEqual([3]);
    expect(lookup(1, 2, 3, 4, 5, 9, 1, 2, 3).guess(1)).toEqual([4]);
  });

  it("are none where the last two tokens are new, or none may be made", () => {
    expect(lookup().guess(4)).toEqual([]);
    expect(lookup(1).guess(4)).toEqual([]);
    expect(lookup(1, 2, 3, 2).guess(4)).toEqual([]);
    expect(lookup(1, 2, 1, 2).guess(0)).toEqual([]);
  });

  it("follow the longest match, the latest of equals", () => {
    expect(lookup(7, 1, 2, 30, 8, 1, 2, 40, 7, 1, 2).guess(1)).toEqual([30]);
    expect(lookup(7, 1, 2, 30, 8, 1, 2, 40, 9, 1, 2).guess(1)).toEqual([40]);
  });

  it("grow while they come true, past the end of the text, and shrink when they fail", () => {
    const text = lookup(1, 2, 3, 1, 2);
    let length = 0;
    for (let i = 0; i < 60; i++) {
      const next = (i % 3) + 1;
      const guess = text.guess(8);
      expect(guess).toEqual(guess.map((_, j) => ((i + 2 + j) % 3) + 1));
      length = guess.length;
      text.add(((next + 1) % 3) + 1);
    }
    expect(length).toBe(8);
    // The same pairs again and again, each time with another end.
    const failing = lookup(50, 51);
    const lengths = Array.from({ length: 12 }, (_, i) => {
      for (const token of [100 + i, 50, 51]) failing.add(token);
      return failing.guess(8).length;
    });
    expect(lengths[0]).toBeGreaterThan(0);
    expect(lengths.at(-1)).toBe(0);
  });

  it("hold only what the text holds, and never too much of it", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 4 })), fc.integer({ min: 0, max: 9 }), (tokens, most) => {
        const guess = lookup(...tokens).guess(most);
        expect(guess.length).toBeLessThanOrEqual(most);
        for (const token of guess) expect(tokens).toContain(token);
      }),
    );
  });
});
