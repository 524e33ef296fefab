import { describe, expect, it } from "vitest";
import type { GenerateRequest, LanguageModel } from "../llm/language-model.js";
import { ModelUnavailableError } from "../llm/usage.js";
import { checkRefineTemplate, extractRefined, markerPattern, refineRows } from "./refine.js";

const pattern = markerPattern("Refined response:");

describe("extractRefined", () => {
  it.each([
    ["Thoughts.\nRefined response: Hello.\n\nBye. ", "Hello.\n\nBye."],
    ["REFINED RESPONSE:\n\n- a\n- b", "- a\n- b"],
    ["refined Response: one\nRefined response: two", "one\nRefined response: two"],
    ["Refined response:x", "x"],
    ["<think>\nRefined response: a draft\n</think>\nRefined response: final", "final"],
    ["Refined response: a draft</think>\n\nRefined response: final", "final"],
    ["<think>Refined response: cut while thinking", undefined],
    ["Refined  response: x", undefined],
    ["no marker", undefined],
    ["Refined response: \n ", undefined],
    ["**Refined response:** bold", "** bold"],
  ])("%j → %j", (answer, expected) => {
    expect(extractRefined(answer, pattern)).toBe(expected);
  });

  it("takes any marker literally", () => {
    expect(extractRefined("a (b)* c", markerPattern("(b)*"))).toBe("c");
  });
});

function model(
  answer: (content: string) => string | Error,
  finishReason: "stop" | "length" = "stop",
): LanguageModel & { asked: GenerateRequest[] } {
  const asked: GenerateRequest[] = [];
  return {
    id: "m",
    asked,
    generate: async (requests) => {
      asked.push(...requests);
      return requests.map((request) => {
        const text = answer(request.messages![0]!.content);
        return text instanceof Error ? text : { text, finishReason, promptTokens: 1, outputTokens: 1 };
      });
    },
  };
}
const template = "Improve.\nQ: {prompt}\nA: {response}\n";
const rows = [
  { prompt: "p $& {response}", completion: "one", source: "s", index: 0 },
  { prompt: "q", completion: "two", source: "s", index: 1 },
  { prompt: "r", completion: "three", source: "s", index: 2 },
  { prompt: "t", completion: "four", source: "s", index: 3 },
];

describe("refineRows", () => {
  it("replaces, keeps and counts", async () => {
    const refiner = model((content) => {
      if (content.includes("one")) return "Good. Refined response: ONE";
      if (content.includes("two")) return "I have nothing to add.";
      return content.includes("three") ? new Error("HTTP 400") : "Refined response: four";
    });
    const { rows: refined, counts, errors } = await refineRows(rows, refiner, { template });
    expect(refined.map(({ completion }) => completion)).toEqual(["ONE", "two", "three", "four"]);
    expect(refined.map(({ source_completion }) => source_completion)).toEqual(["one", "two", "three", "four"]);
    expect(Object.keys(refined[0]!)).toEqual(["prompt", "completion", "source_completion", "source", "index"]);
    expect(counts).toEqual({ rows: 4, extracted: 2, changed: 1, truncated: 0, failed: 1 });
    expect(errors).toEqual(["row 3: HTTP 400"]);
    expect(refiner.asked[0]).toEqual({
      messages: [{ role: "user", content: "Improve.\nQ: p $& {response}\nA: one" }],
      maxTokens: 8192,
      temperature: 0,
    });
  });

  it("sends the turns that the prompt marks", async () => {
    const refiner = model(() => "Refined response: x");
    const turns =
      "<|im_start|>user\nA: no<|im_end|>\n<|im_start|>assistant\nRefined response: No!<|im_end|>\n<|im_start|>user\n{prompt} A: {response}<|im_end|>\n";
    await refineRows(rows.slice(0, 1), refiner, { template: turns });
    expect(refiner.asked[0]).toMatchObject({
      messages: [
        { role: "user", content: "A: no" },
        { role: "assistant", content: "Refined response: No!" },
        { role: "user", content: expect.stringMatching(/A: one$/) },
      ],
    });
  });

  it("counts answers cut by length", async () => {
    const { counts } = await refineRows(
      rows,
      model(() => "Refined response: x", "length"),
      { template },
    );
    expect(counts).toMatchObject({ truncated: 4, extracted: 4 });
  });

  it("fails when nothing was answered or the model cannot go on", async () => {
    await expect(
      refineRows(
        rows,
        model(() => new Error("HTTP 400")),
        { template },
      ),
    ).rejects.toThrow(/no request was answered; row 1: HTTP 400/);
    const gone = model((content) =>
      content.includes("four") ? new ModelUnavailableError("budget") : "Refined response: x",
    );
    await expect(refineRows(rows, gone, { template })).rejects.toThrow(ModelUnavailableError);
  });

  it("wants both placeholders", () => {
    expect(() => checkRefineTemplate("{prompt}", "p.txt")).toThrow("p.txt: the placeholder {response} is missing");
    expect(() => checkRefineTemplate(template, "p.txt")).not.toThrow();
  });
});
