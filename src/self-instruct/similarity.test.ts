import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UsageError } from "../errors.js";
import { rouge } from "../metrics/rouge.js";
import { MersenneTwister } from "../random/mersenne.js";
import { SimilarityPool } from "./similarity.js";
import { SimilarityFilter } from "./similarity-filter.js";

const scoreOf = (target: string, text: string) => rouge(target, text, ["rougeL"]).rougeL.fmeasure;

// Few words, so that much is alike; up to three state words long.
const text = fc
  .tuple(fc.constantFrom(1, 3, 12), fc.array(fc.nat(1000), { maxLength: 80 }))
  .map(([variety, numbers]) => numbers.map((n) => `w${n % variety}`).join(" "));

describe("SimilarityPool", () => {
  it("finds what comparing with every entry finds", () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 12 }), fc.array(text, { maxLength: 4 }), (entries, queries) => {
        const pool = new SimilarityPool(entries);
        for (const query of queries) {
          const scores = entries.map((entry) => scoreOf(entry, query));
          const max = Math.max(0, ...scores);
          const nearest = pool.nearest(query);
          expect(nearest?.score ?? 0).toBe(max);
          expect(nearest?.index).toBe(max > 0 ? scores.indexOf(max) : undefined);
          const survey = pool.survey(query, 5);
          const ranked = scores
            .map((score, index) => ({ index, score }))
            .sort((a, b) => b.score - a.score || a.index - b.index);
          expect(survey.nearest.map(({ score }) => score)).toEqual(ranked.slice(0, 5).map(({ score }) => score));
          expect(survey.max).toBe(max);
          expect(survey.mean).toBeCloseTo(scores.reduce((a, b) => a + b, 0) / Math.max(1, scores.length), 12);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("names the nearest entries in order, the earlier of equal ones first", () => {
    const pool = new SimilarityPool(["write a poem", "cook rice", "write a poem", "write a long poem", "!!!"]);
    expect(pool.size).toBe(5);
    expect(pool.nearest("Write a poem!")).toEqual({ index: 0, score: 1 });
    expect(pool.survey("write a poem", 3).nearest.map(({ index }) => index)).toEqual([0, 2, 3]);
    expect(pool.nearest("zebra")).toBeUndefined();
    expect(pool.survey("zebra", 2)).toEqual({
      max: 0,
      mean: 0,
      nearest: [
        { index: 0, score: 0 },
        { index: 1, score: 0 },
      ],
    });
  });

  it("works while it grows", () => {
    const pool = new SimilarityPool();
    expect(pool.nearest("anything")).toBeUndefined();
    expect(pool.survey("anything")).toEqual({ max: 0, mean: 0, nearest: [] });
    for (let i = 0; i < 3000; i++) expect(pool.add(`number ${i} of the list ${i}`)).toBe(i);
    const far = Array.from({ length: 100 }, (_, i) => `x${i}`).join(" ");
    expect(pool.add(far)).toBe(3000);
    expect(pool.nearest("number 2999 of the list 2999")).toEqual({ index: 2999, score: 1 });
    expect(pool.nearest(far)).toEqual({ index: 3000, score: 1 });
  });
});

describe("SimilarityFilter", () => {
  it("keeps a text whose similarity equals the threshold, and drops one above it", () => {
    // Seven of ten words in order: 0.7 on both sides.
    const filter = new SimilarityFilter(["a b c d e f g h i j"], { threshold: 0.7 });
    const scores = [
      scoreOf("a b c d e f g h i j", "a b c d e f g x y z"),
      scoreOf("a b c d e f g h i j", "a b c d e f g h y z"),
    ];
    expect(filter.judge("a b c d e f g x y z")).toMatchObject({ keep: scores[0]! <= 0.7, maxSimilarity: scores[0] });
    expect(filter.judge("a b c d e f g h y z")).toMatchObject({ keep: false, maxSimilarity: scores[1] });
  });

  it("adds what it keeps and nothing else", () => {
    const filter = new SimilarityFilter(["write a short poem about rain"], { neighbours: 2 });
    expect(filter.offer("write a short poem about the rain").keep).toBe(false);
    expect(filter.size).toBe(1);
    const kept = filter.offer("list five rivers in a short table");
    expect(kept).toMatchObject({ keep: true, mostSimilar: "write a short poem about rain" });
    expect(kept.nearest).toEqual([{ text: "write a short poem about rain", score: kept.maxSimilarity }]);
    expect(kept.mean).toBe(kept.maxSimilarity);
    expect(filter.size).toBe(2);
    expect(filter.offer("list five rivers in a short table")).toMatchObject({ keep: false, maxSimilarity: 1 });
  });

  it.each([-0.1, 1.1, Number.NaN])("refuses the threshold %d", (threshold) => {
    expect(() => new SimilarityFilter([], { threshold })).toThrow(UsageError);
  });
});

const data = join(process.env.EVOKE_DATA ?? join(import.meta.dirname, "../../../shared/data"));

/** The same instructions as tools/golden/metrics.py draws. */
function drawnCandidates(count: number): { seeds: string[]; candidates: string[] } {
  const instructions = (file: string) =>
    readFileSync(join(data, file), "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as { instruction: string }).instruction);
  const random = new MersenneTwister(11);
  const real = [
    ...instructions("self_instruct/user_oriented_instructions.jsonl"),
    ...instructions("sft/alpaca_subset.jsonl"),
  ];
  const candidates: string[] = [];
  while (candidates.length < count) {
    const original = real[random.below(real.length)]!;
    candidates.push(original);
    const words = original.split(" ");
    for (let edits = random.randint(1, 8); edits > 0; edits--) {
      const at = random.below(words.length);
      const kind = random.below(3);
      if (kind === 0 && words.length > 2) words.splice(at, 1);
      else if (kind === 1) words.splice(at, 0, random.choice(real[random.below(real.length)]!.split(" ")));
      else {
        const other = random.below(words.length);
        [words[at], words[other]] = [words[other]!, words[at]!];
      }
    }
    candidates.push(words.join(" "));
  }
  return { seeds: instructions("self_instruct/seed_tasks.jsonl"), candidates: candidates.slice(0, count) };
}

describe.skipIf(!existsSync(data))("3,000 instructions (skipped without the shared data)", () => {
  it("are kept and dropped, scored and ranked as by comparing each with all in rouge_score", () => {
    const golden = JSON.parse(readFileSync(new URL("fixtures/similarity.json", import.meta.url), "utf8")) as {
      candidates: number;
      textSha256: string;
      kept: string;
      largestSha256: string;
      nearestTenSha256: string;
      means: number[];
    };
    const digest = (numbers: number[]) =>
      createHash("sha256")
        .update(new Uint8Array(Float64Array.from(numbers).buffer))
        .digest("hex");
    const { seeds, candidates } = drawnCandidates(golden.candidates);
    expect(createHash("sha256").update(candidates.join("\n")).digest("hex")).toBe(golden.textSha256);
    const filter = new SimilarityFilter(seeds, { neighbours: 10 });
    const decisions = candidates.map((candidate) => filter.offer(candidate));
    expect(decisions.map(({ keep }) => Number(keep)).join("")).toBe(golden.kept);
    expect(digest(decisions.map(({ maxSimilarity }) => maxSimilarity))).toBe(golden.largestSha256);
    const kept = decisions.filter(({ keep }) => keep);
    expect(digest(kept.flatMap(({ nearest }) => nearest!.map(({ score }) => score)))).toBe(golden.nearestTenSha256);
    for (const [i, mean] of golden.means.entries()) expect(kept[i]!.mean).toBeCloseTo(mean, 12);
  });
});
