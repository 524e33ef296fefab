import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { FakeModel } from "../../tests/support/eval-fake-model.js";
import { bootstrapInstructions } from "./bootstrap.js";
import { chatVerdict } from "./classify.js";
import { parseInstances } from "./parse-instances.js";
import { plainTranscript } from "./plain-transcript.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evoke-chat-mode-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const seeds = ["name", "sort", "count", "write", "find", "translate", "explain", "compare"].map(
  (verb, i) =>
    `${verb} the ${["rivers", "words", "stars", "poems", "roots", "songs", "tides", "metals"][i]} of a place`,
);

const bootstrap = (answer: string, rest: object = {}) =>
  bootstrapInstructions({
    path: join(folder, "instructions.jsonl"),
    model: new FakeModel({ answer: () => answer }),
    seedInstructions: seeds,
    count: 2,
    seed: 1,
    lead: "Tasks:",
    perPrompt: 8,
    machinePerPrompt: 2,
    requestsPerBatch: 1,
    threshold: 0.7,
    sampling: { maxTokens: 10 },
    cutResponses: "drop",
    maxIdleBatches: 2,
    chat: true,
    ...rest,
  });

it("takes a chat model's list, and counts what each rule left out", async () => {
  const reply =
    "Sure! Here are more:\n\n**9.** Summarise a long article kindly.\n\n- Draw a picture of the sea for me.\n10) Too short\n11. Invent a holiday for shy people.\n\nLet me know!";
  const report = await bootstrap(reply);
  const lines = readFileSync(join(folder, "instructions.jsonl"), "utf8").trim().split("\n");
  expect(lines.map((line) => JSON.parse(line).instruction)).toEqual([
    "Summarise a long article kindly.",
    "Invent a holiday for shy people.",
  ]);
  expect(report.dropped).toEqual({ "fewer than 4 words": 1, "a word such as image, file or draw": 1 });
});

it("says which rule took the most when it gives up", async () => {
  await expect(bootstrap("Sure! Here are some tasks:")).rejects.toThrow(
    /0 of 2 instructions after 2 requests.*0 too similar, 2 × no list in the response/,
  );
  await expect(bootstrap(`1. ${seeds[0]}`)).rejects.toThrow(/2 too similar\); use a stronger model, a higher temper/);
});

it.each([
  ["Yes", "Yes"],
  ["**No.**", "No"],
  ["<think>Is it? No labels… yes.</think>\nNo, it is not.", "No"],
  ["The answer is yes", "Yes"],
  ["I know nothing", undefined],
  ["", undefined],
])("reads the verdict of %j", (reply, verdict) => {
  expect(chatVerdict(reply)).toBe(verdict);
});

it.each<[string, string, boolean]>([
  [
    "bold labels",
    "Sure:\n\n**Example 1**\n**Input:** a b\n**Output:** b a\n\n**Example 2**\n**Input:** c\n**Output:** d",
    false,
  ],
  ["headings", "### Example 1\nInput: a b\nOutput: b a\n\n### Example 2\nInput: c\nOutput: d", false],
  [
    "thoughts and a fence",
    "<think>Output: x</think>\n```\nExample 1\nInput: a b\nOutput: b a\nExample 2\nInput: c\nOutput: d\n```",
    false,
  ],
  ["bullets", "Example 1:\n- Input: a b\n- Output: b a\n---\nExample 2:\n- Input: c\n- Output: d", false],
  ["small letters", "example 1\ninput: a b\noutput: b a\nexample 2\ninput: c\noutput: d", false],
  ["class labels", "Of course!\n\n**Class label:** b a\na b\n\n**Class label:** d\nc", true],
])("reads a chat model's examples with %s", (_, reply, isClassification) => {
  expect(parseInstances(plainTranscript(reply), "t", isClassification, false)).toEqual([
    { instruction: "t", input: "a b", output: "b a" },
    { instruction: "t", input: "c", output: "d" },
  ]);
});
