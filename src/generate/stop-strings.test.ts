import fc from "fast-check";
import { expect, it } from "vitest";
import { StopStrings } from "./stop-strings.js";

function feed(pieces: string[], stops: string[]): { text: string; found?: string } {
  const scanner = new StopStrings(stops);
  let text = "";
  for (const piece of pieces) text += scanner.push(piece);
  text += scanner.found === undefined ? scanner.flush() : "";
  return { text, found: scanner.found };
}

it("cuts at the first stop string, wherever the pieces are cut", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 30 });
  fc.assert(
    fc.property(fc.array(text, { maxLength: 12 }), fc.array(text, { minLength: 1, maxLength: 4 }), (pieces, stops) => {
      const whole = pieces.join("");
      const ends = stops.filter((stop) => stop !== "").map((stop) => whole.indexOf(stop));
      const end = Math.min(...ends.filter((at) => at >= 0), Number.POSITIVE_INFINITY);
      const { text, found } = feed(pieces, stops);
      // A stop string that is a part of a longer one may end the text before the longer one is seen whole.
      if (end === Number.POSITIVE_INFINITY) {
        expect(found).toBeUndefined();
        expect(text).toBe(whole);
      } else {
        expect(found).toBeDefined();
        expect(whole.startsWith(text + found)).toBe(true);
        expect(text.length).toBeGreaterThanOrEqual(end);
        for (const stop of stops) if (stop !== "") expect(text).not.toContain(stop);
      }
    }),
  );
});

it("holds back only what may begin a stop string", () => {
  const scanner = new StopStrings(["\n\nQ:"]);
  expect(scanner.push("yes\n")).toBe("yes");
  expect(scanner.push("no\n")).toBe("\nno");
  expect(scanner.push("\nQ")).toBe("");
  expect(scanner.push("x")).toBe("\n\nQx");
  expect(scanner.push("end\n\nQ: more")).toBe("end");
  expect(scanner.found).toBe("\n\nQ:");
  expect(scanner.push("more")).toBe("");
});
