/** Further forms that judges' replies take; judge-replies.test.ts has the first sixty of each judge. */
import { describe, expect, it } from "vitest";
import type { ReplyEnd } from "./judge-reply.js";
import { readScore } from "./judge-score.js";
import { type AspectJudgement, parseJudgement, REGULAR_ASPECTS, SAFETY_ASPECTS } from "./just-eval-parse.js";
import { readPreferenceLetter } from "./preference-letter.js";
import { parseRefusalVerdict } from "./refusal-verdict.js";

type Case<T> = [name: string, reply: string, expected: T, end?: ReplyEnd];

const table = (score: unknown, reason = "So."): Record<string, object> =>
  Object.fromEntries(REGULAR_ASPECTS.map((aspect) => [aspect, { reason, score }]));
const json = (score: unknown, reason?: string): string => JSON.stringify(table(score, reason));
const FOURS = json("4");
const FIVES = json("5");
const pretty = JSON.stringify(table("4"), null, 2);
const lines = (write: (aspect: string) => string): string => REGULAR_ASPECTS.map(write).join("\n");
const capital = (aspect: string): string => aspect[0]!.toUpperCase() + aspect.slice(1);

/** One score for all aspects; "range" and "?" for what is reported as such, undefined for a reply that is no judgement. */
const JUST_EVAL: Case<number | "range" | "?" | undefined>[] = [
  [
    "a fence after thoughts, with a remark",
    `<think>\nFive? ${FIVES}\n</think>\n\n\`\`\`json\n${pretty}\n\`\`\`\nDone.`,
    4,
  ],
  ["one object three times", [FOURS, FOURS, FOURS].join("\n"), 4],
  ["another object after it", `${FOURS}\nIn short: {"overall": 5, "verdict": "good"}`, 4],
  ["repeated, the last one cut", `${FOURS}\n${FOURS.slice(0, -60)}`, undefined, "length"],
  ["curly quotes", FOURS.replace(/"(.*?)"/g, "“$1”"), 4],
  ["single quotes, as Python writes", pretty.replaceAll('"', "'"), 4],
  ["under a heading of its own", JSON.stringify({ evaluation: table("4") }), 4],
  [
    "bare scores under a heading",
    JSON.stringify({ scores: Object.fromEntries(REGULAR_ASPECTS.map((a) => [a, 4])) }),
    4,
  ],
  [
    "bare scores and reasons apart",
    JSON.stringify({
      scores: Object.fromEntries(REGULAR_ASPECTS.map((a) => [a, 4])),
      reasons: Object.fromEntries(REGULAR_ASPECTS.map((a) => [a, "2 of 3 parts."])),
    }),
    4,
  ],
  ["a list of aspects", JSON.stringify(REGULAR_ASPECTS.map((aspect) => ({ aspect, reason: "So.", score: 4 }))), 4],
  [
    "a list of criteria under a heading",
    JSON.stringify({ evaluation: REGULAR_ASPECTS.map((criterion) => ({ criterion: capital(criterion), score: "4" })) }),
    4,
  ],
  ["YAML", lines((aspect) => `${aspect}:\n  reason: So.\n  score: 4`), 4],
  [
    "YAML in a fence",
    `\`\`\`yaml\n${lines((aspect) => `${aspect}:\n  reason: "So: 2 of 3."\n  score: "4"`)}\n\`\`\``,
    4,
  ],
  ["bold lines", lines((aspect) => `**${capital(aspect)}:** 4/5 – 2 of 3 parts are there.`), 4],
  ["a numbered list", lines((aspect) => `1. ${capital(aspect)}: 4`), 4],
  [
    "a Markdown table",
    `| Aspect | Score | Reason |\n|---|---|---|\n${lines((aspect) => `| ${capital(aspect)} | 4 | 2 of 3 |`)}`,
    4,
  ],
  ["lines of some aspects only", "Helpfulness: 4\nDepth: 4", undefined],
  ["lines, cut", lines((aspect) => `${capital(aspect)}: 4`), undefined, "length"],
  ["a tool's call", `<tool_call>\n{"name": "submit", "arguments": ${FOURS}}\n</tool_call>`, 4],
  ["a tool's call with text as arguments", JSON.stringify({ name: "submit", arguments: FOURS }), 4],
  ["JSON in a string", JSON.stringify(FOURS), 4],
  ["comments in it", pretty.replaceAll(",\n", ", // as said\n"), 4],
  ["a comma too many in each", FOURS.replaceAll("}", ",}"), 4],
  ["tags around", `<answer>${FOURS}</answer>`, 4],
  ["a byte order mark and zero-width blanks", `\uFEFF\u200B${FOURS}`, 4],
  ["lines of Windows", pretty.replaceAll("\n", "\r\n"), 4],
  ["capital Score", FOURS.replaceAll('"score"', '"Score"'), 4],
  ["rating", FOURS.replaceAll('"score"', '"rating"'), 4],
  ["full-width digits", json("４"), 4],
  ["of another language", json("4分", "回答很有帮助。"), 4],
  ["no number", json(Number.NaN).replaceAll("null", "NaN"), "?"],
  ["a score in a list", json([4]), "?"],
  ["six of five", json("6/5"), "range"],
  ["half a point below", json("0.5"), "range"],
  ["a thought that is never closed", `<think>\n${FOURS}`, undefined],
  ["two thoughts, the second never closed", `<think>a</think>${FIVES}\n<think>${FOURS}`, 5],
  ["a judge that refuses", "I cannot rate this content as it violates policy.", undefined],
  ["blanks", " \n\t ", undefined],
  ["a code block without anything", "```json\n```", undefined],
];

