import { capitalize, foldSpaces, PY_DIGIT, PY_SPACE, strip, wholeWords, words } from "../data/python-text.js";

/** Between two items of a numbered list: a line end, a number, maybe a blank, a full stop, a space. */
const ITEM = new RegExp(`\\n[${PY_DIGIT}]+[${PY_SPACE}]?\\. `, "u");

/** Things a language model can neither see nor make, or does as a habit (Wang et al. 2023, section 2.1 and code). */
const UNSUITABLE = [
  ["image", "images", "graph", "graphs", "picture", "pictures", "file", "files", "map", "maps"],
  ["draw", "plot", "go to"],
].flat();

// Python ignores case with "i" and dotless "ı" as one letter; the `u` and `i` flags of JavaScript do not.
const UNSUITABLE_WORDS = wholeWords(
  UNSUITABLE.map((word) => word.replaceAll("i", "[iı]")),
  "i",
);
const PUNCTUATION = new Set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~");
const MIN_WORDS = 4;
const MAX_WORDS = 150;

/**
 * The instructions in a model's continuation of a numbered list, cleaned, with the unsuitable ones left out. A
 * continuation cut off by length gives none.
 */
export function postProcess(text: string, finishReason: string): string[] {
  if (finishReason === "length") return [];
  return text
    .split(ITEM)
    .map((item) => capitalize(strip(foldSpaces(item))))
    .filter(isSuitable);
}

/** As `postProcess`, but of a cut continuation only the last item, the incomplete one, is lost. */
export function postProcessTrimmed(text: string, finishReason: string): string[] {
  if (finishReason !== "length") return postProcess(text, finishReason);
  return postProcess(text.split(ITEM).slice(0, -1).join("\n1. "), "stop");
}

function isSuitable(instruction: string): boolean {
  const count = words(instruction).length;
  if (count < MIN_WORDS || count > MAX_WORDS) return false;
  if (UNSUITABLE_WORDS.test(instruction) || instruction.startsWith("Write a program")) return false;
  return !PUNCTUATION.has(instruction[0]!) && instruction.charCodeAt(0) < 128;
}
