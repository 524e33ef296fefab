import { describe, expect, it } from "vitest";
import { rootVerbAndObject, verbFigures } from "./verb-noun.js";

/** Read by hand. */
const CASES: [instruction: string, verb?: string, noun?: string][] = [
  ["Write a short story about a lighthouse.", "write", "story"],
  ["Please list three ripe fruits.", "list", "fruit"],
  ["Give me two good reasons to walk.", "give", "reason"],
  ["Brainstorm a list of names for a cat.", "brainstorm", "list"],
  ["Plan a weekly lunch menu for a school.", "plan", "menu"],
  ["Make up a new flavour of ice cream.", "make", "flavour"],
  ["Given a set of numbers, find all large numbers.", "find", "number"],
  ["Using the facts below, compose a letter.", "compose", "letter"],
  ["Rewrite the following sentence politely.", "rewrite", "sentence"],
  ["Tell me why the sky is blue.", "tell"],
  ["Explain how to tie a knot.", "explain"],
  ["Given a sentence, translate it into French.", "translate"],
  ["What is the capital of Peru?"],
  ["I am planning a trip to Oslo.", "plan", "trip"],
  ["Classify whether the email is spam.", "classify"],
  ["Generate a creative and funny slogan.", "generate", "slogan"],
  ["42"],
  [""],
];

describe("root verbs and their objects", () => {
  it.each(CASES)("%s", (instruction, verb, noun) => {
    expect(rootVerbAndObject(instruction)).toEqual({ ...(verb && { verb }), ...(noun && { noun }) });
  });

  it("counts pairs, most frequent first", () => {
    const figures = verbFigures(
      ["Write a poem.", "Write a letter.", "Write two poems.", "Sort the list.", "Explain how to swim.", "Who is it?"],
      0,
    );
    expect(figures).toMatchObject({
      instructions: 6,
      of: 6,
      withVerb: 5,
      withNoun: 4,
      distinctVerbs: 3,
      distinctPairs: 3,
    });
    expect(figures.verbs).toEqual([
      {
        verb: "write",
        count: 3,
        nouns: [
          { noun: "poem", count: 2 },
          { noun: "letter", count: 1 },
        ],
      },
      { verb: "sort", count: 1, nouns: [{ noun: "list", count: 1 }] },
    ]);
  });
});
