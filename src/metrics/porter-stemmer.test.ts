import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { porterStem } from "./porter-stemmer.js";

// Made by tools/golden/metrics.py with NLTK's stemmer: every stem with every suffix ("-" is none).
const golden = JSON.parse(readFileSync(new URL("fixtures/porter.json", import.meta.url), "utf8")) as {
  stems: string[];
  suffixes: string[];
  expected: string;
};

describe("porterStem", () => {
  it("equals NLTK on thousands of words", () => {
    const words = golden.stems.flatMap((stem) => golden.suffixes.map((suffix) => stem + suffix.replace("-", "")));
    expect(words.length).toBeGreaterThan(5000);
    const expected = golden.expected.split(" ");
    const wrong = words.flatMap((word, i) =>
      porterStem(word) === expected[i] ? [] : [[word, porterStem(word), expected[i]]],
    );
    expect(wrong).toEqual([]);
  });

  it("lower-cases and leaves the shortest words alone", () => {
    expect(porterStem("Running")).toBe("run");
    expect(porterStem("As")).toBe("as");
    expect(porterStem("")).toBe("");
  });
});
