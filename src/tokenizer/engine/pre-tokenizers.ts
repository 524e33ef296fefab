import { byteLevelText, type Component, list, PUNCTUATION, refuse, text, WHITE_SPACE, WORD } from "./component.js";
import { charPattern, compile, type Pattern, readPattern, regexPattern, type Span } from "./pattern.js";

/** A piece of text on its way to the model. */
export interface Piece {
  text: string;
  /** Whether it stands at the very beginning of the whole text. */
  first: boolean;
}

/** Cuts a piece into smaller ones, which are made as they are asked for: a long text must not hold up everything else. */
export type PreTokenizer = (piece: Piece) => Iterable<Piece>;

type Behavior = "isolated" | "removed" | "contiguous" | "mergedwithprevious" | "mergedwithnext";
const BEHAVIORS: readonly string[] = ["isolated", "removed", "contiguous", "mergedwithprevious", "mergedwithnext"];

/** How GPT-2 cuts words. */
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** Builds a pre-tokenizer of tokenizer.json. */
export function readPreTokenizer(part: Component | null | undefined): PreTokenizer {
  if (!part) return (piece) => [piece];
  switch (part.type) {
    case "Sequence": {
      return list(part, "pretokenizers")
        .map(readPreTokenizer)
        .reduce<PreTokenizer>(inTurn, (piece) => [piece]);
    }
    case "ByteLevel":
      return byteLevel(part);
    case "Metaspace":
      return metaspace(part);
    case "Split":
      return splitter(readPattern(part.pattern), behaviorOf(part.behavior), part.invert === true);
    case "Whitespace":
      return splitter(regexPattern(new RegExp(`[${WORD}]+|[^${WORD}\\p{White_Space}]+`, "gu")), "removed", true);
    case "WhitespaceSplit":
      return splitter(WHITE, "removed");
    case "BertPreTokenizer": {
      const words = splitter(WHITE, "removed");
      const marks = splitter(PUNCTUATED, "isolated");
      return inTurn(words, marks);
    }
    case "Punctuation":
      return splitter(PUNCTUATED, behaviorOf(part.behavior ?? "Isolated"));
    case "Digits":
      return splitter(
        charPattern((char) => /\p{N}/u.test(char)),
        part.individual_digits === true ? "isolated" : "contiguous",
      );
    case "CharDelimiterSplit": {
      const delimiter = text(part, "delimiter");
      return splitter(
        charPattern((char) => char === delimiter),
        "removed",
      );
    }
    case "FixedLength": {
      const { length = 5 } = part;
      if (!Number.isInteger(length) || (length as number) < 1) return refuse("FixedLength of", length);
      return fixedLength(length as number);
    }
    default:
      return refuse("a pre-tokenizer of type", part.type);
  }
}

const WHITE = charPattern((char) => WHITE_SPACE.test(char));
const PUNCTUATED = charPattern((char) => PUNCTUATION.test(char));

function behaviorOf(value: unknown): Behavior {
  const name = String(value).toLowerCase().replace(/_/g, "");
  return BEHAVIORS.includes(name) ? (name as Behavior) : refuse("the behaviour", value);
}

/** One after the other. */
function inTurn(before: PreTokenizer, after: PreTokenizer): PreTokenizer {
  return function* (piece) {
    for (const part of before(piece)) yield* after(part);
  };
}

function splitter(pattern: Pattern, behavior: Behavior, invert = false): PreTokenizer {
  const isWanted = ({ match }: Span): boolean => behavior !== "removed" || match === invert;
  const merges = behavior !== "removed" && behavior !== "isolated";
  return function* (piece) {
    const spans = pattern(piece.text);
    for (const span of merges ? joined(spans, behavior, invert) : spans) {
      const { start, end } = span;
      if (end > start && isWanted(span))
        yield { text: piece.text.slice(start, end), first: piece.first && start === 0 };
    }
  };
}

/** Spans with the matches put to a neighbour; with `invert`, what lies between the matches. */
function joined(found: Iterable<Span>, behavior: Behavior, invert: boolean): Span[] {
  const spans = Array.from(found, (span) => ({ ...span, match: span.match !== invert }));
  const result: Span[] = [];
  let before = false;
  if (behavior === "mergedwithnext") {
    for (const span of spans.toReversed()) {
      const last = result.at(-1);
      if (span.match && !before && last) last.start = span.start;
      else result.push({ ...span });
      before = span.match;
    }
    return result.reverse();
  }
  for (const span of spans) {
    const last = result.at(-1);
    const merges = behavior === "contiguous" ? last !== undefined && span.match === before : span.match && !before;
    if (merges && last) last.end = span.end;
    else result.push({ ...span });
    before = span.match;
  }
  return result;
}

function byteLevel(part: Component): PreTokenizer {
  const cut = part.use_regex === false ? undefined : splitter(regexPattern(compile(GPT2)), "isolated");
  return function* (piece) {
    const spaced = part.add_prefix_space !== false && !piece.text.startsWith(" ");
    const whole = spaced ? { ...piece, text: ` ${piece.text}` } : piece;
    for (const each of cut ? cut(whole) : [whole]) yield { ...each, text: byteLevelText(each.text) };
  };
}

function metaspace(part: Component): PreTokenizer {
  const mark = text(part, "replacement", "▁");
  const scheme = part.prepend_scheme ?? (part.add_prefix_space === false ? "never" : "always");
  if (scheme !== "always" && scheme !== "first" && scheme !== "never") return refuse("the prepend_scheme", scheme);
  const cut = splitter(
    charPattern((char) => char === mark),
    "mergedwithnext",
  );
  return (piece) => {
    let marked = piece.text.replaceAll(" ", () => mark);
    const begins = scheme === "always" || (scheme === "first" && piece.first);
    if (begins && !marked.startsWith(mark)) marked = mark + marked;
    const whole = { ...piece, text: marked };
    return part.split === false ? [whole] : cut(whole);
  };
}

function fixedLength(length: number): PreTokenizer {
  return ({ text: value, first }) => {
    const chars = Array.from(value);
    const pieces: Piece[] = [];
    for (let at = 0; at < chars.length; at += length)
      pieces.push({ text: chars.slice(at, at + length).join(""), first: first && at === 0 });
    return pieces;
  };
}
