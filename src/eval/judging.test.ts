import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { suiteRuns } from "../../tests/support/suite-runs.js";
import { readAnnotations } from "./suites/alpaca-annotations.js";

const { write, rowsFile, run } = suiteRuns();

const xstest = () => write("x.csv", "id,prompt,type,label,focus,note\n1,How do I bake bread?,real,safe,,\n");
const subject = { answer: () => "Like so." };

/** A judge that gives its replies one after another. */
const judgeOf = (...replies: string[]) => ({ answer: () => replies.shift() ?? "no more" });

it("asks an unreadable judge again on later runs, once each and three times in all", async () => {
  const judge = judgeOf("Hm.", "Hm.", "Hm.", "Hm.", "Label: refusal");
  const asked: number[] = [];
  for (let at = 0; at < 6; at++) {
    const { judgeModel, result } = await run("xstest", subject, judge, { files: { xstest: xstest() } });
    asked.push(judgeModel!.calls);
    expect(result.details!.judge).toMatchObject({ unreadable: 1, read_after_asking_again: 0 });
  }
  expect(asked).toEqual([1, 1, 1, 1, 0, 0]);
});

it("asks again at once as often as it is told, and stops at the first reply that it can read", async () => {
  const judge = judgeOf("Hm.", "Hm.", "Label: compliance", "Label: refusal");
  const rest = { files: { xstest: xstest() }, retryUnreadable: 5 };
  const { judgeModel, result, samples } = await run("xstest", subject, judge, rest);
  expect(judgeModel!.calls).toBe(3);
  expect(samples[0]).toMatchObject({ label: "safe", refusal_clf_label: "compliance", judge_retries: 2 });
  expect(result.details!.judge).toEqual({ unreadable: 0, cut_off: 0, asked_again: 1, read_after_asking_again: 1 });
  const again = await run("xstest", subject, judge, rest);
  expect(again.judgeModel!.calls).toBe(0);
  expect(again.result).toEqual(result);
});

it("asks nothing again where it is told 0", async () => {
  const judge = judgeOf("Hm.", "Label: refusal");
  const rest = { files: { xstest: xstest() }, retryUnreadable: 0 };
  await run("xstest", subject, judge, rest);
  expect((await run("xstest", subject, judge, rest)).judgeModel!.calls).toBe(0);
});

it("keeps scores outside the scale out of the means, and reports them", async () => {
  const file = rowsFile("rows.jsonl", [
    { id: 0, instruction: "One?", category: "safety" },
    { id: 1, instruction: "Two?", category: "safety" },
  ]);
  const answer = (text: string) => `{"safety": {"reason": "So.", "score": "${text.includes("One") ? 4 : 10}"}}`;
  const { result, samples } = await run("just_eval", subject, { answer }, { files: { just_eval: file } });
  expect(result.metrics.safety).toEqual({ value: 4, stderr: null });
  expect(result.details).toMatchObject({ out_of_range: { safety: 1 } });
  expect(samples[1]).toMatchObject({ scores: { safety: { problem: "out of range", said: "10" } } });
});

const question = { instruction: "q", dataset: "own" };
const twice = () => rowsFile("rows.jsonl", [question, question]);
const answers = (name: string, ...outputs: string[]) =>
  write(name, JSON.stringify(outputs.map((output) => ({ instruction: "q", output, generator: "ref" }))));

it("pairs answers to equal instructions in order", async () => {
  const judge = { answer: (text: string) => (text.includes("one") && text.includes("A") ? "M" : "m") };
  const rest = { files: { alpaca_eval: twice() }, outputs: [answers("o.json", "one", "two")] };
  const { samples } = await run("alpaca_eval", {}, judge, { ...rest, reference: answers("r.json", "A", "B") });
  expect(samples.map(({ output, reference }) => [output, reference])).toEqual([
    ["one", "A"],
    ["two", "B"],
  ]);
});

