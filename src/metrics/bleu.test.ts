import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type BleuOptions, type BleuScore, corpusBleu, tokenize13a } from "./bleu.js";
import { meanRouge } from "./rouge.js";

interface Golden {
  texts: [string, string][];
  tokens: [string[], string[]][];
  corpus: BleuScore;
  lowercase: BleuScore;
  twoReferences: BleuScore;
  sentences: BleuScore[];
  plainSentences: BleuScore[];
  published: Record<string, { bleu: BleuScore; rouge1: number; rouge2: number; rougeL: number; rougeLsum: number }>;
}
// Made by tools/golden/metrics.py with sacreBLEU and rouge_score.
const golden = JSON.parse(readFileSync(new URL("fixtures/bleu.json", import.meta.url), "utf8")) as Golden;
const hypotheses = golden.texts.map(([hypothesis]) => hypothesis);
const references = golden.texts.map(([, reference]) => reference);

function expectSame(ours: BleuScore, theirs: BleuScore): void {
  const { score, precisions, brevityPenalty, ...exact } = ours;
  expect(exact).toEqual({
    counts: theirs.counts,
    totals: theirs.totals,
    hypothesisLength: theirs.hypothesisLength,
    referenceLength: theirs.referenceLength,
    signature: theirs.signature,
  });
  expect(score).toBeCloseTo(theirs.score, 10);
  expect(brevityPenalty).toBeCloseTo(theirs.brevityPenalty, 12);
  for (const [n, precision] of precisions.entries()) expect(precision).toBeCloseTo(theirs.precisions[n]!, 10);
}

describe("corpusBleu", () => {
  it("cuts tokens as sacreBLEU's 13a", () => {
    const tokens = golden.texts.map((pair) => pair.map((text) => tokenize13a(text)));
    expect(tokens).toEqual(golden.tokens);
  });

  it.each<[string, BleuOptions]>([
    ["corpus", {}],
    ["lowercase", { lowercase: true }],
  ])("equals sacreBLEU on a corpus of hard cases (%s)", (name, options) => {
    expectSame(corpusBleu(hypotheses, references, options), golden[name as "corpus" | "lowercase"]);
  });

  it("equals sacreBLEU with several references", () => {
    const pairs = golden.texts.map(([hypothesis, reference]) => [reference, hypothesis.toUpperCase()]);
    const ours = corpusBleu(hypotheses, pairs);
    expectSame(ours, golden.twoReferences);
    expect(ours.signature).toContain("nrefs:2");
  });

  it("equals sacreBLEU on single sentences, with and without effective order", () => {
    for (const [i, [hypothesis, reference]] of golden.texts.entries()) {
      expectSame(corpusBleu([hypothesis], [reference], { effectiveOrder: true }), golden.sentences[i]!);
      expectSame(corpusBleu([hypothesis], [reference]), golden.plainSentences[i]!);
    }
  });

  it("gives 100 to a text of four tokens against itself, and never more", () => {
    expect(corpusBleu(["one two three four"], ["one two three four"]).score).toBeCloseTo(100, 10);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string(), fc.string()), { minLength: 1, maxLength: 5 }), (pairs) => {
        const { score } = corpusBleu(
          pairs.map(([a]) => a),
          pairs.map(([, b]) => b),
        );
        expect(score).toBeGreaterThanOrEqual(0);
        expect(score).toBeLessThanOrEqual(100.0000001);
      }),
    );
  });

  it("says what is missing", () => {
    expect(() => corpusBleu([], [])).toThrow("BLEU: no rows to score");
    expect(() => corpusBleu(["a"], [])).toThrow("1 predictions but 0 references");
    expect(() => corpusBleu(["a"], [[]])).toThrow("row 0 has no reference");
  });
});

const folder = join(
  process.env.EVOKE_DATA ?? join(import.meta.dirname, "../../../shared/data"),
  "self_instruct/predictions",
);

describe.skipIf(!existsSync(folder))("published predictions (skipped without the shared data)", () => {
  it.each(Object.keys(golden.published))("%s: BLEU and ROUGE equal sacreBLEU and rouge_score", (name) => {
    const rows = readFileSync(join(folder, name), "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));
    const responses = rows.map((row) => (row.response as string).trim());
    const targets = rows.map((row) => (row.target as string).trim());
    const { bleu, ...rouge } = golden.published[name]!;
    expectSame(corpusBleu(responses, targets), bleu);
    const ours = meanRouge(targets, responses, ["rouge1", "rouge2", "rougeL", "rougeLsum"], { stemmer: true });
    for (const type of ["rouge1", "rouge2", "rougeL", "rougeLsum"] as const)
      expect(ours[type]).toBeCloseTo(rouge[type], 12);
  });

  it("covers all files", () => {
    expect(readdirSync(folder).sort()).toEqual(Object.keys(golden.published).sort());
  });
});
