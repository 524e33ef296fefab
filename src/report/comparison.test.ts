import fc from "fast-check";
import { parseHTML } from "linkedom";
import { describe, expect, it } from "vitest";
import { type Comparison, figureTable } from "./comparison.js";
import { comparisonHtml } from "./comparison-html.js";
import { comparisonMarkdown, comparisonTerminal } from "./comparison-text.js";

function sample(): Comparison {
  return {
    title: "Base, IT and RT",
    facts: [["model", "bundled:mini"]],
    models: [
      { name: "base", figures: {} },
      {
        name: "rt",
        lossCurve: [
          { step: 1, loss: 2 },
          { step: 2, loss: 1.25 },
        ],
        figures: { "train seconds": 12.3456 },
      },
    ],
    questions: [
      {
        instruction: "Capital of France?",
        expected: "Paris",
        answers: [
          { model: "base", text: "Paris. My aunt\nlives there", finishReason: "length", tokens: 8 },
          { model: "rt", text: "Paris", finishReason: "stop", tokens: 2 },
        ],
      },
      { instruction: "Say hello", answers: [{ model: "rt", text: "hello", finishReason: "stop", tokens: 3 }] },
    ],
  };
}

/** The same comparison with one hostile string in every place that data can reach. */
function hostile(text: string): Comparison {
  return {
    title: text,
    facts: [[text, text]],
    models: [{ name: text, lossCurve: [{ step: 0, loss: 1 }], figures: { [text]: text } }],
    questions: [
      { instruction: text, expected: text, answers: [{ model: text, text, finishReason: "stop", tokens: 1 }] },
    ],
  };
}

describe("figureTable", () => {
  it("derives figures from the answers and adds the ones given", () => {
    expect(figureTable(sample())).toEqual({
      columns: ["answers", "ended by itself", "mean tokens", "exact", "last loss", "train seconds"],
      rows: [
        { name: "base", cells: ["1", "0 %", "8", "0 %", "–", "–"] },
        { name: "rt", cells: ["2", "100 %", "2.5", "100 %", "1.25", "12.35"] },
      ],
    });
  });
});

describe("comparisonTerminal", () => {
  it("aligns figures and shows answers on single lines within the width", () => {
    const text = comparisonTerminal(sample(), { width: 32 });
    expect(text).toContain("? Capital of France?\n  base  Paris. My aunt lives th…\n  rt    Paris\n");
    expect(text).toContain("  base  (no answer)\n");
  });
  it("lets no control character through", () => {
    const text = comparisonTerminal(hostile("\x1b[2J\x07\u009b31m\u202eevil"));
    expect(text).toContain("evil");
    expect(text).not.toMatch(/[^\P{Cc}\n]|\u202e/u);
  });
});

describe("comparisonMarkdown", () => {
  it("holds figures, questions and answers", () => {
    const text = comparisonMarkdown(sample());
    expect(text).toContain("| rt | 2 | 100 % | 2.5 | 100 % | 1.25 | 12.35 |");
    expect(text).toContain("**base** (8 tokens, cut off)\n\n```text\nParis. My aunt\nlives there\n```");
  });
  it("keeps tables and code blocks whole whatever the text", () => {
    const text = comparisonMarkdown(hostile("a | b\n# c\n````\n<script>"));
    expect(text).toContain("`````text\na | b\n# c\n````\n<script>\n`````");
    expect(
      text
        .split("\n")
        .filter((line) => line.startsWith("|"))
        .map((line) => line.match(/(?<!\\)\|/g)?.length),
    ).toEqual([8, 8, 8]);
  });
});

describe("comparisonHtml", () => {
  it("can be read without scripts and loads nothing", () => {
    const page = comparisonHtml(sample());
    const { document } = parseHTML(page);
    expect(document.querySelectorAll("article.question")).toHaveLength(2);
    expect(document.querySelector(".text")?.textContent).toBe("Paris. My aunt\nlives there");
    expect(document.querySelector("figure svg[role=img]")?.getAttribute("aria-label")).toBe(
      "Training loss by step: rt from 2.00 to 1.25 at step 2.",
    );
    expect(document.querySelectorAll("figure svg g[aria-label=line] path")).toHaveLength(1);
    expect(document.querySelector("#search")?.hasAttribute("hidden")).toBe(true);
    expect(page).not.toMatch(/\b(src|href)=|url\(|@import/);
  });
  it("says so when an answer is empty or white space", () => {
    const page = (text: string) =>
      comparisonHtml({
        ...sample(),
        questions: [{ instruction: "x", answers: [{ model: "rt", text, finishReason: "stop", tokens: 1 }] }],
      });
    expect(page("")).toContain("(empty)");
    expect(page("\n \n")).toContain("(only white space)");
  });
  it("leaves the chart out without a curve", () => {
    expect(comparisonHtml({ ...sample(), models: [{ name: "base", figures: {} }] })).not.toContain("<figure>");
  });
  it("shows any text as text", () => {
    const structure = (page: string) =>
      [...parseHTML(page).document.querySelectorAll("*")].map((node) => node.localName);
    const expected = structure(comparisonHtml(hostile("x")));
    const bits = [
      "<script>alert(1)</script>",
      "</title>",
      "</style>",
      "</svg>",
      "<!--",
      "]]>",
      '" onload="x',
      "' x='",
      "&lt;",
      "&",
      "\0",
      "{{x}}",
      "\\",
    ];
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom(...bits), fc.string()), { minLength: 1, maxLength: 6 }),
        (parts) => {
          const text = `x${parts.join("")}`;
          const page = comparisonHtml(hostile(text));
          expect(structure(page)).toEqual(expected);
        },
      ),
      { numRuns: 60 },
    );
    const { document } = parseHTML(comparisonHtml(hostile(`a<b>"c"'d'&amp;`)));
    expect(document.querySelector(".text")?.textContent).toBe(`a<b>"c"'d'&amp;`);
  });
});
