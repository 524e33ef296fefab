/**
 * The tokenizers of tokenizer.json, part by part as Hugging Face's Rust library has them (crate `tokenizers` 0.23). A part that is not
 * known is refused.
 */
import type { AddedToken } from "../added-tokens.js";
import { AddedVocabulary } from "./added-vocabulary.js";
import { Bpe } from "./bpe.js";
import { type Component, refuse } from "./component.js";
import { type Decoder, readDecoder } from "./decoders.js";
import type { Model } from "./model.js";
import { readNormalizer } from "./normalizers.js";
import { type PostProcessor, readPostProcessor } from "./post-processors.js";
import { type PreTokenizer, readPreTokenizer } from "./pre-tokenizers.js";
import { Unigram } from "./unigram.js";
import { WordLevel, WordPiece } from "./word-models.js";

/** Builds the model of tokenizer.json; files of before 2021 name no type. */
export function readModel(part: Component | null | undefined): Model {
  const { type, vocab, merges } = part ?? {};
  switch (type ?? (Array.isArray(vocab) ? "Unigram" : Array.isArray(merges) ? "BPE" : undefined)) {
    case "BPE":
      return new Bpe(part!);
    case "Unigram":
      return new Unigram(part!);
    case "WordPiece":
      return new WordPiece(part!);
    case "WordLevel":
      return new WordLevel(part!);
    default:
      return refuse("a model of type", type ?? null);
  }
}

/** Pieces of text, words as a rule, between two places to pause. */
const PART = 256;

/** Text to ids and back, without any notion of what the tokens are for. */
export class TokenizerEngine {
  readonly #model: Model;
  readonly #added: AddedVocabulary;
  readonly #preTokenize: PreTokenizer;
  readonly #process: PostProcessor;
  readonly #decode: Decoder;
  readonly #ids: Map<string, number>;
  readonly #tokens = new Map<number, string>();
  /** Added tokens that are looked for in normalized text are decoded as they are found there. */
  readonly #shown = new Map<number, string>();

  /** @param file tokenizer.json. */
  constructor(file: Component, model: Model, added: readonly AddedToken[]) {
    const part = (name: string): Component | null | undefined => file[name] as Component | null | undefined;
    const normalize = readNormalizer(part("normalizer"));
    this.#model = model;
    this.#added = new AddedVocabulary(added, normalize);
    this.#preTokenize = readPreTokenizer(part("pre_tokenizer"));
    this.#ids = new Map(model.vocabulary);
    for (const { content, id } of added) this.#ids.set(content, id);
    for (const [token, id] of model.vocabulary) this.#tokens.set(id, token);
    for (const { content, id, normalized } of added) {
      this.#tokens.set(id, content);
      if (normalized) this.#shown.set(id, normalize(content));
    }
    this.#process = readPostProcessor(part("post_processor"), (token) => this.#ids.get(token));
    this.#decode = readDecoder(part("decoder"));
  }

  encode(text: string, addSpecialTokens: boolean): number[] {
    const parts = this.encodeInParts(text, addSpecialTokens);
    for (;;) {
      const { done, value } = parts.next();
      if (done) return value;
    }
  }

  /** As `encode`, with a place to pause after every few pieces of text. */
  *encodeInParts(text: string, addSpecialTokens: boolean): Generator<undefined, number[]> {
    const ids: number[] = [];
    for (const section of this.#added.sections(text)) {
      if (section.id !== undefined) {
        ids.push(section.id);
        continue;
      }
      let pieces = 0;
      for (const piece of this.#preTokenize(section)) {
        if (pieces++ % PART === 0) yield;
        for (const id of this.#model.tokenize(piece.text)) ids.push(id);
      }
    }
    return addSpecialTokens ? this.#process(ids) : ids;
  }

  /** Ids that are not there are left out. */
  decode(ids: Iterable<number>): string {
    const tokens: string[] = [];
    for (const id of ids) {
      const token = this.#shown.get(id) ?? this.#tokens.get(id);
      if (token !== undefined) tokens.push(token);
    }
    return tokens.length === 0 ? "" : this.#decode(tokens).join("");
  }

  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  tokenOf(id: number): string | undefined {
    return this.#tokens.get(id);
  }

  /** Highest id + 1. */
  get size(): number {
    let highest = -1;
    for (const id of this.#tokens.keys()) if (id > highest) highest = id;
    return highest + 1;
  }
}
