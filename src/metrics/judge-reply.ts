/** What of a judge's reply can be a verdict: not its thoughts, and of several objects the last complete one. */

/** How writing ended: the judge ended it, or the limit of tokens did. */
export type ReplyEnd = "stop" | "length";

/** Marks after which the answer proper begins: reasoning models of several makers. */
const THOUGHTS_END =
  /<\/(?:think|thinking|thought|thoughts|reasoning|reflection)>|\[\/THINK\]|◁\/think▷|<\|channel\|>final<\|message\|>|\bassistantfinal\b/gi;
const THOUGHTS_START =
  /^[^\S\n]*(?:<(?:think|thinking|thought|thoughts|reasoning|reflection)>|\[THINK\]|◁think▷|<\|channel\|>analysis)/gim;

/**
 * A reply without its thoughts: what stands after the last mark that ends them, and before one that begins them and has no
 * end (the limit came while the judge was thinking). Marks that a JSON object quotes are text.
 */
export function withoutThoughts(reply: string): string {
  const quoted = objectSpans(reply).closed.filter(({ start, end }) => isJson(reply.slice(start, end)));
  const isQuoted = (at: number): boolean => quoted.some(({ start, end }) => at > start && at < end);
  const ends = [...reply.matchAll(THOUGHTS_END)].filter(({ index }) => !isQuoted(index));
  const last = ends.at(-1);
  const from = last ? last.index + last[0].length : 0;
  const again = [...reply.matchAll(THOUGHTS_START)].find(({ index }) => index >= from && !isQuoted(index));
  return reply.slice(from, again?.index).trim();
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

export interface ObjectSpans {
  /** Places of the outermost `{…}`, in order; `end` is past the closing brace. */
  closed: { start: number; end: number }[];
  /** Where a brace after the last of them opens an object that nothing closes. */
  open?: number;
}

/**
 * Finds the objects of a text. Braces within strings do not count; where quotes that judges leave unescaped make strings of
 * what is none, all braces count.
 */
export function objectSpans(text: string): ObjectSpans {
  const aware = spansOf(text, true);
  if (aware.open === undefined) return aware;
  const plain = spansOf(text, false);
  return plain.open === undefined ? plain : aware;
}

function spansOf(text: string, skipsStrings: boolean): ObjectSpans {
  const closed: ObjectSpans["closed"] = [];
  let start = 0;
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (inString) {
      if (character === "\\") at++;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = skipsStrings && depth > 0;
    else if (character === "{" && depth++ === 0) start = at;
    else if (character === "}" && depth > 0 && --depth === 0) closed.push({ start, end: at + 1 });
  }
  return depth > 0 ? { closed, open: start } : { closed };
}
