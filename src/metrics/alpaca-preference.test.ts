import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { areOutputsSwitched, preferenceFromLogprobs, type TopLogprob, winRate } from "./alpaca-preference.js";

const token = (name: string, probability: number): TopLogprob => ({ token: name, logprob: Math.log(probability) });

describe("preferenceFromLogprobs", () => {
  it("weighs the two letters against each other", () => {
    expect(preferenceFromLogprobs([token("m", 0.2), token("M", 0.6), token("The", 0.2)], false)).toBeCloseTo(1.75, 12);
    expect(preferenceFromLogprobs([token("m", 0.2), token("M", 0.6)], true)).toBeCloseTo(1.25, 12);
  });

  it("takes an absent letter for impossible, and two absent letters for no answer", () => {
    expect(preferenceFromLogprobs([token("M", 0.001)], false)).toBe(2);
    expect(preferenceFromLogprobs([token("m", 0.001)], false)).toBe(1);
    expect(preferenceFromLogprobs([token("Sorry", 1)], false)).toBeUndefined();
    expect(preferenceFromLogprobs([], true)).toBeUndefined();
  });
});

describe("winRate", () => {
  it("counts 0 and 1.5 as draws, and missing rows nowhere", () => {
    expect(winRate([1, 2, 0, 1.5, null, undefined, 1.8])).toEqual({
      winRate: expect.closeTo(56, 10),
      standardError: expect.closeTo(100 * Math.sqrt(0.572 / 4 / 5), 10),
      n: 5,
      missing: 2,
      wins: 2,
      losses: 1,
      draws: 2,
      discreteWinRate: 60,
    });
  });

  it("is not a number without rows", () => {
    expect(winRate([null]).winRate).toBeNaN();
  });
});

interface Annotation {
  instruction: string;
  output_1: string;
  output_2: string;
  preference: number | null;
  raw_completion: { logprobs?: { content: { top_logprobs: TopLogprob[] }[] } } | null;
}
const folder = join(process.env.EVOKE_DATA ?? join(import.meta.dirname, "../../../shared/data"), "alpaca_eval");
const annotations = join(folder, "annotations");

describe.skipIf(!existsSync(folder))("public annotations (skipped without the shared data)", () => {
  const files = existsSync(annotations) ? readdirSync(annotations) : [];
  const leaderboard = new Map(
    existsSync(folder)
      ? readFileSync(join(folder, "leaderboard_weighted_alpaca_eval_gpt4_turbo.csv"), "utf8")
          .split("\n")
          .map((line) => [line.split(",")[0]!, line.split(",").slice(1)])
      : [],
  );

  it("are six", () => expect(files).toHaveLength(6));

  it.each(files)("%s: preferences, win rate and standard error", (file) => {
    const rows = JSON.parse(readFileSync(join(annotations, file), "utf8")) as Annotation[];
    expect(rows).toHaveLength(805);
    let fromLogprobs = 0;
    for (const row of rows) {
      const listed = row.raw_completion?.logprobs?.content[0]?.top_logprobs;
      if (!listed) {
        expect(row.output_1).toBe(row.output_2);
        expect(row.preference).toBe(1.5);
        continue;
      }
      const preference = preferenceFromLogprobs(listed, areOutputsSwitched(row.instruction));
      expect(Math.abs(preference! - row.preference!)).toBeLessThan(1e-6);
      fromLogprobs++;
    }
    expect(fromLogprobs).toBeGreaterThan(800);
    const published = leaderboard.get(basename(file, ".json"))!;
    const ours = winRate(rows.map((row) => row.preference));
    expect(Math.abs(ours.winRate - Number(published[0]))).toBeLessThan(1e-4);
    expect(Math.abs(ours.standardError - Number(published[1]))).toBeLessThan(1e-4);
    expect([ours.wins, ours.losses, ours.draws, ours.n]).toEqual(published.slice(2, 6).map(Number));
    expect(ours.discreteWinRate).toBeCloseTo(Number(published[6]), 8);
  });

  it("switches the outputs of all 805 instructions as Python does", () => {
    const rows = JSON.parse(readFileSync(join(folder, "alpaca_eval.json"), "utf8")) as Annotation[];
    // Made by tools/golden/metrics.py; one character an instruction.
    const golden = JSON.parse(readFileSync(new URL("fixtures/switches.json", import.meta.url), "utf8")) as string;
    expect(golden).toHaveLength(805);
    expect(rows.map((row) => Number(areOutputsSwitched(row.instruction))).join("")).toBe(golden);
  });
});
