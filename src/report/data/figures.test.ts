import { describe, expect, it } from "vitest";
import { countWords } from "../../data/count-words.js";
import { rouge } from "../../metrics/rouge.js";
import { Random } from "../../random/counter.js";
import { loadTokenizer } from "../../tokenizer/tokenizer.js";
import { duplicateFigures } from "./duplicate-figures.js";
import { dataFigures } from "./figures.js";
import { foldText } from "./fold-text.js";
import { countHistogram, shareHistogram } from "./histogram.js";
import { dataReportHtml } from "./html.js";
import { languageFigures } from "./language-figures.js";
import { dataReportMarkdown } from "./markdown.js";
import type { ReportedData } from "./read-tasks.js";
import { similarityTo, similarityWithin } from "./similarity-figures.js";

const tokenizer = await loadTokenizer(new URL("../../../models/mini", import.meta.url).pathname);

describe("histograms", () => {
  it("puts every count into a bin, the largest ones into the last", () => {
    const values = [...Array.from({ length: 300 }, (_, i) => i % 60), 100_000];
    const { counts, width, isOpen } = countHistogram(values);
    expect(width).toBe(2);
    expect(isOpen).toBe(true);
    expect(counts).toHaveLength(30);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(values.length);
    expect(counts[0]).toBe(10);
    expect(counts.at(-1)).toBe(11);
    expect(countHistogram([3, 3])).toEqual({ start: 0, width: 1, counts: [0, 0, 0, 2], isOpen: false });
    expect(countHistogram([]).counts).toEqual([]);
  });

  it("puts a share on a border to the left of it", () => {
    expect(shareHistogram([0, 0.1, 0.5, 0.7, 0.7000001, 1], 10).counts).toEqual([2, 0, 0, 0, 1, 0, 1, 1, 0, 1]);
  });
});

describe("similarity", () => {
  const words = ["red", "blue", "sort", "list", "write", "poem", "about", "the", "sea", "now"];
  const random = new Random("texts");
  const texts = [...new Set(Array.from({ length: 60 }, () => random.sample(words, 3 + random.below(5)).join(" ")))];
  const score = (a: string, b: string): number => rouge(a, b, ["rougeL"]).rougeL.fmeasure;

  it("is the largest ROUGE-L with any other text", () => {
    const figures = similarityWithin(texts, 0);
    const brute = texts.map((text) =>
      Math.max(...texts.filter((other) => other !== text).map((other) => score(text, other))),
    );
    expect(figures).toMatchObject({ compared: texts.length, of: texts.length });
    expect(figures.mean).toBeCloseTo(brute.reduce((sum, each) => sum + each, 0) / brute.length, 12);
    expect(figures.histogram).toEqual(shareHistogram(brute));
    expect(figures.above[0]).toEqual({
      threshold: 0.7,
      share: brute.filter((each) => each > 0.7).length / brute.length,
    });
    const [best] = figures.closest;
    expect(best!.score).toBe(Math.max(...brute));
    expect(score(best!.text, best!.other)).toBe(best!.score);
    expect(best!.text).not.toBe(best!.other);
  });

  it("is the largest ROUGE-L with any seed", () => {
    const seeds = texts.slice(0, 5);
    const brute = texts.map((text) => Math.max(...seeds.map((seed) => score(text, seed))));
    expect(similarityTo(seeds, texts, 0).histogram).toEqual(shareHistogram(brute));
  });

  it("handles one text and texts without a word", () => {
    expect(similarityWithin(["alone"], 0)).toMatchObject({ compared: 1, mean: 0, closest: [] });
    expect(similarityWithin(["你好", "再见"], 0)).toMatchObject({
      compared: 0,
      of: 2,
      unread: 2,
      mean: 0,
      closest: [],
    });
    const mixed = similarityWithin(["red blue", "你好", "red blue now"], 0);
    expect(mixed).toMatchObject({ compared: 2, of: 3, unread: 1 });
    expect(mixed.mean).toBeCloseTo(0.8, 12); // the one that is not seen does not count as unlike
  });
});

it("counts repeated rows", () => {
  const row = (instruction: string, input: string, output: string) => ({ instruction, input, output, source: "s" });
  const rows = [
    row("Add.", "1", "2"),
    row("Add.", "1", "2"),
    row("add", "1", "2!"),
    row("Add.", "1", "3"),
    row("加", "", "一"),
  ];
  expect(duplicateFigures(rows)).toEqual({ rows: 5, exact: 1, folded: 2, conflicting: 1 });
});

it.each([
  ["Write a poem!", "write a  poem", true],
  ["写一首诗。", "写 一首诗", true],
  ["ＡＢＣ １２", "abc 12", true],
  ["اكتب قصيدة، من فضلك؟", "اكتب قصيدة من فضلك", true],
  ["เขียนบทกวี!", "เขียน บทกวี", true],
  ["re-do it", "re do it", true],
  ["写一首诗 about X", "写一首歌 about X", false],
  ["3 - 1", "3 + 1", false],
  ["1.5", "15", false],
  ["หมา", "หม่า", false], // a tone mark apart
  ["مدرسة 1", "مدرسه 1", false],
  ["a b", "ab", false],
  ["?", "!", false],
  ["C++", "C", false],
])("folds %j and %j alike: %s", (a, b, isAlike) => {
  expect(foldText(a) === foldText(b)).toBe(isAlike);
});

