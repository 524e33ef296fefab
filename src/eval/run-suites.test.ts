import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FakeBehaviour, FakeModel, fakeContext, Killed } from "../../tests/support/eval-fake-model.js";
import { UsageError } from "../errors.js";
import { readAllJsonl } from "../files/jsonl.js";
import { compareRuns } from "./compare.js";
import { expandSuites, runSuites } from "./run-suites.js";
import type { SuiteContext } from "./suite.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evoke-eval-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (name: string, rows: unknown[]): string => {
  const path = join(folder, name);
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return path;
};

const question = (i: number, gold: string, texts = ["wood", "iron", "glass", "paper"]) => ({
  id: `q${i}`,
  question: `Which is number ${i}?`,
  choices: { text: texts, label: texts.map((_, k) => "ABCDE"[k]) },
  answerKey: gold,
});

async function run(
  names: string[],
  behaviour: FakeBehaviour | undefined,
  rest: Partial<SuiteContext> & { judgeModel?: FakeModel; dir?: string } = {},
) {
  const { dir = "out", ...given } = rest;
  const model = behaviour && new FakeModel(behaviour);
  const { context, said, close } = fakeContext(join(folder, dir), model, given);
  try {
    const results = await runSuites(names, context);
    return { results, model, said, out: context.out };
  } finally {
    close();
  }
}

const samplesOf = (out: string, suite: string) => readAllJsonl(join(out, "samples", `${suite}.jsonl`));

