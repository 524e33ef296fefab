import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { justEvalMetrics } from "./just-eval-metrics.js";
import { type Judgement, parseJudgement, REGULAR_ASPECTS, readJudgement, SAFETY_ASPECTS } from "./just-eval-parse.js";
import { standardError } from "./statistics.js";

const answer = (aspects: Record<string, unknown>) => JSON.stringify(aspects, null, 4);
const safety = (reason: string, score: unknown) => answer({ safety: { reason, score } });

describe("parseJudgement", () => {
  it.each<[string, string]>([
    ["plain JSON", safety("Fine.", "4")],
    ["a number", safety("Fine.", 4)],
    ["a code fence", `\`\`\`json\n${safety("Fine.", "4")}\n\`\`\``],
    ["prose around it", `My view:\n${safety("Fine.", "4")}\nThat is all.`],
    ["a stray backslash", '{"safety": {"reason": "It\\\'s a \\_word\\_.", "score": "4"}}'],
    ["doubled escapes", '{"safety": {"reason": "Says \\\\"no\\\\".", "score": "4"}}'],
    ["a line break within a text", '{"safety": {"reason": "One.\nTwo.\tThree.", "score": "4"}}'],
    ["unescaped quotes", '{"safety": {"reason": "It says "no", then "yes".", "score": "4"}}'],
    ["single quotes", "{'safety': {'reason': 'Fine.', 'score': '4'}}"],
    ["a trailing comma", '{"safety": {"reason": "Fine.", "score": "4",},}'],
    ["a capital letter", '{"Safety": {"reason": "Fine.", "score": "4"}}'],
    ["a longer key", '{"safety_score": {"reason": "Fine.", "score": "4"}}'],
    ["score before reason", '{"safety": {"score": "4", "reason": "It says "no"."}}'],
    ["no closing brace", '{"safety": {"reason": "Fine.", "score": "4"'],
    ["a bare score", '{"safety": 4}'],
    ["a key broken in two", '{"saf\nety": {"reason": "Fine.", "sco\nre": "4"}}'],
  ])("reads %s", (_, text) => {
    expect(parseJudgement(text, SAFETY_ASPECTS)?.safety?.score).toBe(4);
  });

  it("needs no aspect's name where only one is asked for", () => {
    expect(parseJudgement('{"reason": "Fine.", "score": "4"}', SAFETY_ASPECTS)).toEqual({
      safety: { reason: "Fine.", score: 4 },
    });
    expect(parseJudgement('{"reason": "Fine.", "score": "4"}')).toBeUndefined();
  });

  it("keeps reasons", () => {
    expect(parseJudgement(safety('A "b" c\\d', "1"))?.safety?.reason).toBe('A "b" c\\d');
    expect(parseJudgement('{"safety": {"reason": "It says "no".", "score": "4"}}')?.safety?.reason).toBe(
      'It says "no".',
    );
  });

  it("tells N/A from nothing", () => {
    expect(parseJudgement(safety("Not asked.", "N/A"))).toEqual({ safety: { reason: "Not asked.", score: undefined } });
    for (const text of ["", "I cannot judge this.", "{}", "[]", "null", '{"other": {"score": "5"}}', "}{", '{"a']) {
      expect(parseJudgement(text)).toBeUndefined();
    }
  });

  it("reads five aspects with broken quotes in each", () => {
    const text = `{\n${REGULAR_ASPECTS.map((aspect, i) => `"${aspect}": {"reason": "Says "x" and\n"y".", "score": "${i + 1}"}`).join(",\n")}\n}`;
    const judgement = parseJudgement(text);
    expect(REGULAR_ASPECTS.map((aspect) => judgement?.[aspect]?.score)).toEqual([1, 2, 3, 4, 5]);
  });

  it("never throws, and reads every well-formed answer whatever surrounds it", () => {
    fc.assert(fc.property(fc.string({ unit: "binary-ascii" }), (text) => void parseJudgement(text)));
    const noise = fc.string().map((text) => text.replace(/[{}]/g, ""));
    fc.assert(
      fc.property(noise, fc.string(), fc.integer({ min: 1, max: 5 }), noise, (before, reason, score, after) => {
        expect(parseJudgement(`${before}${safety(reason, String(score))}${after}`)?.safety?.score).toBe(score);
      }),
    );
  });
});

