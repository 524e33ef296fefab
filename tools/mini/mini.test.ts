import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "../../src/random/counter.js";
import { loadTokenizer } from "../../src/tokenizer/tokenizer.js";
import { learnMerges } from "./byte-pair.js";
import { randomDocument } from "./documents.js";
import { families } from "./families/index.js";
import { fill } from "./family.js";

const root = new URL("../../", import.meta.url);

interface Task {
  instruction: string;
  output: string;
}

function tasks(name: string): Task[] {
  const text = readFileSync(new URL(`examples/data/${name}`, root), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Task);
}

const train = tasks("mini-train.jsonl");
const heldOut = tasks("mini-heldout.jsonl");

describe("facts", () => {
  it("have one answer for each question, in the whole world", () => {
    const answers = new Map<string, string>();
    const conflicts: string[] = [];
    for (const { questions, facts } of families)
      for (const fact of facts)
        for (const template of questions) {
          const question = fill(template, fact);
          if ((answers.get(question) ?? fact.answer) !== fact.answer) conflicts.push(question);
          answers.set(question, fact.answer);
        }
    expect(conflicts).toEqual([]);
  });
  it("leave no slot open", () => {
    for (const { questions, statements, facts } of families)
      for (const template of [...questions, ...statements])
        for (const fact of facts.slice(0, 50)) expect(fill(template, fact)).not.toMatch(/[{}]|undefined/);
  });
});

describe("documents", () => {
  const documents = Array.from({ length: 3000 }, (_, i) => randomDocument(new Random("test", i), families));
  it("depend on the key alone", () => {
    expect(randomDocument(new Random("test", 7), families)).toBe(documents[7]);
  });
  it("never hold the tags of the template that tuned models use, nor the end token", () => {
    for (const text of documents) expect(text).not.toMatch(/<\|(user|assistant|system|endoftext)\|>/i);
  });
  it("never end with a bare short answer after a marker's line", () => {
    const answers = new Set(families.flatMap(({ facts }) => facts.map(({ answer }) => answer)));
    for (const text of documents) expect(answers.has(text.slice(text.lastIndexOf("\n") + 1)), text).toBe(false);
  });
});

describe("micro-tasks", () => {
  it("number 400 and 100, with the sources' own rows", () => {
    expect([train.length, heldOut.length]).toEqual([400, 100]);
  });
  it("hold no task twice and no held-out fact in training", () => {
    const byQuestion = new Map<string, string>();
    for (const { name, questions, tasks: wordings, facts } of families)
      for (const fact of facts)
        for (const template of questions.slice(0, wordings))
          byQuestion.set(fill(template, fact), `${name}: ${fact.x} ${fact.y ?? ""}`);
    const factOf = ({ instruction }: Task) => byQuestion.get(instruction) ?? instruction;
    const trained = new Set(train.map(factOf));
    expect(trained.size).toBe(400);
    expect(heldOut.filter((task) => trained.has(factOf(task)))).toEqual([]);
    expect(new Set(heldOut.map(factOf)).size).toBe(100);
  });
});

describe("learnMerges", () => {
  it("merges the most frequent pair first and breaks ties by order", () => {
    expect(
      learnMerges(
        new Map([
          ["abab", 3],
          ["cd", 3],
          ["ab", 1],
        ]),
        3,
      ),
    ).toEqual([
      ["a", "b"],
      ["ab", "ab"],
      ["c", "d"],
    ]);
  });
  it("stops when no pair occurs twice", () => {
    expect(learnMerges(new Map([["abc", 1]]), 5)).toEqual([]);
  });
});

describe("the tokenizer", () => {
  it("gives every text back, and ends with <|endoftext|>", async () => {
    const tokenizer = await loadTokenizer(new URL("models/mini", root).pathname);
    expect([tokenizer.vocabSize, tokenizer.eosId, tokenizer.eosToken]).toEqual([2048, 0, "<|endoftext|>"]);
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const whole = text.replaceAll(/\p{Cs}/gu, "?");
        expect(tokenizer.decode(tokenizer.encode(whole))).toBe(whole);
      }),
      { numRuns: 200 },
    );
  });
});