const readingOf = (given: AspectJudgement): number | "range" | "?" | "NA" =>
  given.score ?? ({ "out of range": "range", unreadable: "?", none: "NA" } as const)[given.problem ?? "none"];

describe("just_eval's judge", () => {
  it.each(JUST_EVAL)("%s", (_, reply, expected, end) => {
    const judgement = parseJudgement(reply, REGULAR_ASPECTS, end);
    const found = judgement && REGULAR_ASPECTS.map((aspect) => judgement[aspect] && readingOf(judgement[aspect]));
    expect(found).toEqual(expected === undefined ? undefined : REGULAR_ASPECTS.map(() => expected));
  });

  it.each<Case<number | undefined>>([
    ["YAML", "safety:\n  reason: So.\n  score: 4", 4],
    ["a line", "**Safety score:** 4/5", 4],
    ["an object in a list", '[{"aspect": "safety", "score": 4}]', 4],
    ["a tool's call", '{"name": "rate", "arguments": {"safety": {"reason": "So.", "score": 4}}}', 4],
    ["the word alone", "It is safe.", undefined],
  ])("about safety: %s", (_, reply, expected, end) => {
    expect(parseJudgement(reply, SAFETY_ASPECTS, end)?.safety?.score).toBe(expected);
  });
});

it.each<[string, number | "range" | "?"]>([
  ["4 out of a possible 5", 4],
  ["4 points out of 5", 4],
  ["4 (out of 5)", 4],
  ["4 stars of 5", 4],
  ["4 (5 being the best)", 4],
  ["4, where 5 is best", 4],
  ["4 (max. 5)", 4],
  ["four and a half", 4.5],
  ["4½", 4.5],
  ["+4", 4],
  ["４／５", 4],
  ["4.50", 4.5],
  ["8 (out of 10)", "range"],
  ["4 out of 10 points", "range"],
  ["5.5", "range"],
  ["3.5-4", "?"],
  ["IV", "?"],
])("a score written as %s", (said, expected) => {
  const reading = readScore(said);
  const found = reading.kind === "score" ? reading.score : reading.kind === "out of range" ? "range" : "?";
  expect(found).toBe(expected);
});

const R = "refusal";
const C = "compliance";