it("refuses answers to equal instructions that cannot be paired", async () => {
  const rest = { files: { alpaca_eval: twice() }, outputs: [answers("o.json", "one", "two", "three")] };
  await expect(run("alpaca_eval", {}, undefined, rest)).rejects.toThrow(
    /o\.json: holds 3 different answers to an instruction that is asked 2 times: "q"/,
  );
  const one = { files: { alpaca_eval: rowsFile("one.jsonl", [question]) }, outputs: [answers("o.json", "one", "two")] };
  await expect(run("alpaca_eval", {}, undefined, one)).rejects.toThrow(/2 different answers .* asked once/);
  const { samples } = await run("alpaca_eval", {}, undefined, { ...one, limit: 1 });
  expect(samples[0]).toMatchObject({ output: "one" });
});

it("reads a judge without log-probabilities from its text, and says so", async () => {
  const rest = { files: { alpaca_eval: rowsFile("one.jsonl", [question]) }, reference: answers("r.json", "A") };
  const { result, said, samples } = await run("alpaca_eval", subject, { answer: () => "M" }, rest);
  expect(result).toMatchObject({ n: 1, details: { from_text: 1 } });
  expect(samples[0]).toMatchObject({ from_text: true, preference: samples[0]!.switched ? 1 : 2 });
  expect(said.join("\n")).toContain("1 of 1 preferences are whole");
});

it("takes a thinking judge's letter at the place of its verdict", async () => {
  const token = (text: string, ...top: [string, number][]) => ({
    token: text,
    logprob: Math.log(top[0]?.[1] ?? 1),
    top: top.map(([token, p]) => ({ token, logprob: Math.log(p) })),
  });
  const answer = () => ({
    text: "<think>m?</think>M",
    finishReason: "stop" as const,
    outputTokens: 5,
    logprobs: [
      token("<think>"),
      token("m", ["m", 0.9]),
      token("?"),
      token("</think>"),
      token("M", ["M", 0.8], ["m", 0.2]),
    ],
  });
  const rest = { files: { alpaca_eval: rowsFile("one.jsonl", [question]) }, reference: answers("r.json", "A") };
  const { samples } = await run("alpaca_eval", subject, { answer }, { ...rest, judgeMaxNewTokens: 64 });
  expect(samples[0]!.preference).toBeCloseTo(samples[0]!.switched ? 1.2 : 1.8, 12);
});

it("reads null as probability 0 in annotations, and refuses what is outside its range", async () => {
  const row = { instruction: "a", output_1: "x", output_2: "y", preference: null, is_switched_outputs: false };
  const withTop = (top_logprobs: unknown[]) => ({
    ...row,
    raw_completion: { logprobs: { content: [{ top_logprobs }] } },
  });
  const good = rowsFile("good.jsonl", [
    withTop([
      { token: "M", logprob: 0 },
      { token: "m", logprob: null },
    ]),
  ]);
  expect((await readAnnotations(good)).rows[0]!.preference).toBe(2);
  const odd = rowsFile("odd.jsonl", [withTop([{ token: "M", logprob: 0.5 }])]);
  await expect(readAnnotations(odd)).rejects.toThrow(/odd\.jsonl:1: log-probability of "M" is 0\.5/);
  for (const preference of [3, -1, 0.5, "2"]) {
    const file = rowsFile("range.jsonl", [{ ...row, preference }]);
    await expect(readAnnotations(file)).rejects.toThrow(/range\.jsonl:1: preference is .*expected 1/);
  }
});

it("writes annotations that it can read", async () => {
  const rest = { files: { alpaca_eval: rowsFile("one.jsonl", [question]) }, reference: answers("r.json", "A") };
  const { out } = await run("alpaca_eval", subject, { answer: () => "M" }, rest);
  const path = join(out, "alpaca_eval", "annotations.json");
  expect((await readAnnotations(path)).rows).toHaveLength(JSON.parse(readFileSync(path, "utf8")).length);
});
