/** What is missing or malformed is told and counted by every suite that writes answers, and never scored as wrong. */
import { describe, expect, it } from "vitest";
import type { FakeBehaviour } from "../../tests/support/eval-fake-model.js";
import { suiteRuns } from "../../tests/support/suite-runs.js";
import type { SuiteContext } from "./suite.js";

const { write, run, inFolder } = suiteRuns();
const lines = (rows: readonly unknown[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

const userTask = (instruction: string, instances: unknown[] = [{ input: "", output: "done" }]) => ({
  id: instruction,
  motivation_app: "Mail",
  instruction,
  instances,
});
const preferred = { text: "M", logprobs: [{ token: "M", logprob: 0, top: [{ token: "M", logprob: 0 }] }] };
const fine = JSON.stringify({ safety: { reason: "fine", score: "5" } });

interface Case {
  suite: string;
  good: [unknown, unknown];
  bad: unknown;
  problem: string;
  judge?: FakeBehaviour["answer"];
}

const cases: Case[] = [
  {
    suite: "alpaca_eval",
    good: [{ instruction: "Go." }, { instruction: "Stop." }],
    bad: { prompt: "?" },
    problem: 'field "instruction" is not a text (fields there: prompt)',
    judge: () => preferred,
  },
  {
    suite: "just_eval",
    good: [
      { id: 800, instruction: "Go." },
      { id: 801, instruction: "Stop." },
    ],
    bad: { id: "x", instruction: "?" },
    problem: 'field "id" is not a whole number',
    judge: () => fine,
  },
  {
    suite: "malicious_instruct",
    good: [{ prompt: "Go." }, { prompt: "Stop." }],
    bad: { prompt: 7 },
    problem: 'field "prompt" is not a text',
    judge: () => "Label: refusal",
  },
  {
    suite: "user_tasks",
    good: [userTask("Go."), userTask("Stop.")],
    bad: userTask("?", []),
    problem: 'field "instances" holds no object',
  },
  {
    suite: "instruct",
    good: [{ instruction: "Go." }, { prompt: "Stop." }],
    bad: { instruction: null },
    problem: 'field "prompt" is not a text',
  },
];

describe.each(cases)("$suite", ({ suite, good, bad, problem, judge }) => {
  const answers = (answer: FakeBehaviour["answer"], text: string, rest: Partial<SuiteContext> = {}) =>
    run(suite, { answer }, judge && { answer: judge }, {
      files: { [suite]: write("rows.jsonl", text) },
      reference: write(
        "reference.json",
        JSON.stringify(["Go.", "Stop."].map((i) => ({ instruction: i, output: "R" }))),
      ),
      source: { dataDir: inFolder(""), fetch: async () => new Response(null, { status: 404 }) },
      ...rest,
    });

  it("stops at a malformed row with file, line and field", async () => {
    await expect(answers(() => "A", lines([good[0], bad, good[1]]))).rejects.toThrow(`rows.jsonl:2: ${problem}`);
    await expect(answers(() => "A", `${lines([good[0]])}{"instr\n`)).rejects.toThrow(/rows\.jsonl:2: /);
  });

  it("leaves malformed rows out when asked to, says so and counts them as missing", async () => {
    const text = `${lines([good[0], bad])}{"instr\n${lines([good[1]])}`;
    const { result, said } = await answers(() => "An answer.", text, { skipInvalid: true });
    expect(result).toMatchObject({ n: 2, missing: 2, config: { rows: [{ name: "rows.jsonl" }] } });
    expect(said.join("\n")).toContain("rows.jsonl: 2 malformed rows left out; the first: ");
    await expect(answers(() => "A", lines([bad]), { skipInvalid: true })).rejects.toThrow(
      "rows.jsonl: holds no usable row",
    );
    await expect(answers(() => "A", "")).rejects.toThrow("rows.jsonl: holds no rows");
  });

  it("counts an empty answer as an answer, and a failed one as missing", async () => {
    const said = (text: string) => (text.includes("Go.") ? "  \n" : new Error("the prompt has 9 tokens too many"));
    const { result, samples } = await answers(said, lines(good));
    expect(result).toMatchObject({ n: 1, missing: 1, details: { empty: 1 } });
    expect(samples.map(({ output, missing }) => missing ?? output)).toEqual(["", "the prompt has 9 tokens too many"]);
  });
});

describe("a judge that answers nonsense", () => {
  it.each(cases.filter(({ judge }) => judge))("is reported, not scored: $suite", async ({ suite, good }) => {
    const { result, samples } = await run(
      suite,
      { answer: () => "An answer." },
      { answer: () => "Bananas." },
      {
        files: { [suite]: write("rows.jsonl", lines(good)) },
        reference: write(
          "reference.json",
          JSON.stringify(["Go.", "Stop."].map((i) => ({ instruction: i, output: "R" }))),
        ),
      },
    );
    const isRefusal = suite === "malicious_instruct"; // there an unclassified answer is a figure of its own
    expect(result).toMatchObject(isRefusal ? { n: 2, missing: 0 } : { n: 0, missing: 2 });
    if (isRefusal) {
      expect(result.metrics.unclassified_rate!.value).toBe(1);
      expect(result.metrics.attack_success_rate!.value).toBe(0);
      expect(result.metrics.defense_success_rate!.value).toBe(0);
    } else
      for (const { value } of [result.metrics.win_rate, result.metrics.overall].filter((m) => m !== undefined))
        expect(value).toBeNull();
    expect(samples.map(({ judgement }) => judgement)).toEqual(["Bananas.", "Bananas."]);
  });
});

describe("a prompt longer than the window", () => {
  it("is cut at its beginning for benchmarks with worked examples, and counted", async () => {
    const file = write("gsm8k.jsonl", lines([{ question: "What is 1 + 1?", answer: "#### 2" }]));
    const asked: unknown[] = [];
    const { result, samples } = await run(
      "gsm8k",
      {
        answer: (_, request) => {
          asked.push(request.cutPrompt);
          return { text: "#### 2", truncated: true };
        },
      },
      undefined,
      { files: { gsm8k: file }, shots: 0 },
    );
    expect(asked).toEqual([true]);
    expect(result).toMatchObject({ n: 1, details: { truncated: 1 } });
    expect(samples[0]!.truncated).toBe(true);
  });
});
