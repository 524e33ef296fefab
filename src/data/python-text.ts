/**
 * Text rules as Python has them, for results equal to reference programs written in it: `str.strip`, `str.split`, `\s`,
 * `\d` and `\w` of `re` without flags. JavaScript's `\s` misses U+001C–U+001F and U+0085 and adds U+FEFF; its `\d`, `\w`
 * and `\b` know ASCII only.
 */

import { PY_SPACE } from "../tokenizer/python-space.js";

export { PY_SPACE };

/** Inside a character class of a `u` pattern: Python's `\w`. */
export const PY_WORD = "\\p{L}\\p{N}_";
/** Inside a character class of a `u` pattern: Python's `\d`. */
export const PY_DIGIT = "\\p{Nd}";

const LEADING = new RegExp(`^[${PY_SPACE}]+`);
const SPACES = new RegExp(`[${PY_SPACE}]+`, "g");
const SPACE = new RegExp(`[${PY_SPACE}]`);

/** `text.strip()` */
export function strip(text: string): string {
  let end = text.length;
  while (end > 0 && SPACE.test(text[end - 1]!)) end--; // a pattern anchored at the end would take quadratic time
  return text.slice(0, end).replace(LEADING, "");
}

/** `text.split()` */
export function words(text: string): string[] {
  return text.split(SPACES).filter((word) => word !== "");
}

/** `re.sub(r"\s+", " ", text)` */
export function foldSpaces(text: string): string {
  return text.replace(SPACES, " ");
}

/** `text.capitalize()`: the first character in title case, the rest in lower case. */
export function capitalize(text: string): string {
  const first = String.fromCodePoint(text.codePointAt(0) ?? 0);
  if (text === "") return "";
  const upper = [...first.toUpperCase()];
  const title = upper[0]! + upper.slice(1).join("").toLowerCase(); // "ß" → "Ss"
  return title + text.toLowerCase().slice(first.toLowerCase().length);
}

/** A pattern that finds any of the words as a whole word, like Python's `\b(…)\b`. */
export function wholeWords(list: readonly string[], flags = ""): RegExp {
  return new RegExp(`(?<![${PY_WORD}])(?:${list.join("|")})(?![${PY_WORD}])`, `u${flags}`);
}