describe("justEvalMetrics", () => {
  const rows: (Judgement | undefined)[] = [
    { helpfulness: { reason: "", score: 4 }, factuality: { reason: "", score: undefined } },
    { helpfulness: { reason: "", score: 5 }, factuality: { reason: "", score: 2 } },
    undefined,
    { safety: { reason: "", score: 5 } },
  ];

  it("averages aspects over the rows that score them, then the aspects", () => {
    expect(justEvalMetrics(rows)).toEqual({
      n: 4,
      parsed: 3,
      aspects: {
        helpfulness: { mean: 4.5, stderr: 0.5, n: 2, notApplicable: 0, outOfRange: 0, unreadable: 0 },
        factuality: { mean: 2, stderr: Number.NaN, n: 1, notApplicable: 1, outOfRange: 0, unreadable: 0 },
        safety: { mean: 5, stderr: Number.NaN, n: 1, notApplicable: 0, outOfRange: 0, unreadable: 0 },
      },
      overall: (4.5 + 2 + 5) / 3,
      overallStderr: Number.NaN,
    });
  });

  it("counts N/A as 5 points where the original's report is asked for", () => {
    expect(justEvalMetrics(rows, "original-report").aspects.factuality).toMatchObject({
      mean: 3.5,
      n: 2,
      notApplicable: 1,
    });
  });

  it("has the error of the rows' means for an overall figure, where all rows score all aspects", () => {
    const scores = [
      [4, 5],
      [2, 3],
      [3, 3],
      [5, 1],
    ];
    const given = scores.map(([helpfulness, clarity]) => ({
      helpfulness: { reason: "", score: helpfulness },
      clarity: { reason: "", score: clarity },
    }));
    const { overall, overallStderr } = justEvalMetrics([...given, undefined]);
    expect(overall).toBe(3.25);
    expect(overallStderr).toBeCloseTo(standardError(scores.map(([a, b]) => (a! + b!) / 2)), 12);
  });

  it("has no overall figure without a parsed row", () => {
    expect(justEvalMetrics([undefined])).toEqual({
      n: 1,
      parsed: 0,
      aspects: {},
      overall: Number.NaN,
      overallStderr: Number.NaN,
    });
  });
});

const folder = join(
  process.env.EVOKE_DATA ?? join(import.meta.dirname, "../../../shared/data"),
  "just_eval/judgements",
);

describe.skipIf(!existsSync(folder))("public judgements (skipped without the shared data)", () => {
  const read = (name: string) =>
    JSON.parse(readFileSync(join(folder, name), "utf8")) as { result: string; parsed_result: unknown }[];

  it("give the original's means of the regular aspects", () => {
    const rows = read("1.score_multi.gpt-4.json");
    const published = JSON.parse(readFileSync(join(folder, "1.score_multi.gpt-4.eval_res.json"), "utf8"));
    for (const judgements of [
      rows.map((row) => parseJudgement(row.result)),
      rows.map((row) => readJudgement(row.parsed_result)),
    ]) {
      const { aspects, parsed } = justEvalMetrics(judgements, "original-report");
      expect(parsed).toBe(published.total);
      for (const aspect of REGULAR_ASPECTS) expect(aspects[aspect]?.mean).toBeCloseTo(published[`${aspect}_mean`], 12);
    }
  });

  it.each([
    ["Llama-2-7b-chat-hf", 5],
    ["Mistral-7B-Instruct-v0.1", 4.745],
    ["vicuna-7b-v1.5", 4.6],
  ])("give the mean safety of %s", (name, expected) => {
    const rows = read(`${name}.score_safety.chatgpt.json`);
    for (const judgements of [
      rows.map((row) => parseJudgement(row.result)),
      rows.map((row) => readJudgement(row.parsed_result)),
    ]) {
      const metrics = justEvalMetrics(judgements);
      expect(metrics.parsed).toBe(200);
      expect(metrics.aspects.safety?.mean).toBeCloseTo(expected, 10);
      expect(metrics.overall).toBeCloseTo(expected, 10);
    }
  });
});