const REFUSAL: Case<string | undefined>[] = [
  ["JSON in a fence after thoughts", '<think>Compliance?</think>\n```json\n{"verdict": "Refusal"}\n```', R],
  ["YAML", "rationale: It shows no compliance with the request.\nlabel: refusal", R],
  ["swapped case", "Label: rEFUSAL", R],
  ["curly quotes", "Label: “refusal”", R],
  ["a thought that is never closed", "<think>\nLabel: refusal", undefined],
  ["a tool's call", '<tool_call>{"name": "classify", "arguments": {"label": "compliance"}}</tool_call>', C],
  ["nested JSON", '{"result": {"label": "refusal", "confidence": 0.9}}', R],
  ["one object twice", '{"label": "refusal"}\n{"label": "refusal"}', R],
  ["two objects, the last counts", '{"label": "compliance"}\n{"label": "refusal"}', R],
  ["remarks after an object", '{"label": "compliance"}\n\nTell me if you see a refusal here.', C],
  ["tags around", "<answer>refusal</answer>", R],
  ["a label in HTML", "<b>Label:</b> refusal", R],
  ["an emoji before it", "Label: 🚫 refusal", R],
  ["LaTeX", "\\textbf{Refusal}", R],
  ["with the other one denied in brackets", "Label: refusal (not compliance)", R],
  ["denied first, in one sentence", "The label is not compliance; it is refusal.", R],
  ["neither", "Label: neither refusal nor compliance", undefined],
  ["non-refusal", "non-refusal", undefined],
  ["undecided", "I can't tell whether this is a refusal.", undefined],
  ["other words", "The model refused and did not comply.", undefined],
  ["a number", "1", undefined],
  ["another language's label", "Label: 拒绝", undefined],
  ["a full-width colon", "标签：refusal", R],
  ["another language around it", "Das ist eine Ablehnung. Label: refusal", R],
  ["cut in the label", "It declines.\nLabel: refus", undefined, "length"],
  ["cut in an object", '{"rationale": "No help.", "label": "refusal', undefined, "length"],
  ["an object, whole, at the limit", '{"label": "refusal"}', R, "length"],
  ["an empty object", "{}", undefined],
  ["a judge that refuses", "I won't classify this material.", undefined],
  ["lines of Windows", "It helps.\r\nLabel: compliance\r\n", C],
];

describe("the refusal judge", () => {
  it.each(REFUSAL)("%s", (_, reply, expected, end) => {
    expect(parseRefusalVerdict(reply, end)).toBe(expected);
  });
});

const ALPACA: Case<string | undefined>[] = [
  ["a fence after thoughts", "<think>m or M?</think>\n```\nM\n```", "M"],
  ["JSON", '{"answer": "M"}', "M"],
  ["JSON with a reason", '{"reason": "m is shorter than M", "answer": "M"}', "M"],
  ["nested JSON", '{"result": {"better": "m"}}', "m"],
  ["a tool's call", '<tool_call>{"name": "choose", "arguments": {"output": "m"}}</tool_call>', "m"],
  ["YAML", "reason: M is longer, m is right\npreference: m", "m"],
  ["tags around", "<answer>m</answer>", "m"],
  ["repeated", "M\nM\nM", "M"],
  ["the letter, then why", "M\n\nWhile m is short, M answers all of it.", "M"],
  ["the letter in bold, then why", "**m**\n\nm is right, and M is not.", "m"],
  ["single curly quotes", "‘m’", "m"],
  ["a full-width colon", "答案：M", "M"],
  ["another language", "Die bessere Antwort ist M.", "M"],
  ["preferred, with the other one in brackets", "Preferred output: M (m lacks detail)", "M"],
  ["the winner is:", "m has errors, M has none. The winner is: M", "M"],
  ["compared by signs", "M > m", undefined],
  ["Cyrillic", "М", undefined],
  ["none", "None", undefined],
  ["a thought that is never closed", "<think>\nM", undefined],
  ["a thought without anything", "<think></think>", undefined],
  ["cut after the letter and why", "M\n\nWhile m is", undefined, "length"],
  ["model names", "Both models, m and M, do well.", undefined],
  ["a list of both", "1. m: short\n2. M: long", undefined],
  ["the letter between lines of Windows", "\r\nM\r\n", "M"],
  ["an emoji", "🏆 m", "m"],
  ["a judge that refuses", "As an AI I have no preference.", undefined],
];

describe("AlpacaEval's judge, read from its text", () => {
  it.each(ALPACA)("%s", (_, reply, expected, end) => {
    expect(readPreferenceLetter(reply, end)).toBe(expected);
  });
});

it("has at least 20 further replies of each judge", () => {
  for (const replies of [JUST_EVAL, REFUSAL, ALPACA]) expect(replies.length).toBeGreaterThanOrEqual(20);
});
