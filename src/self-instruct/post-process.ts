import { capitalize, foldSpaces, PY_DIGIT, PY_SPACE, strip, wholeWords, words } from "../data/python-text.js";
import { listItems } from "./list-items.js";

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

/** Why a proposal is left out. */
export type DropReason =
  | "response cut off"
  | "no list in the response"
  | "fewer than 4 words"
  | "more than 150 words"
  | "a word such as image, file or draw"
  | "begins with Write a program"
  | "begins with punctuation or a non-ASCII letter";

export interface Proposals {
  /** Instructions, cleaned. */
  kept: string[];
  dropped: Partial<Record<DropReason, number>>;
}

export interface ReadingOptions {
  /** Of a cut response nothing is kept ("drop"), or all but its last, incomplete item ("trim"). */
  cut: "drop" | "trim";
  /** The response is a chat model's reply, not the continuation of a list. */
  chat?: boolean;
}

/** The instructions in a model's response, cleaned, with the unsuitable ones left out and counted. */
export function readProposals(text: string, finishReason: string, { cut, chat = false }: ReadingOptions): Proposals {
  const isCut = finishReason === "length";
  if (isCut && cut === "drop") return { kept: [], dropped: { "response cut off": 1 } };
  const items = chat ? listItems(text, isCut) : isCut ? text.split(ITEM).slice(0, -1) : text.split(ITEM);
  const cleaned = items.map((item) => capitalize(strip(foldSpaces(item)))).filter((item) => item !== "");
  const proposals: Proposals = { kept: [], dropped: {} };
  for (const instruction of cleaned) {
    const reason = whyUnsuitable(instruction);
    if (reason === undefined) proposals.kept.push(instruction);
    else proposals.dropped[reason] = (proposals.dropped[reason] ?? 0) + 1;
  }
  if (cleaned.length === 0) proposals.dropped["no list in the response"] = 1;
  return proposals;
}

/** The original's reading: a continuation cut off by length gives nothing. */
export const postProcess = (text: string, finishReason: string): string[] =>
  readProposals(text, finishReason, { cut: "drop" }).kept;

function whyUnsuitable(instruction: string): DropReason | undefined {
  const count = words(instruction).length;
  if (count < MIN_WORDS) return "fewer than 4 words";
  if (count > MAX_WORDS) return "more than 150 words";
  if (UNSUITABLE_WORDS.test(instruction)) return "a word such as image, file or draw";
  if (instruction.startsWith("Write a program")) return "begins with Write a program";
  if (PUNCTUATION.has(instruction[0]!) || instruction.charCodeAt(0) >= 128)
    return "begins with punctuation or a non-ASCII letter";
  return undefined;
}
