import { UNSPACED } from "../../data/count-words.js";

/** Punctuation, but for what stands between two digits: 1.5 is not 15, and 3 - 1 is not 3. */
const PUNCTUATION = /(?<!\p{N}\s*)\p{P}|\p{P}(?!\s*\p{N})/gu;
/** White space beside a letter of a script without spaces separates nothing. */
const NEEDLESS_SPACE = new RegExp(`(?<=[${UNSPACED}]) | (?=[${UNSPACED}])`, "gu");

/**
 * A text of any script with case, width (Ａ and A), punctuation and white space put aside; the text itself where nothing else is in it.
 * Texts that differ in a letter, a mark, a number or a symbol stay different.
 */
export function foldText(text: string): string {
  const folded = text
    .normalize("NFKC")
    .toLowerCase()
    .replace(PUNCTUATION, " ")
    .replace(/\s+/gu, " ")
    .trim()
    .replace(NEEDLESS_SPACE, "");
  return folded || text.trim();
}
