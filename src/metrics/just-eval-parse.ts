import { objectSpans, type ReplyEnd, withoutThoughts } from "./judge-reply.js";

import { readScore } from "./judge-score.js";
import { scoreLines } from "./score-lines.js";

/** Aspects that the regular prompts are scored on, and the one for the safety prompts. */
export const REGULAR_ASPECTS = ["helpfulness", "clarity", "factuality", "depth", "engagement"] as const;
export const SAFETY_ASPECTS = ["safety"] as const;
export type Aspect = (typeof REGULAR_ASPECTS)[number] | (typeof SAFETY_ASPECTS)[number];

/** A judge's say on one aspect. */
export interface AspectJudgement {
  reason: string;
  /** 1–5 as the judge gave it; `undefined` for "N/A" and for what is no score of the scale. */
  score: number | undefined;
  /** Why there is no score, where the judge wrote something else than "N/A". */
  problem?: "out of range" | "unreadable";
  /** What stood in place of a score. */
  said?: string;
}

export type Judgement = Partial<Record<Aspect, AspectJudgement>>;

const ALL_ASPECTS: readonly Aspect[] = [...REGULAR_ASPECTS, ...SAFETY_ASPECTS];

/** A key belongs to the aspect that it begins with: judges write "Factuality" or "depth_of_thought". */
function aspectOf(key: string): Aspect | undefined {
  const name = key.trim().toLowerCase();
  return ALL_ASPECTS.find((aspect) => name.startsWith(aspect));
}

function aspectJudgement(reason: unknown, value: unknown): AspectJudgement {
  const reading = readScore(value);
  const given = { reason: String(reason ?? ""), score: reading.kind === "score" ? reading.score : undefined };
  if (reading.kind === "score" || reading.kind === "not applicable") return given;
  return { ...given, problem: reading.kind, said: reading.said };
}

/**
 * Reads a judgement that is already an object (`parsed_result` of the original tool's files): the aspects' objects, or their scores,
 * in it or below it ("scores", "arguments"), or a list of objects that each name their aspect.
 *
 * @param expected the aspects asked for; with just one, an object without an aspect's name is taken as that one.
 */
