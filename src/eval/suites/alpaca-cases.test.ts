/** Judges as servers speak them, through HTTP: each answer names how the judge replies to it. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { suiteRuns } from "../../../tests/support/suite-runs.js";
import { readAllJsonl } from "../../files/jsonl.js";
import { withJournal } from "../../llm/journal.js";
import { OpenAiCompatibleModel } from "../../llm/openai-compatible.js";
import { areOutputsSwitched } from "../../metrics/alpaca-preference.js";
import { runSuites } from "../run-suites.js";

const { write, rowsFile, inFolder } = suiteRuns();

type Top = [token: string, logprob: number | null][];

const place = (token: string, top: Top | null) => ({
  token,
  logprob: top?.[0]?.[1] ?? 0,
  ...(top ? { top_logprobs: top.map(([each, logprob]) => ({ token: each, logprob })) } : {}),
});
const said = (content: unknown, places?: object[], finish_reason = "stop", more: object = {}) => ({
  message: { role: "assistant", content, ...more },
  finish_reason,
  ...(places ? { logprobs: { content: places } } : {}),
});

const ln = Math.log;
const BOTH: Top = [
  ["M", ln(0.75)],
  ["m", ln(0.25)],
];

/** What the judge replies, and the share of M that is read; undefined: nothing. `text`: read from the text. */
const CASES: Record<string, { choice: object; share?: number; text?: true }> = {
  normal: { choice: said("M", [place("M", BOTH)], "length"), share: 0.75 },
  space: { choice: said(" M", [place(" M", [[" M", ln(0.6)], [" m", ln(0.4)]])]), share: 0.6 }, // biome-ignore format: a line a case
  sep: { choice: said("M", [place("M", [["M", ln(0.5)], [" M", ln(0.25)], ["m", ln(0.25)]])]), share: 0.75 }, // biome-ignore format: a line a case
  nologprobs: { choice: said("M"), share: 1, text: true },
  nulllogprobs: { choice: { ...said("m"), logprobs: null }, share: 0, text: true },
  emptycontent: { choice: said("M", []), share: 1, text: true },
  notop: { choice: said("m", [place("m", null)]), share: 0, text: true },
  think: {
    choice: said("<think>m?</think>M", [
      place("<think>", [["<think>", 0]]),
      place("m", [["m", -0.01]]),
      place("?", [["?", 0]]),
      place("</think>", [["</think>", 0]]),
      place("M", BOTH),
    ]),
    share: 0.75,
  },
  onlym: { choice: said("m", [place("m", [["m", ln(0.2)], ["The", ln(0.8)]])]), share: 0 }, // biome-ignore format: a line a case
  minf: { choice: said("M", [place("M", [["M", 0], ["m", -9999]])]), share: 1 }, // biome-ignore format: a line a case
  nullp: { choice: said("M", [place("M", [["M", 0], ["m", null]])]), share: 1 }, // biome-ignore format: a line a case
  paren: { choice: said("(M)", [place("(", [["(", 0]]), place("M", BOTH), place(")", [[")", 0]])]), share: 0.75 },
  parts: { choice: said([{ type: "thinking", thinking: "m" }, { type: "text", text: "M" }]), share: 1, text: true }, // biome-ignore format: a line a case
  hiddenthoughts: { choice: said(null, undefined, "length", { reasoning_content: "m is sho" }) },
  filtered: { choice: said(null, undefined, "content_filter") },
  neither: { choice: said("Both are good.", [place("Both", [["Both", 0]])]) },
};

let server: Server;
let asked: string[] = [];
beforeAll(async () => {
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const prompt = (JSON.parse(body) as { messages: { content: string }[] }).messages.at(-1)!.content;
      asked.push(prompt);
      const { choice } = CASES[/CASE:(\w+)/.exec(prompt)![1]!]!;
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ choices: [{ index: 0, ...choice }], usage: {} }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterAll(() => void server.close());

const instructionOf = (name: string): string => `q ${name}`;

/** Judges answers `CASE:…` to the questions given; equal questions are asked as often as they stand there. */
async function judged(rows: string[], outputs: [string, string][], references: [string, string][]) {
  asked = [];
  const out = inFolder("out");
  const file = (name: string, entries: [string, string][], generator: string) =>
    write(name, JSON.stringify(entries.map(([instruction, output]) => ({ instruction, output, generator }))));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const model = new OpenAiCompatibleModel(`openai:judge@${url}`, { env: {}, retries: 0 });
  const judge = withJournal(model, join(out, "journal-judge.jsonl"));
  try {
    const results = await runSuites(["alpaca_eval"], {
      judge,
      judgeName: "judge",
      generator: "me",
      out,
      source: {},
      files: { alpaca_eval: rowsFile("rows.jsonl", rows.map((instruction) => ({ instruction, dataset: "d" }))) }, // biome-ignore format: short
      outputs: [file("out.json", outputs, "me")],
      reference: file("ref.json", references, "ref"),
      skipInvalid: false,
      say: () => {},
      progress: () => () => {},
    });
    return { result: results.alpaca_eval!, samples: await readAllJsonl(join(out, "samples", "alpaca_eval.jsonl")) };
  } finally {
    judge.close();
  }
}

it("reads every form in which servers give letters and their probabilities", async () => {
  const names = Object.keys(CASES);
  const { result, samples } = await judged(
    names.map(instructionOf),
    names.map((name) => [instructionOf(name), `CASE:${name} answer`]),
    names.map((name) => [instructionOf(name), "reference"]),
  );
  for (const [i, name] of names.entries()) {
    const { share, text } = CASES[name]!;
    const sample = samples[i]!;
    if (share === undefined) {
      expect(sample, name).not.toHaveProperty("preference");
      expect(String(sample.missing), name).toMatch(/names neither|thinking/);
      continue;
    }
    // The letter says which of the two that were shown is better: shown first is m.
    const isSwitched = areOutputsSwitched(instructionOf(name));
    expect(sample.preference, name).toBeCloseTo(isSwitched ? 2 - share : 1 + share, 12);
    expect(sample.from_text, name).toBe(text);
  }
  const read = names.filter((name) => CASES[name]!.share !== undefined).length;
  expect(result).toMatchObject({ n: read, missing: names.length - read, details: { from_text: 5 } });
  expect(asked).toHaveLength(names.length); // none is asked in vain
});

it("pairs equal questions in order, counts what has no partner, and asks nothing of equal answers", async () => {
  const { result, samples } = await judged(
    ["q normal", "q same", "q dup", "q dup", "q nout", "q noref"],
    [
      ["q normal", "CASE:normal long"],
      ["q same", "same text"],
      ["q dup", "CASE:normal one"],
      ["q dup", "CASE:normal two"],
      ["q noref", "CASE:normal"],
    ],
    [
      ["q normal", "reference"],
      ["q same", "same text"],
      ["q dup", "reference A"],
      ["q dup", "reference B"],
      ["q nout", "reference"],
    ],
  );
  expect(result).toMatchObject({ n: 4, missing: 2 });
  expect(samples.map(({ output, reference, missing }) => missing ?? [output, reference])).toEqual([
    ["CASE:normal long", "reference"],
    ["same text", "same text"],
    ["CASE:normal one", "reference A"],
    ["CASE:normal two", "reference B"],
    "not in the file of answers",
    "the reference has no answer to it",
  ]);
  expect(samples[1]!.preference).toBe(1.5);
  expect(asked).toHaveLength(3);
});