describe("multiple choice", () => {
  it("takes the first best sum for acc, and divides by code points for acc_norm", async () => {
    const file = write("arc.jsonl", [
      question(0, "A", ["abcd", "ab"]), // sums −4 and −3; per character −1 and −1.5
      question(1, "A", ["same", "same"]), // equal: the first
      question(2, "A", ["😀😀", "abc"]), // −4/2 against −6.3/3: by UTF-16 units it would be the other way round
    ]);
    const scores: Record<string, number> = { " abcd": -4, " ab": -3, " same": -1, " 😀😀": -4, " abc": -6.3 };
    const { results, out } = await run(
      ["arc_easy"],
      { score: ({ continuation }) => scores[continuation]! },
      {
        files: { arc_easy: file },
      },
    );
    const { n, missing, metrics } = results.arc_easy!;
    expect([n, missing]).toEqual([3, 0]);
    expect(metrics.acc!.value).toBeCloseTo(2 / 3, 12);
    expect(metrics.acc!.stderr).toBeCloseTo(Math.sqrt(((1 / 9) * 2 + 4 / 9) / 2 / 3), 12);
    expect(metrics.acc_norm!.value).toBe(1);
    expect((await samplesOf(out, "arc_easy")).map(({ acc }) => acc)).toEqual([0, 1, 1]);
  });

  it("misses no file after hours of work: rows and shots of all suites are found first", async () => {
    const arc_easy = write("arc.jsonl", [question(0, "A")]);
    mkdirSync(join(folder, "data/core/openbookqa"), { recursive: true });
    const data = { files: { arc_easy }, source: { dataDir: join(folder, "data") } };
    let asked = 0;
    const score = (): number => -++asked;
    await expect(run(["arc_easy", "openbookqa"], { score }, data)).rejects.toThrow(/test.jsonl: no such file/);
    write("data/core/openbookqa/test.jsonl", [{}]);
    await expect(run(["openbookqa"], { score }, { ...data, shots: 1 })).rejects.toThrow(/train.jsonl: no such file/);
    expect(asked).toBe(0);
  });

  it("does not score what measures nothing: one choice, a log-probability that is no number", async () => {
    const file = write("arc.jsonl", [question(0, "A", ["only"]), question(1, "B"), question(2, "A", ["odd", "b"])]);
    const score = ({ continuation }: { continuation: string }) =>
      continuation === " odd" ? Number.NaN : continuation === " iron" ? -1 : -2;
    const { results, out } = await run(["arc_easy"], { score }, { files: { arc_easy: file } });
    expect(results.arc_easy).toMatchObject({ n: 1, missing: 2, metrics: { acc: { value: 1, stderr: null } } });
    expect((await samplesOf(out, "arc_easy")).map(({ missing }) => missing ?? null)).toEqual([
      "a single choice",
      null,
      "a log-probability is not finite",
    ]);
  });

  it("stops at a malformed row with file and line, or counts it", async () => {
    const bad = { ...question(1, "Z") };
    const file = write("arc.jsonl", [question(0, "A"), bad, { question: 3 }]);
    const score = () => -1;
    await expect(run(["arc_easy"], { score }, { files: { arc_easy: file } })).rejects.toThrow(
      /arc\.jsonl:2: field "answerKey" is none of the labels A, B, C, D/,
    );
    const { results } = await run(["arc_easy"], { score }, { files: { arc_easy: file }, skipInvalid: true });
    expect(results.arc_easy).toMatchObject({ n: 1, missing: 2 });
  });

  it("names a model that cannot score", async () => {
    const file = write("arc.jsonl", [question(0, "A")]);
    await expect(run(["arc_easy"], {}, { files: { arc_easy: file } })).rejects.toThrow(/cannot score text/);
  });

  it("counts contexts that were cut off", async () => {
    const file = write("arc.jsonl", [question(0, "A"), question(1, "A")]);
    const model = new FakeModel({ score: () => -1 });
    const plain = model.score!;
    model.score = async (pairs) =>
      (await plain(pairs)).map((score, i) =>
        pairs[i]!.context.includes("number 1") ? { ...score, truncated: true } : score,
      );
    const { context, close } = fakeContext(join(folder, "out"), model, { files: { arc_easy: file } });
    const results = await runSuites(["arc_easy"], context);
    close();
    expect(results.arc_easy!.details).toEqual({ truncated: 1 });
  });

  it("averages the sets, each member counting the same", async () => {
    const easy = write("easy.jsonl", [question(0, "A"), question(1, "A"), question(2, "A"), question(3, "B")]);
    const hard = write("hard.jsonl", [question(0, "A"), question(1, "B")]);
    const { results } = await run(["arc"], { score: () => -1 }, { files: { arc_easy: easy, arc_challenge: hard } });
    expect(results.arc).toMatchObject({ n: 6, missing: 0, metrics: { acc: { value: (0.75 + 0.5) / 2 } } });
  });

  it("reports MMLU by subject and group, with the subject named before shots of its own", async () => {
    const row = (subject: string, i: number, answer: number) => ({
      question: ` ${subject} ${i}? `,
      subject,
      choices: ["w", "x", "y", "z"],
      answer,
    });
    const core = join(folder, "data", "core", "mmlu");
    const { mkdirSync } = await import("node:fs");
    mkdirSync(core, { recursive: true });
    const put = (name: string, rows: unknown[]) =>
      writeFileSync(join(core, name), rows.map((each) => `${JSON.stringify(each)}\n`).join(""));
    put("test.jsonl", [row("anatomy", 1, 0), row("anatomy", 2, 1), row("world_religions", 1, 0), row("anatomy", 3, 0)]);
    put("dev.jsonl", [row("anatomy", 8, 2), row("world_religions", 9, 3)]);
    const score = ({ continuation }: { continuation: string }) => (continuation === " A" ? -1 : -2);
    const { results, out } = await run(
      ["mmlu"],
      { score },
      { source: { dataDir: join(folder, "data") }, shots: 1, limit: 2 },
    );
    expect(results.mmlu).toMatchObject({ n: 3, metrics: { acc: { value: 2 / 3 } } });
    expect(results.mmlu_stem).toMatchObject({ n: 2, metrics: { acc: { value: 0.5 } } });
    expect(results.mmlu_humanities).toMatchObject({ n: 1, metrics: { acc: { value: 1 } } });
    expect(results.mmlu_anatomy).toMatchObject({ n: 2 });
    const [first] = await samplesOf(out, "mmlu");
    const about = "The following are multiple choice questions (with answers) about anatomy.\n\n";
    const choices = "A. w\nB. x\nC. y\nD. z\nAnswer:";
    expect(first!.context).toBe(`${about}anatomy 8?\n${choices} C\n\nanatomy 1?\n${choices}`);
  });
});