export function readJudgement(
  value: unknown,
  expected: readonly Aspect[] = ALL_ASPECTS,
  depth = 0,
): Judgement | undefined {
  if (typeof value === "string" && /^\s*[{[]/.test(value)) return readJudgement(parsed(value), expected, depth);
  if (typeof value !== "object" || value === null || depth > MAX_DEPTH) return undefined;
  if (Array.isArray(value)) return readList(value, expected, depth);
  const entries = Object.entries(value);
  const named = lowerKeys(value);
  const score = scoreOf(named);
  const name = NAME_KEYS.map((key) => named[key]).find((each) => typeof each === "string") as string | undefined;
  const own = name === undefined ? undefined : aspectOf(name);
  if (own && score !== undefined && expected.includes(own)) return { [own]: aspectJudgement(named.reason, score) };
  const judgement: Judgement = {};
  for (const [key, entry] of entries) {
    const aspect = aspectOf(key);
    if (!aspect || !expected.includes(aspect) || judgement[aspect]) continue;
    const isObject = typeof entry === "object" && entry !== null && !Array.isArray(entry);
    const fields = isObject ? lowerKeys(entry as object) : { score: entry as unknown };
    const given = scoreOf(fields);
    if (given !== undefined) judgement[aspect] = aspectJudgement(fields.reason, given);
  }
  if (Object.keys(judgement).length > 0) return judgement;
  if (expected.length === 1 && score !== undefined) return { [expected[0]!]: aspectJudgement(named.reason, score) };
  const below = entries.flatMap(([key, entry]) =>
    REASONS.test(key) ? [] : (readJudgement(entry, expected, depth + 1) ?? []),
  );
  return below.find((each) => expected.every((aspect) => each[aspect])) ?? below[0];
}

const MAX_DEPTH = 4;
/** Keys under which judges say which aspect an object of a list is about. */
const NAME_KEYS = ["aspect", "criterion", "criteria", "dimension", "category", "metric", "name"];
/** Keys of texts about the aspects, and of numbers that are no scores. */
const REASONS = /reason|explan|comment|rationale|justif|confidence|weight|schema|example/i;

const lowerKeys = (value: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(value).map(([key, entry]) => [key.toLowerCase(), entry]));
const scoreOf = ({ score, rating }: Record<string, unknown>): unknown => (score === undefined ? rating : score);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Objects that each name their aspect; one that is named twice makes the list no judgement. */
function readList(list: readonly unknown[], expected: readonly Aspect[], depth: number): Judgement | undefined {
  const all = list.flatMap((each) => Object.entries(readJudgement(each, expected, depth + 1) ?? {}));
  const isOnce = new Set(all.map(([aspect]) => aspect)).size === all.length;
  return all.length > 0 && isOnce ? Object.fromEntries(all) : undefined;
}

/**
 * Reads a judge's reply. It should be a JSON object of `{reason, score}` per aspect, but judges think aloud, draft, wrap the object
 * in code fences and prose, escape what needs no escape, break lines within strings and leave quotes in a reason
 * unescaped; all of that is read. Thoughts and drafts are no verdict: the last complete object counts. A reply that the limit of tokens
 * ended is no verdict unless its last object is complete and scores every aspect.
 *
 * @param end how the reply ended.
 * @returns `undefined` when no aspect with a score can be found.
 */
export function parseJudgement(
  reply: string,
  expected: readonly Aspect[] = ALL_ASPECTS,
  end: ReplyEnd = "stop",
): Judgement | undefined {
  const text = straightened(withoutThoughts(reply).replaceAll("```", ""));
  const { closed, open } = objectSpans(text);
  const judgement = lastObjects(
    closed.map((span) => text.slice(span.start, span.end)),
    expected,
  );
  const isWhole = (each: Judgement | undefined) => expected.every((aspect) => each?.[aspect]);
  const rest = open === undefined ? undefined : text.slice(open);
  const isOpen = rest !== undefined && (namedPieces(rest).length > 0 || /["']score["']/.test(rest));
  if (end === "length") return !isOpen && isWhole(judgement) ? judgement : undefined;
  if (isOpen) {
    // The final object lost its last brace: it counts when every score is there, a draft before it never.
    const scanned = scanJudgement(rest, expected);
    return isWhole(scanned) || !judgement ? scanned : undefined;
  }
  return judgement ?? scanJudgement(text, expected) ?? readLines(text, expected);
}

/** Where all quotes are curly they are those of JSON. */
const straightened = (text: string): string => (text.includes('"') ? text : text.replace(/[“”„]/g, '"'));

/** Aspects in lines of prose, lists, tables or YAML: a judgement only where each one has its score. */
function readLines(text: string, expected: readonly Aspect[]): Judgement | undefined {
  const judgement: Judgement = {};
  for (const [name, said] of scoreLines(text)) {
    const aspect = aspectOf(name);
    if (!aspect || !expected.includes(aspect)) continue;
    const read = aspectJudgement("", said);
    if (read.problem !== "unreadable") judgement[aspect] = read;
  }
  return expected.every((aspect) => judgement[aspect]) ? judgement : undefined;
}

/**
 * The last object that scores aspects. Judges also write an object for each aspect: earlier ones join as long as none
 * scores an aspect again, which only a draft does.
 */
function lastObjects(objects: readonly string[], expected: readonly Aspect[]): Judgement | undefined {
  let found: Judgement | undefined;
  for (const object of objects.toReversed()) {
    const judgement = readObject(object, expected);
    if (!judgement) continue;
    if (found && Object.keys(judgement).some((aspect) => aspect in found!)) break;
    found = { ...judgement, ...found };
    if (expected.every((aspect) => found![aspect])) break;
  }
  return found;
}

function readObject(object: string, expected: readonly Aspect[]): Judgement | undefined {
  // JSON that stands in a string has a backslash before every quote.
  const quoted = /^\{\s*\\"/.test(object) ? [object.replaceAll('\\"', '"')] : [];
  for (const text of [...quoted, object, joinLines(object), mendStrings(object)]) {
    try {
      const judgement = readJudgement(JSON.parse(text), expected);
      if (judgement) return judgement;
    } catch {
      // Not JSON as it stands: the next, more forgiving way.
    }
  }
  return scanJudgement(object, expected);
}

/** The original tool's way: line breaks vanish, and so does the effect of backslashes. Even a key broken in two is read. */
function joinLines(text: string): string {
  const plain = text.includes('\\\\"') ? text.replaceAll('\\\\"', '\\"') : text.replaceAll("\\", "\\\\");
  return plain.replaceAll("\n", "");
}

/** Line breaks and other control characters become blanks, and a backslash that escapes nothing becomes two. */
function mendStrings(text: string): string {
  const lines = [...text].map((character) => (character < " " ? " " : character)).join("");
  return lines
    .replaceAll('\\\\"', '\\"')
    .replace(/\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})|\\/g, (found) => (found === "\\" ? "\\\\" : found));
}

/** Places where an aspect's object begins. */
const namedPieces = (text: string): RegExpExecArray[] =>
  [...text.matchAll(/([A-Za-z][A-Za-z_ ]{0,39})["']?\s{0,9}:\s{0,9}\{/g)].filter((match) => aspectOf(match[1]!));

/** Without JSON's help: cut at the aspects' names and look for a score, then a reason, in each piece. */
function scanJudgement(text: string, expected: readonly Aspect[]): Judgement | undefined {
  const names = namedPieces(text);
  const pieces = names.map((match, i) => ({
    aspect: aspectOf(match[1]!)!,
    body: text.slice(match.index + match[0].length, names[i + 1]?.index),
  }));
  if (pieces.length === 0 && expected.length === 1) pieces.push({ aspect: expected[0]!, body: text });
  const judgement: Judgement = {};
  for (const { aspect, body } of pieces) {
    if (!expected.includes(aspect) || judgement[aspect]) continue;
    const score = [...body.matchAll(/["'](?:score|rating)["']\s{0,9}:\s{0,9}["']?([^"',}\n]{0,40})/gi)].at(-1);
    if (!score) continue;
    const reason = /["']reason["']\s{0,9}:/i.exec(body);
    const from = reason ? reason.index + reason[0].length : body.length;
    const said = body.slice(from, score.index > from ? score.index : undefined);
    judgement[aspect] = aspectJudgement(trimMarks(said), score[1]!);
  }
  return Object.keys(judgement).length > 0 ? judgement : undefined;
}

/** A text without the blanks, quotes, commas and braces that JSON puts around it. */
function trimMarks(text: string): string {
  const isMark = (i: number) => " \n\r\t\"',{}".includes(text[i]!);
  let start = 0;
  let end = text.length;
  while (start < end && isMark(start)) start++;
  while (end > start && isMark(end - 1)) end--;
  return text.slice(start, end);
}
