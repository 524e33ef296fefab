import * as library from "@huggingface/tokenizers";
import { FailureError } from "../../errors.js";
import type { Component } from "./component.js";

/** The library's translator of patterns; it is exported, but not declared. */
const { SplitPreTokenizer } = library as unknown as {
  SplitPreTokenizer: new (settings: object) => { pattern: RegExp | null };
};

/** A part of a text, in UTF-16 units, and whether a pattern matched it. */
export interface Span {
  start: number;
  end: number;
  match: boolean;
}

/** Cuts a text into what a pattern matches and what lies between; the spans cover it, and are found as they are asked for. */
export type Pattern = (text: string) => Iterable<Span>;

/** Spans of one-character matches. */
export function charPattern(test: (char: string) => boolean): Pattern {
  return function* (text) {
    let start = 0;
    let at = 0;
    for (const char of text) {
      if (test(char)) {
        if (start < at) yield { start, end: at, match: false };
        yield { start: at, end: at + char.length, match: true };
        start = at + char.length;
      }
      at += char.length;
    }
    if (start < text.length) yield { start, end: text.length, match: false };
  };
}

/** Spans of a regular expression's matches (flag `g`). */
export function regexPattern(regex: RegExp): Pattern {
  return function* (text) {
    let last = 0;
    for (const found of text.matchAll(regex)) {
      const { index } = found;
      // JavaScript finds nothing in the middle of a pair of surrogates, where no other language has a place.
      if (found[0] === "" && isLow(text.charCodeAt(index)) && index > 0) continue;
      if (last < index) yield { start: last, end: index, match: false };
      yield { start: index, end: index + found[0].length, match: true };
      last = index + found[0].length;
    }
    if (last < text.length) yield { start: last, end: text.length, match: false };
  };
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}

/** `{String: …}` or `{Regex: …}`, as tokenizer.json writes patterns. */
export function readPattern(value: unknown): Pattern {
  const { String: literal, Regex: source } = (value ?? {}) as Component;
  if (typeof literal === "string") {
    if (literal === "") return (text) => [{ start: 0, end: text.length, match: false }];
    return regexPattern(new RegExp(literal.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&"), "gu"));
  }
  if (typeof source !== "string") throw new FailureError("a pattern is neither a String nor a Regex");
  return regexPattern(compile(source));
}

/**
 * A pattern of Oniguruma, in which tokenizer.json's are written, for JavaScript. The translation is `@huggingface/tokenizers`';
 * what it takes for granted is put in words that it keeps first: possessive quantifiers and atomic groups (it would let them
 * backtrack), and letters that are equal to `s` and `k` without regard to case.
 */
export function compile(source: string): RegExp {
  try {
    const { pattern } = new SplitPreTokenizer({
      type: "Split",
      pattern: { Regex: atomic(foldedLetters(source)) },
      behavior: "Isolated",
      invert: false,
    });
    if (pattern) return pattern;
  } catch (error) {
    throw new FailureError(`its pattern ${source.slice(0, 60)} cannot be read (${(error as Error).message})`);
  }
  throw new FailureError(`its pattern ${source.slice(0, 60)} cannot be read`);
}

const ATOM = /^(?:\\[pPxu]\{[^}]*\}|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\\[\s\S]|[\s\S])/u;

/** Where the character class that starts at `at` ends. */
function classEnd(source: string, at: number): number {
  let depth = 0;
  for (let i = at; i < source.length; i++) {
    if (source[i] === "\\") i++;
    else if (source[i] === "[") depth++;
    else if (source[i] === "]" && !(i === at + 1 || (i === at + 2 && source[at + 1] === "^")) && --depth === 0)
      return i + 1;
  }
  return source.length;
}

/** X?+ and (?>X) as (?=(X?))\1: once matched, never given back. */
function atomic(source: string): string {
  let out = "";
  let names = 0;
  let atom = -1;
  const groups: { start: number; atomic: boolean }[] = [];
  const hold = (start: number, body: string): void => {
    const name = `evoke${names++}`;
    out = `${out.slice(0, start)}(?:(?=(?<${name}>${body}))\\k<${name}>)`;
  };
  for (let i = 0; i < source.length; ) {
    const char = source[i]!;
    if (char === "[") {
      const end = classEnd(source, i);
      atom = out.length;
      out += source.slice(i, end);
      i = end;
    } else if (char === "(") {
      const isAtomic = source.startsWith("(?>", i);
      groups.push({ start: out.length, atomic: isAtomic });
      const opening = isAtomic ? "(?:" : (/^\(\?(?:<[=!]|<\w+>|[i]?:|[=!])/.exec(source.slice(i))?.[0] ?? "(");
      out += opening;
      i += isAtomic ? 3 : opening.length;
      atom = -1;
    } else if (char === ")") {
      const group = groups.pop() ?? { start: 0, atomic: false };
      out += ")";
      i++;
      if (group.atomic) hold(group.start, out.slice(group.start));
      atom = group.start;
    } else if ("?*+".includes(char) && atom >= 0 && source[i + 1] === "+") {
      hold(atom, out.slice(atom) + char);
      i += 2;
      atom = -1;
    } else if ("?*+".includes(char) || (char === "{" && /^\{\d*,?\d*\}/.test(source.slice(i)))) {
      const quantifier = /^(?:[?*+]|\{\d*,?\d*\})\??/.exec(source.slice(i))![0];
      out += quantifier;
      i += quantifier.length;
      atom = -1;
    } else {
      const unit = ATOM.exec(source.slice(i))![0];
      atom = unit === "|" ? -1 : out.length;
      out += unit;
      i += unit.length;
    }
  }
  return out;
}

/** Without regard to case, ſ is an s and the Kelvin sign a k. */
function foldedLetters(source: string): string {
  const also: Record<string, string> = { s: "ſ", k: "\u212a" };
  return source.replace(/\(\?i:((?:[^()\\]|\\.)*)\)/g, (group, body: string) => {
    if (!/[sk]/i.test(body)) return group;
    const folded = body.replace(/\\.|\[[^\]]*\]|[sSkK]/g, (unit) => {
      if (unit[0] === "\\") return unit;
      if (unit[0] !== "[") return `[${unit}${also[unit.toLowerCase()]}]`;
      const letters = Object.entries(also).filter(([letter]) => unit.toLowerCase().includes(letter));
      return `${unit.slice(0, -1)}${letters.map(([, other]) => other).join("")}]`;
    });
    return `(?i:${folded})`;
  });
}
