import { FailureError } from "../../errors.js";
import { type Component, text, vocabularyOf } from "./component.js";
import type { Model } from "./model.js";

/** Whole words only. */
export class WordLevel implements Model {
  readonly vocabulary: Map<string, number>;
  readonly #unknown?: number;

  constructor(part: Component) {
    this.vocabulary = vocabularyOf(part);
    this.#unknown = this.vocabulary.get(text(part, "unk_token", "<unk>"));
  }

  tokenize(word: string): number[] {
    const id = this.vocabulary.get(word) ?? this.#unknown;
    if (id === undefined)
      throw new FailureError("the tokenizer cannot write this text: it has no token for what is unknown");
    return [id];
  }
}

/** The longest beginnings that the vocabulary has (BERT's). */
export class WordPiece implements Model {
  readonly vocabulary: Map<string, number>;
  readonly #unknown: number;
  readonly #prefix: string;
  readonly #longest: number;

  constructor(part: Component) {
    this.vocabulary = vocabularyOf(part);
    const unknown = this.vocabulary.get(text(part, "unk_token", "[UNK]"));
    if (unknown === undefined) throw new FailureError("its unk_token is not in the vocabulary");
    this.#unknown = unknown;
    this.#prefix = text(part, "continuing_subword_prefix", "##");
    this.#longest = (part.max_input_chars_per_word as number | undefined) ?? 100;
  }

  tokenize(word: string): number[] {
    const chars = Array.from(word);
    if (chars.length > this.#longest) return [this.#unknown];
    const ids: number[] = [];
    for (let start = 0; start < chars.length; ) {
      let end = chars.length;
      let id: number | undefined;
      for (; end > start; end--) {
        id = this.vocabulary.get((start > 0 ? this.#prefix : "") + chars.slice(start, end).join(""));
        if (id !== undefined) break;
      }
      if (id === undefined) return [this.#unknown];
      ids.push(id);
      start = end;
    }
    return ids;
  }
}