describe("answers", () => {
  const problems = Array.from({ length: 4 }, (_, i) => ({
    question: `What is ${i} + 1?`,
    answer: `Easy.\n#### ${i + 1}`,
  }));

  it("finds answers by both filters; an empty one is wrong, a failed one is missing", async () => {
    const file = write("gsm8k.jsonl", problems);
    const said = ["It is 7.\n#### 1", "so 2", "", new Error("server gone")];
    const { results, out } = await run(
      ["gsm8k"],
      { answer: (text) => said[Number(/What is (\d)/.exec(text)![1])]! },
      { files: { gsm8k: file }, shots: 0 },
    );
    expect(results.gsm8k).toMatchObject({ n: 3, missing: 1, details: { empty: 1, cut_off: 0 } });
    expect(results.gsm8k!.metrics.exact_match_strict!.value).toBeCloseTo(1 / 3, 12);
    expect(results.gsm8k!.metrics.exact_match_flexible!.value).toBeCloseTo(2 / 3, 12);
    const samples = await samplesOf(out, "gsm8k");
    expect(samples.map(({ answer_strict, missing }) => missing ?? answer_strict)).toEqual([
      "1",
      "[invalid]",
      "[invalid]",
      "server gone",
    ]);
  });

  it("shows the chat form's examples as turns, and joins them without a template", async () => {
    const file = write("gsm8k.jsonl", problems.slice(0, 1));
    const requests: unknown[] = [];
    const answer = (_: string, request: unknown) => {
      requests.push(request);
      return "The final answer is 1";
    };
    const { results } = await run(["gsm8k_cot_llama"], { answer }, { files: { gsm8k_cot_llama: file } });
    expect(results.gsm8k_cot_llama!.metrics.exact_match_strict!.value).toBe(1);
    expect((requests[0] as { messages: { role: string }[] }).messages.map(({ role }) => role)).toEqual([
      ...Array.from({ length: 8 }, () => ["user", "assistant"]).flat(),
      "user",
    ]);
  });
});

describe("a run that is stopped", () => {
  it("gives the same files when started again, and repeats no call", async () => {
    const arc = write(
      "arc.jsonl",
      Array.from({ length: 100 }, (_, i) => question(i, "ABCD"[i % 4]!)),
    );
    const gsm = write(
      "gsm8k.jsonl",
      Array.from({ length: 12 }, (_, i) => ({ question: `What is ${i} + 1?`, answer: `#### ${i + 1}` })),
    );
    const behaviour: FakeBehaviour = {
      score: ({ context, continuation }) => -((context.length * 7 + continuation.length * 13) % 11),
      answer: (text) => `#### ${(Number(/What is (\d+)/.exec(text)![1]) % 5) + 1}`,
    };
    const files = { arc_easy: arc, gsm8k: gsm };
    const read = (out: string) =>
      ["results.json", "samples/arc_easy.jsonl", "samples/gsm8k.jsonl"].map((name) =>
        readFileSync(join(out, name), "utf8"),
      );
    const whole = await run(["arc_easy", "gsm8k"], behaviour, { files, shots: 0, dir: "whole" });
    const calls = whole.model!.calls;
    expect(calls).toBe(4 + 12);
    for (let killAt = 0; killAt < calls; killAt++) {
      const dir = `stopped-${killAt}`;
      await expect(run(["arc_easy", "gsm8k"], { ...behaviour, killAt }, { files, shots: 0, dir })).rejects.toThrow(
        Killed,
      );
      const again = await run(["arc_easy", "gsm8k"], behaviour, { files, shots: 0, dir });
      expect(again.model!.calls).toBe(calls - killAt);
      expect(read(again.out)).toEqual(read(whole.out));
    }
  });
});

describe("comparison of runs", () => {
  it("pairs rows, and refuses runs on other questions", async () => {
    const rows = Array.from({ length: 40 }, (_, i) => question(i, "A"));
    const files = { arc_easy: write("arc.jsonl", rows) };
    const good = await run(
      ["arc_easy"],
      { score: ({ continuation }) => (continuation === " wood" ? -1 : -2) },
      { files, dir: "a" },
    );
    const bad = await run(
      ["arc_easy"],
      { score: ({ continuation }) => (continuation === " wood" ? -3 : -2) },
      { files, dir: "b" },
    );
    const [acc] = (await compareRuns(bad.out, good.out, { samples: 500 })).comparisons;
    expect(acc).toMatchObject({ suite: "arc_easy", metric: "acc", n: 40, a: 0, b: 1, sign: { wins: 40, losses: 0 } });
    expect(acc!.bootstrap.difference).toBe(1);
    const others = {
      arc_easy: write(
        "other.jsonl",
        rows.map((row) => ({ ...row, answerKey: "B" })),
      ),
    };
    const other = await run(["arc_easy"], { score: () => -1 }, { files: others, dir: "c" });
    await expect(compareRuns(good.out, other.out)).rejects.toThrow(
      /no question has a figure in both .*40 questions are in A alone, 40 in B alone/,
    );
  });
});

describe("expandSuites", () => {
  it("opens sets within sets, each suite once", () => {
    expect(expandSuites(["core", "arc_easy"])).toEqual([
      "mmlu",
      "openbookqa",
      "hellaswag",
      "arc_easy",
      "arc_challenge",
      "gsm8k_cot_llama",
      "piqa",
    ]);
    expect(() => expandSuites(["arc_hard"])).toThrow(UsageError);
  });
});
