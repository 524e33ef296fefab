import type { AddedToken } from "../added-tokens.js";
import { WHITE_SPACE, WORD } from "./component.js";
import type { Normalizer } from "./normalizers.js";

/** A part of a text: an added token's, or what is left for the model. */
export interface Section {
  text: string;
  id?: number;
  /** Whether it stands at the very beginning of the whole text. */
  first: boolean;
}

interface Node {
  children: Map<string, Node>;
  token?: AddedToken;
}

const WORD_CHARACTER = new RegExp(`[${WORD}]`, "u");

/** Finds added tokens in a text: of those that start at a place the longest, from left to right. */
export class AddedVocabulary {
  readonly #raw: Node = { children: new Map() };
  readonly #normalized: Node = { children: new Map() };
  readonly #normalize: Normalizer;

  constructor(tokens: readonly AddedToken[], normalize: Normalizer) {
    this.#normalize = normalize;
    for (const token of tokens) {
      const content = token.normalized ? normalize(token.content) : token.content;
      if (content === "") continue;
      let node = token.normalized ? this.#normalized : this.#raw;
      for (const unit of content.split("")) {
        let child = node.children.get(unit);
        if (!child) node.children.set(unit, (child = { children: new Map() }));
        node = child;
      }
      node.token = token;
    }
  }

  /** Tokens that are matched as they are written come first; the rest is normalized, and the others are looked for in it. */
  sections(text: string): Section[] {
    return this.#cut({ text, first: true }, this.#raw).flatMap((section) =>
      section.id === undefined
        ? this.#cut({ ...section, text: this.#normalize(section.text) }, this.#normalized)
        : [section],
    );
  }

  #cut({ text, first }: Section, root: Node): Section[] {
    if (root.children.size === 0) return text === "" ? [] : [{ text, first }];
    const sections: Section[] = [];
    let done = 0;
    for (let at = 0; at < text.length; ) {
      const token = longest(text, at, root);
      if (!token) {
        at++;
        continue;
      }
      const { start, end, token: found } = token;
      at = end;
      if (found.single_word && (isWord(before(text, start)) || isWord(after(text, end)))) continue;
      let [from, to] = [start, end];
      if (found.lstrip) while (from > done && WHITE_SPACE.test(text[from - 1]!)) from--;
      if (found.rstrip) while (to < text.length && WHITE_SPACE.test(text[to]!)) to++;
      if (done < from) sections.push({ text: text.slice(done, from), first: first && done === 0 });
      sections.push({ text: text.slice(from, to), id: found.id, first: false });
      done = Math.max(done, to);
      at = Math.max(at, done);
    }
    if (done < text.length) sections.push({ text: text.slice(done), first: first && done === 0 });
    return sections;
  }
}

function longest(
  text: string,
  start: number,
  root: Node,
): { start: number; end: number; token: AddedToken } | undefined {
  let node: Node | undefined = root;
  let found: { start: number; end: number; token: AddedToken } | undefined;
  for (let at = start; at < text.length && (node = node.children.get(text[at]!)); at++)
    if (node.token) found = { start, end: at + 1, token: node.token };
  return found;
}

/** The character that ends at a place; it may be two UTF-16 units. */
function before(text: string, at: number): string {
  return Array.from(text.slice(Math.max(0, at - 2), at)).at(-1) ?? "";
}

function after(text: string, at: number): string {
  return at < text.length ? String.fromCodePoint(text.codePointAt(at)!) : "";
}

function isWord(char: string): boolean {
  return WORD_CHARACTER.test(char);
}