it.each([
  ["Write a short poem", 4],
  ["写一首关于大海的诗。", 6],
  ["海についての詩を書いてください。", 10],
  ["เขียนบทกวีเกี่ยวกับทะเล", 6],
  ["اكتب قصيدة قصيرة", 3],
  ["바다에 대한 시", 3],
  ["用 Python 写", 3],
  ["", 0],
])("counts the words of %j: %i", (text, count) => {
  expect(countWords(text)).toBe(count);
});

it.each([
  ["写一首关于大海的诗。", "zh"],
  ["用 Python 写一个排序函数 def sort(x): return sorted(x)", "zh"],
  ["海についての詩を書いてください。", "ja"],
  ["Pythonで書いてください: print(1)", "ja"],
  ["바다에 대한 시를 써 주세요.", "ko"],
  ["เขียนบทกวีเกี่ยวกับทะเล", "th"],
  ["اكتب قصيدة عن البحر", "ar"],
  ["ក្រុងភ្នំពេញ", "km"],
  ["မြန်မာစာ", "my"],
  ["Напиши стихотворение о море", "ru"],
  ["Explain the word 猫 in one sentence please.", "en"],
  ["日本", undefined],
  ["6 + 3 = ?", undefined],
])("tells the language of %j: %s", (text, code) => {
  expect(languageFigures([text]).languages.map((each) => each.code)).toEqual(code === undefined ? [] : [code]);
});

it("tells languages", () => {
  const texts = [
    "Write a short story about a lighthouse keeper who finds a letter.",
    "Écris une petite histoire sur un gardien de phare qui trouve une lettre.",
    "Schreibe eine kurze Geschichte über einen Leuchtturmwärter.",
    "7",
  ];
  expect(languageFigures(texts)).toEqual({
    texts: 4,
    languages: [
      { code: "de", name: "German", count: 1 },
      { code: "en", name: "English", count: 1 },
      { code: "fr", name: "French", count: 1 },
    ],
    unknown: 1,
  });
});

const instance = (instruction: string, input: string, output: string) => ({
  instruction,
  input,
  output,
  source: "own",
});
const data: ReportedData = {
  files: ["data/own.jsonl"],
  tasks: [
    { instruction: "Write a poem about <b>the sea</b> & more", source: "own", isClassification: false },
    { instruction: "Write a poem about the sea & </svg>more", source: "own", isClassification: false },
    { instruction: "Tell the mood", source: "own", isClassification: true },
  ],
  instances: [
    instance("Write a poem about <b>the sea</b> & more", "", "Waves."),
    instance("Tell the mood", "rain | again", "sad"),
    instance("Tell the mood", "sun", "a very long answer ".repeat(30).trim()),
  ],
  inputsApart: true,
  emptyTranscripts: 0,
  multiTurn: 0,
};

describe("the report", () => {
  const figures = dataFigures(data, {
    seeds: ["Write a song"],
    tokenizer: { tokenizer, name: "mini", template: "tulu", maxLength: 40 },
  });

  it("has the counts of the paper's table", () => {
    expect(figures.counts).toEqual({
      instructions: 3,
      classification: 1,
      nonClassification: 2,
      instances: 3,
      emptyInputs: 1,
      emptyOutputs: 0,
      withoutInstances: 1,
    });
    expect(figures.lengths.inputs?.mean).toBe(2);
    expect(figures.sources).toEqual([{ name: "own", instructions: 3, instances: 3 }]);
  });

  it("counts what a length limit cuts off", () => {
    expect(figures.tokens).toMatchObject({ rows: 3, truncated: 1, lost: 0 });
    const { row, cutShare } = figures.tokens!;
    expect(cutShare).toBeCloseTo((row.max - 40) / (row.mean * 3), 12);
  });

  it("is one page without scripts or references, with all text as text", () => {
    const page = dataReportHtml(figures, "Report of <own>");
    expect(page).toContain("<title>Report of &lt;own&gt;</title>");
    expect(page).not.toMatch(/<script|<b>|href=|src=|url\(|@import/);
    expect(page.match(/<svg/g)!.length).toBe(page.match(/<\/svg>/g)!.length);
    expect(page.match(/role="img" aria-label="[^"]{20,}"|aria-label="[^"]{20,}"[^>]*role="img"/g)).toHaveLength(7);
    expect(page).toContain("Write a poem about &lt;b&gt;the sea&lt;/b&gt; &amp; more");
    expect(page.length).toBeLessThan(60_000);
  });

  it("has the same tables in Markdown", () => {
    const text = dataReportMarkdown(figures, "Report");
    expect(text).toContain("| instructions (distinct) | 3 |\n| – classification | 1 |");
    expect(text).toContain("| write | 2 | poem 2 |");
    expect(text).toContain("## Most similar instructions");
    for (const line of text.split("\n").filter((each) => each.startsWith("|")))
      expect(line.match(/(?<!\\)\|/g)!.length).toBeGreaterThan(2);
  });

  it("shows what is not told as not told", () => {
    const bare = dataFigures({
      ...data,
      inputsApart: false,
      tasks: data.tasks.map(({ isClassification: _, ...rest }) => rest),
      instances: [],
    });
    expect(bare.counts).toMatchObject({ classification: null, emptyInputs: null, instances: 0 });
    expect(dataReportHtml(bare, "x")).toContain("not told");
    expect(bare.tokens).toBeNull();
  });
});
