/** The items of a list as chat models write it: with a preamble, numbers of any form, bullets, bold, headings, thoughts, blank lines. */
import { strip } from "../data/python-text.js";
import { withoutThoughts } from "../metrics/judge-reply.js";

/** "9.", "9)", "(9)", "[9]", "9:", "#9", "9 -", "Task 9:", "No. 9:", "Step 9.", each perhaps in bold or after heading marks. */
const NUMBER =
  /^\s{0,8}(?:#{1,6}\s+)?(?:[*_]{1,3})?(?:(?:task|instruction|item|example|no\.?|nr\.?|number|question|prompt)\s*#?\s*)?[([]?#?\p{Nd}{1,3}[)\]]?\s*(?:[.):、．]|[-–—](?=\s)|(?=[*_]{1,3}\s))[*_]{0,3}[.:]?\s*/iu;
/** The forms whose number says by itself that it is one: "(9) ", "[9] ", "#9 ". */
const MARKED_NUMBER = /^\s{0,8}(?:[*_]{1,3})?(?:[([]\p{Nd}{1,3}[)\]]|#\p{Nd}{1,3})[*_]{0,3}\s+/u;
const BULLET = /^\s{0,8}(?:[-*•‣◦▪·–—+]|\u2022)\s+(?=\S)/;
const LETTER = /^\s{0,8}\(?[a-z][.)]\s+(?=\S)/;
/** A line that is no task: how chat models begin and end. */
const PREAMBLE =
  /^(?:sure|certainly|of course|absolutely|okay|ok|great|here (?:are|is|'s)|here’s|below (?:are|is)|the (?:following|next|list)|continuing|i(?:'ve|’ve| have| can| will|'ll|’ll)|let me know|feel free|these (?:tasks|instructions|examples|are)|would you|do you want|hope|note\b|i hope|this list|that (?:completes|makes)|happy to)\b/i;
const FENCE = /^\s*(?:```|~~~)\w*\s*$/;
const RULE = /^\s*(?:[-*_=]\s*){3,}$/;

interface Line {
  text: string;
  /** The line without its mark; undefined where it has none. */
  item?: string;
}

/**
 * Items of a list in a chat model's reply, cleaned of marks. A reply may begin with the rest of an item whose number stood in the
 * prompt: text before the first mark is an item of its own unless it is a preamble. Lines without a mark go on with the item
 * before them; after a blank line they end the list, unless a mark follows.
 *
 * @param isCut whether the limit of tokens ended the reply: its last item is then incomplete, and left out.
 */
export function listItems(reply: string, isCut = false): string[] {
  const lines = withoutThoughts(reply)
    .split(/\r?\n/)
    .filter((line) => !FENCE.test(line) && !RULE.test(line))
    .map(lineOf);
  const isList = lines.some(({ item }) => item !== undefined);
  const items = isList ? markedItems(lines) : plainItems(lines);
  const kept = isCut ? items.slice(0, -1) : items;
  return kept.map(withoutDecoration).filter((item) => item !== "");
}

function lineOf(text: string): Line {
  for (const mark of [MARKED_NUMBER, NUMBER, BULLET, LETTER]) {
    const found = mark.exec(text);
    if (found) return { text, item: text.slice(found[0].length) };
  }
  return { text };
}

function markedItems(lines: readonly Line[]): string[] {
  const items: string[] = [];
  let afterBlank = true;
  let isInList = false;
  for (const [at, { text, item }] of lines.entries()) {
    const bare = strip(text);
    if (item !== undefined) {
      items.push(item);
      isInList = true;
    } else if (bare !== "") {
      const isRest = isInList && !afterBlank;
      if (isRest) items[items.length - 1] += ` ${bare}`;
      else if (!isInList && !isPreamble(bare, lines[at + 1])) items.push(bare);
    }
    afterBlank = bare === "";
  }
  return items;
}

/** A reply without any mark: a line is an item, as where a model goes on with the one number that the prompt left open. */
function plainItems(lines: readonly Line[]): string[] {
  return lines.map(({ text }) => strip(text)).filter((text, at) => text !== "" && !isPreamble(text, lines[at + 1]));
}

function isPreamble(text: string, next: Line | undefined): boolean {
  return PREAMBLE.test(withoutDecoration(text)) || (text.endsWith(":") && next !== undefined);
}

/** Without bold, italics, code marks and quotes around the whole, and without a bold title before the task itself. */
function withoutDecoration(item: string): string {
  let text = strip(item.replace(/(?:\*\*|__)(?=\S)([^*_]+?)(?<=\S)(?:\*\*|__)/g, "$1"));
  for (let before = ""; before !== text; ) {
    before = text;
    text = strip(
      text.replace(/^(["'“‘`*_]+)([\s\S]*?)(["'”’`*_]+)$/, (whole, open: string, inner: string) => {
        return inner.includes(open[0]!) ? whole : inner;
      }),
    );
  }
  return text.replace(/^[*_]{1,3}(?=\S)|(?<=\S)[*_]{1,3}$/g, "");
}
