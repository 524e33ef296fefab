import { type ReplyEnd, withoutThoughts } from "./judge-reply.js";

export type PreferenceLetter = "m" | "M";

/** Blanks as tokenizers write them, and marks that judges put around the letter. */
const EDGES = /^[\s▁Ġ"'“”‘’`*_([{<:#-]+|[\s"'“”‘’`*_)\]}>.,:;!-]+$/g;
const STANDALONE = /(?<![\p{L}\p{N}'’_])[mM](?![\p{L}\p{N}'’_])/gu;
const MARKED =
  /(?:\b(?:answer|output|letter|verdict|choice|winner|preference|preferred|better|best)\b[^\p{L}\p{N}\n]{0,4}(?:\bis\b|[:=])[^\p{L}\p{N}]{0,6}(?:(?:answer|output|letter)\b[^\p{L}\p{N}]{0,6})?|\\boxed\{(?:\\text\{)?)([mM])(?![\p{L}\p{N}'’_])/giu;

/**
 * The letter that a judge wrote: m for the first answer shown, M for the second. The letter alone, alone on the last line, marked as
 * the verdict, alone on the first line, or the only one of the two that is named; a text that compares both without a verdict has none.
 */
export function readPreferenceLetter(reply: string, end: ReplyEnd = "stop"): PreferenceLetter | undefined {
  const text = withoutThoughts(reply);
  const alone = letterOf(text);
  if (alone) return alone;
  if (end === "length") return undefined; // what was cut may have been the verdict
  const lastLine = letterOf(text.split("\n").at(-1)!);
  if (lastLine) return lastLine;
  const marked = [...text.matchAll(MARKED)].at(-1)?.[1];
  const named = new Set(text.match(STANDALONE));
  if (named.size === 1) return [...named][0] as PreferenceLetter;
  return (marked as PreferenceLetter | undefined) ?? letterOf(text.split("\n")[0]!);
}

/** The letter that a token or line is, without blanks and marks around it. */
export function letterOf(text: string): PreferenceLetter | undefined {
  const bare = text.replace(EDGES, "").replace(EDGES, "");
  return bare === "m" || bare === "M" ? bare : undefined;
}
