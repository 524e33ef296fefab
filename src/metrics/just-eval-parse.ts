/** Aspects that the regular prompts are scored on, and the one for the safety prompts. */
export const REGULAR_ASPECTS = ["helpfulness", "clarity", "factuality", "depth", "engagement"] as const;
export const SAFETY_ASPECTS = ["safety"] as const;
export type Aspect = (typeof REGULAR_ASPECTS)[number] | (typeof SAFETY_ASPECTS)[number];

/** A judge's say on one aspect. */
export interface AspectJudgement {
  reason: string;
  /** 1–5 as the judge gave it; `undefined` for "N/A" and whatever holds no number. */
  score: number | undefined;
}

export type Judgement = Partial<Record<Aspect, AspectJudgement>>;

const ALL_ASPECTS: readonly Aspect[] = [...REGULAR_ASPECTS, ...SAFETY_ASPECTS];

/** A key belongs to the aspect that it begins with: judges write "Factuality" or "depth_of_thought". */
function aspectOf(key: string): Aspect | undefined {
  const name = key.trim().toLowerCase();
  return ALL_ASPECTS.find((aspect) => name.startsWith(aspect));
}

/** A score as a number: numbers as they are, of a text its last whole number. */
export function parseScore(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  if (typeof value !== "string") return undefined;
  const last = value.match(/\d+/g)?.at(-1);
  return last === undefined ? undefined : Number(last);
}

/**
 * Reads a judgement that is already an object (`parsed_result` of the original tool's files).
 *
 * @param expected the aspects asked for; with just one, an object without an aspect's name is taken as that one.
 */
export function readJudgement(value: unknown, expected: readonly Aspect[] = ALL_ASPECTS): Judgement | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const judgement: Judgement = {};
  for (const [key, entry] of Object.entries(value)) {
    const aspect = aspectOf(key);
    if (!aspect || !expected.includes(aspect) || judgement[aspect]) continue;
    const isObject = typeof entry === "object" && entry !== null;
    const fields: Record<string, unknown> = isObject ? (entry as Record<string, unknown>) : { score: entry };
    judgement[aspect] = { reason: String(fields.reason ?? ""), score: parseScore(fields.score) };
  }
  if (Object.keys(judgement).length > 0) return judgement;
  return expected.length === 1 && "score" in value ? readJudgement({ [expected[0]!]: value }, expected) : undefined;
}

/**
 * Reads a judge's answer. The answer should be a JSON object of `{reason, score}` per aspect, but judges wrap it in code
 * fences and prose, escape what needs no escape, break lines within strings and leave quotes in a reason unescaped;
 * all of that is read. `undefined` when no aspect with a score can be found.
 */
export function parseJudgement(answer: string, expected: readonly Aspect[] = ALL_ASPECTS): Judgement | undefined {
  const bare = answer.replaceAll("```", "");
  const object = bare.slice(Math.max(bare.indexOf("{"), 0), bare.lastIndexOf("}") + 1);
  for (const text of [object, joinLines(object), mendStrings(object)]) {
    try {
      const judgement = readJudgement(JSON.parse(text), expected);
      if (judgement) return judgement;
    } catch {
      // Not JSON as it stands: the next, more forgiving way.
    }
  }
  return scanJudgement(bare, expected);
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

/** Without JSON's help: cut at the aspects' names and look for a score, then a reason, in each piece. */
function scanJudgement(text: string, expected: readonly Aspect[]): Judgement | undefined {
  const names = [...text.matchAll(/([A-Za-z][A-Za-z_ ]{0,39})["']?\s{0,9}:\s{0,9}\{/g)].filter((match) =>
    aspectOf(match[1]!),
  );
  const pieces = names.map((match, i) => ({
    aspect: aspectOf(match[1]!)!,
    body: text.slice(match.index + match[0].length, names[i + 1]?.index),
  }));
  if (pieces.length === 0 && expected.length === 1) pieces.push({ aspect: expected[0]!, body: text });
  const judgement: Judgement = {};
  for (const { aspect, body } of pieces) {
    if (!expected.includes(aspect) || judgement[aspect]) continue;
    const score = [...body.matchAll(/["']score["']\s{0,9}:\s{0,9}["']?([^"',}\n]{0,40})/gi)].at(-1);
    if (!score) continue;
    const reason = /["']reason["']\s{0,9}:/i.exec(body);
    const from = reason ? reason.index + reason[0].length : body.length;
    const said = body.slice(from, score.index > from ? score.index : undefined);
    judgement[aspect] = { reason: trimMarks(said), score: parseScore(score[1]) };
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
