import { words } from "./python-text.js";

/** Inside a character class of a `u` pattern: letters of scripts that put no spaces between words. */
export const UNSPACED =
  "\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}";

const unspaced = new RegExp(`[${UNSPACED}]`, "u");
const segmenter = new Intl.Segmenter("und", { granularity: "word" });

/** Words of a text: runs between white space, and within a run of a script without spaces the words of ICU's dictionaries. */
export function countWords(text: string): number {
  if (!unspaced.test(text)) return words(text).length;
  let count = 0;
  for (const run of words(text)) {
    if (!unspaced.test(run)) count++;
    else for (const { isWordLike } of segmenter.segment(run)) if (isWordLike) count++;
  }
  return count;
}
