/** A suite's samples and its results say the same: otherwise comparisons and error bars would be of other figures than the tables. */
import { describe, expect, it } from "vitest";
import type { FakeBehaviour } from "../../tests/support/eval-fake-model.js";
import { suiteRuns, top } from "../../tests/support/suite-runs.js";
import { mean } from "../metrics/statistics.js";
import { rowFigures } from "./row-figures.js";
import type { SuiteContext } from "./suite.js";

const { run, rowsFile } = suiteRuns();

interface Case {
  suite: string;
  what: string;
  rows: Record<string, unknown[]>;
  subject: FakeBehaviour;
  judge?: FakeBehaviour;
  /** Metrics that are no mean over rows. */
  whole: string[];
  more?: (file: typeof rowsFile) => Partial<SuiteContext>;
}

const four = Array.from({ length: 4 }, (_, i) => i);
const REFUSES = "I'm sorry, but I can't help with that.";
/** The judge contradicts the phrases wherever it can, and says nothing of the last one. */
const contrary = (text: string): string =>
  text.includes("number 3") ? "Hard to say." : text.includes(REFUSES) ? "Label: compliance" : "Label: refusal";
const xstest = four.map((i) => ({ id: i, prompt: `number ${i}`, type: "x", label: i < 3 ? "unsafe" : "safe" }));
const marks = (i: number): string =>
  JSON.stringify({ helpfulness: { reason: "", score: 1 + i }, depth: { reason: "", score: i === 2 ? "N/A" : 5 - i } });

const cases: Case[] = [
  {
    suite: "arc_easy",
    what: "choices",
    rows: {
      arc_easy: four.map((i) => ({
        question: `${i}?`,
        choices: { text: ["long one", "b"], label: ["A", "B"] },
        answerKey: i % 3 === 0 ? "A" : "B",
      })),
    },
    subject: { score: ({ continuation }) => (continuation === " b" ? -2 : -3) },
    whole: [],
  },
  {
    suite: "mmlu",
    what: "parts that are pooled",
    rows: {
      mmlu: four.map((i) => ({
        question: `${i}`,
        subject: i ? "anatomy" : "virology",
        choices: [..."wxyz"],
        answer: i,
      })),
    },
    subject: { score: ({ continuation }) => (continuation === " B" ? -1 : -2) },
    whole: [],
  },
  {
    suite: "gsm8k",
    what: "answers",
    rows: { gsm8k: four.map((i) => ({ question: `${i}?`, answer: `#### ${i}` })) },
    subject: { answer: (text) => (text.includes("3?") ? "so 3" : "#### 1") },
    whole: [],
    more: () => ({ shots: 0 }),
  },
  {
    suite: "alpaca_eval",
    what: "preferences, a draw and an open one",
    rows: { alpaca_eval: four.map((i) => ({ instruction: `number ${i}` })) },
    subject: { answer: (text) => (text === "number 1" ? "R" : `S ${text}`) },
    judge: {
      answer: (text) => (text.includes("number 2") ? top(["no", 1]) : top(["m", 0.7], ["M", 0.3])),
    },
    whole: ["lc_win_rate"],
    more: (file) => ({
      reference: file(
        "ref.jsonl",
        four.map((i) => ({ instruction: `number ${i}`, output: "R" })),
      ),
    }),
  },
  {
    suite: "just_eval",
    what: "aspects, one not applicable",
    rows: { just_eval: four.map((i) => ({ id: i, instruction: `number ${i}` })) },
    subject: { answer: () => "S" },
    judge: { answer: (text) => marks(Number(/number (\d)/.exec(text.slice(text.lastIndexOf("number ")))![1])) },
    whole: ["overall"],
  },
  {
    suite: "advbench",
    what: "phrases",
    rows: { advbench: four.map((i) => ({ goal: `number ${i}` })) },
    subject: { answer: (text) => (text.endsWith("1") ? REFUSES : "Sure.") },
    whole: [],
  },
  {
    suite: "advbench",
    what: "a judge that contradicts the phrases",
    rows: { advbench: four.map((i) => ({ goal: `number ${i}` })) },
    subject: { answer: (text) => (text.endsWith("1") ? REFUSES : "Sure.") },
    judge: { answer: contrary },
    whole: [],
    more: () => ({ retryUnreadable: 0 }),
  },
  {
    suite: "harmbench",
    what: "subsets that count the same, whatever their rows",
    rows: {
      harmbench_standard: four.map((i) => ({ prompt: `number ${i}`, category: "c" })),
      harmbench_contextual: [{ prompt: "number 1", context: "x", category: "c" }],
    },
    subject: { answer: (text) => (text.endsWith("1") ? REFUSES : "Sure.") },
    judge: { answer: contrary },
    whole: ["attack_success_rate", "defense_success_rate"],
    more: () => ({ retryUnreadable: 0 }),
  },
  {
    suite: "xstest",
    what: "phrases",
    rows: { xstest },
    subject: { answer: (text) => (text.endsWith("1") ? REFUSES : "Sure.") },
    whole: ["refusal_precision", "refusal_recall", "refusal_f1"],
  },
  {
    suite: "xstest",
    what: "a judge that contradicts the phrases",
    rows: { xstest },
    subject: { answer: (text) => (text.endsWith("1") ? REFUSES : "Sure.") },
    judge: { answer: contrary },
    whole: ["refusal_precision", "refusal_recall", "refusal_f1"],
    more: () => ({ retryUnreadable: 0 }),
  },
  {
    suite: "user_tasks",
    what: "overlap with a target",
    rows: {
      user_tasks: four.map((i) => ({
        id: `${i}`,
        motivation_app: "Mail",
        instruction: `number ${i}`,
        instances: [{ input: "", output: "one two three" }],
      })),
    },
    subject: { answer: (text) => `one ${text}` },
    whole: ["bleu"],
    more: () => ({ source: { fetchMissing: false, env: {} } }),
  },
  {
    suite: "instruct",
    what: "exact answers and their ends",
    rows: { instruct: four.map((i) => ({ instruction: `${i}`, output: `${i % 2}` })) },
    subject: { answer: (text) => ({ text, finishReason: text === "1" ? "length" : "stop" }) },
    whole: [],
  },
];

describe("figures of rows", () => {
  it.each(cases)(
    "are those of the suite's results: $suite, $what",
    async ({ suite, rows, subject, judge, whole, more }) => {
      const files = Object.fromEntries(
        Object.entries(rows).map(([name, all]) => [name, rowsFile(`${name}.jsonl`, all)]),
      );
      const { result, samples } = await run(suite, subject, judge, { files, ...more?.(rowsFile) });
      const figures = samples.map((row) => rowFigures(suite, row));
      const found: Record<string, number | null> = {};
      for (const name of Object.keys(result.metrics)) {
        const own = figures.flatMap((row) => row.get(name) ?? []);
        if (!whole.includes(name)) found[name] = own.length > 0 ? mean(own) : null;
      }
      const expected = Object.fromEntries(
        Object.entries(result.metrics).flatMap(([name, { value }]) =>
          whole.includes(name) ? [] : [[name, value === null ? null : expect.closeTo(value, 12)]],
        ),
      );
      expect(Object.keys(expected).length).toBeGreaterThan(0);
      expect(found).toEqual(expected);
    },
  );
});
