import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { capitalize, strip, words } from "./python-text.js";
import { shapeRow } from "./row-shapes.js";

const pair = (prompt: string, completion: string) => [{ prompt, completion }];

describe("shapeRow", () => {
  it.each([
    [{ prompt: "p", completion: "c", input: "unused" }, pair("p", "c")],
    [{ instruction: "i", input: "", output: "o" }, pair("i", "o")],
    [{ instruction: "i", input: null, output: "o" }, pair("i", "o")],
    [{ instruction: "i", input: "x", output: "" }, pair("i\n\nx", "")],
    [{ instruction: "i", input: " ", output: "o" }, pair("i\n\n ", "o")],
    [{ instruction: "i", context: "x", response: "o" }, pair("i\n\nx", "o")],
    [{ question: "q", answer: "a" }, pair("q", "a")],
    [{ conversations: ["q", "a"] }, pair("q", "a")],
    [
      {
        conversations: [
          { from: "human", value: "q" },
          { from: "gpt", value: "a" },
        ],
      },
      pair("q", "a"),
    ],
    [{ conversations: ["q", "a", "q", "a"] }, "multi-turn"],
    [{ instruction: "i", output: "o", history: [["a", "b"]] }, "multi-turn"],
    [{ system: "S", conversations: ["q", "a"] }, pair("S\n\nq", "a")],
    [
      {
        messages: [
          { role: "user", content: [{ type: "text", text: "q" }] },
          { role: "assistant", content: "a" },
        ],
      },
      pair("q", "a"),
    ],
    [
      {
        instruction: "i",
        is_classification: false,
        instances: [
          { input: "", output: "a" },
          { input: "x", output: "b" },
        ],
      },
      [...pair("i", "a"), ...pair("i\n\nx", "b")],
    ],
  ])("%j", (row, expected) => {
    expect(shapeRow(row)).toEqual(expected);
  });

  it.each([
    [{ instruction: "i", output: 3 }, 'the field "output" is not a text'],
    [{ tools: [{}], conversations: ["q", "a"] }, 'the field "tools" has no place in a prompt and its completion'],
    [
      {
        messages: [
          { role: "user", content: "q" },
          { role: "assistant", content: "a", weight: 0 },
        ],
      },
      "a turn of the conversation is not to be learnt (weight, train or loss)",
    ],
    [{ prompt: null, completion: "c" }, 'the field "prompt" is not a text'],
    [{ instruction: "", output: "o" }, 'the field "instruction" is empty'],
    [{ instruction: "i", input: 1, output: "o" }, 'the field "input" is not a text'],
    [{ conversations: ["only one"] }, "the conversation has no response"],
    [{ messages: [{ role: "user", content: [{}] }, "x"] }, "a turn of the conversation has no text"],
    [{ prompt: "p" }, 'the field "completion" is missing'],
    [{ instruction: "i", input: "x" }, 'the field "output" (or "response") is missing'],
    [{ a: 1 }, "no known fields (a)"],
    [{ instances: 3, instruction: "i" }, 'the field "instances" is not a list'],
  ])("%j is malformed", (row, problem) => {
    expect((shapeRow(row) as { problem: string }).problem).toContain(problem);
  });

  it("reads the columns it is told", () => {
    const columns = { prompt: "q", completion: "a", input: "c" };
    expect(shapeRow({ q: "x", a: "y", c: "z", instruction: "no", output: "no" }, columns)).toEqual(pair("x\n\nz", "y"));
    expect(shapeRow({ q: "x" }, columns)).toEqual({ problem: 'the field "a" is missing' });
  });
});

describe("text rules of Python", () => {
  it("strips and splits at Python's white space, which is not JavaScript's", () => {
    expect(strip("\x1c\u0085 a b \u3000")).toBe("a b");
    expect(strip("\ufeffa")).toBe("\ufeffa");
    expect(words(" a\u00a0b\x1fc\u200bd ")).toEqual(["a", "b", "c\u200bd"]);
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        (text) => strip(strip(text)) === strip(text) && text.includes(strip(text)),
      ),
    );
  });

  it.each([
    ["hELLO wORLD", "Hello world"],
    ["ßa", "Ssa"],
    ["ΑΣ", "Ας"],
    ["", ""],
    ["1st", "1st"],
  ])("capitalize(%j) = %j", (text, expected) => {
    expect(capitalize(text)).toBe(expected);
  });
});
