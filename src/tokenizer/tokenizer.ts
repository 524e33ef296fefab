import { existsSync } from "node:fs";
import { join } from "node:path";
import { ggufGenerationConfig } from "../checkpoint/gguf/config.js";
import { openGguf } from "../checkpoint/gguf/parts.js";
import { findGguf } from "../checkpoint/open.js";
import { FailureError } from "../errors.js";
import { readJsonObject } from "../files/json-object.js";
import { addedTokens, furtherTokens, NAMED_TOKENS, tokenText } from "./added-tokens.js";
import { isTokenId } from "./engine/component.js";
import { readModel, TokenizerEngine } from "./engine/engine.js";
import { type LocalTime, PROGRAM_START } from "./template-date.js";
import { withinTime } from "./time-limit.js";
import { readTokenizerFiles, type TokenizerFiles } from "./tokenizer-files.js";
import { endsByText, ggufTokenizer } from "./tokenizer-gguf.js";

/** Text to token ids and back. */
export interface Tokenizer {
  /** Token ids of a text; special tokens written out in the text are recognised. `addSpecialTokens` (default true) adds BOS etc. */
  encode(text: string, options?: { addSpecialTokens?: boolean }): number[];
  /** As `encode`, but a long text lets the event loop have its turns meanwhile. */
  encodeInTurns?(text: string, options?: { addSpecialTokens?: boolean }): Promise<number[]>;
  /** Ids that the vocabulary lacks are left out. `skipSpecialTokens` defaults to false. Spaces are kept as they are. */
  decode(ids: ArrayLike<number>, options?: { skipSpecialTokens?: boolean }): string;
  tokenToId(token: string): number | undefined;
  idToToken(id: number): string | undefined;
  /** Highest id + 1. */
  readonly vocabSize: number;
  readonly bosId?: number;
  readonly eosId?: number;
  readonly padId?: number;
  /** Every id that ends a generation, the generation config's included. */
  readonly eosIds: number[];
  readonly bosToken?: string;
  readonly eosToken?: string;
  /** The model's own chat template (Jinja). */
  readonly chatTemplate?: string;
  /** Special tokens by the names that chat templates know them by: bos_token, pad_token, … */
  readonly specialTokens?: Readonly<Record<string, unknown>>;
  /** Whether a token was added to the vocabulary as a whole, as special tokens are. */
  isAdded?(id: number): boolean;
  /** The date and time that chat templates are told. */
  templateTime?: LocalTime;
  /** Decodes one id at a time; text comes out as soon as it is complete characters. Special tokens are skipped by default. */
  stream(options?: { skipSpecialTokens?: boolean }): TokenStream;
}

export interface TokenStream {
  /** Text that this id completes, often empty inside a multi-byte character. */
  push(id: number): string;
  /** What is left. */
  flush(): string;
}

/**
 * Loads the tokenizer of a Hugging Face folder or a GGUF file (or a folder holding one).
 *
 * @throws UsageError when there is none, FailureError when it is damaged or of a kind we cannot read.
 */
export async function loadTokenizer(path: string, options: { templateTime?: LocalTime } = {}): Promise<Tokenizer> {
  const { templateTime = PROGRAM_START } = options;
  const gguf = findGguf(path);
  if (gguf === undefined) {
    const ends = ["config.json", "generation_config.json"].map((name) => {
      const file = join(path, name);
      return existsSync(file) ? readJsonObject(file).eos_token_id : undefined;
    });
    return new ModelTokenizer(path, readTokenizerFiles(path), ends, templateTime);
  }
  const parsed = openGguf(gguf);
  parsed.close();
  const tokens = parsed.metadata.get("tokenizer.ggml.tokens");
  const byText = Array.isArray(tokens) ? endsByText(tokens as string[]) : [];
  const ends = [ggufGenerationConfig(parsed.metadata).eos_token_id, byText];
  return new ModelTokenizer(gguf, ggufTokenizer(parsed), ends, templateTime);
}

type Json = Record<string, unknown>;

/** Milliseconds of tokenising between two turns of the event loop. */
const TURN_MS = 10;

/** Ids from `eos_token_id` fields. @throws FailureError for what is none; null and −1 say that there is none. */
function stopIds(source: string, fields: unknown[]): number[] {
  const given = fields.flat().filter((id) => id !== undefined && id !== null && id !== -1);
  const strange = given.find((id) => !isTokenId(id));
  if (strange !== undefined)
    throw new FailureError(
      `${source}: eos_token_id must be a token's id or a list of them, found ${JSON.stringify(strange)?.slice(0, 60)}`,
    );
  return given as number[];
}

class ModelTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly bosId?: number;
  readonly eosId?: number;
  readonly padId?: number;
  readonly eosIds: number[];
  readonly bosToken?: string;
  readonly eosToken?: string;
  readonly chatTemplate?: string;
  readonly specialTokens: Readonly<Record<string, unknown>>;
  readonly #inner: TokenizerEngine;
  readonly #special = new Set<number>();
  readonly #added = new Set<number>();

  constructor(
    source: string,
    { tokenizer, config, added = {} }: TokenizerFiles,
    ends: unknown[],
    readonly templateTime: LocalTime,
  ) {
    try {
      const model = readModel(tokenizer.model as Json | undefined);
      const listed = (tokenizer.added_tokens ?? []) as unknown[];
      const tokens = addedTokens(source, listed, config, added, model.vocabulary);
      for (const { id, special } of tokens) {
        this.#added.add(id);
        if (special) this.#special.add(id);
      }
      this.#inner = new TokenizerEngine(tokenizer, model, tokens);
    } catch (error) {
      const { message } = error as Error;
      if (message.startsWith(source)) throw error;
      throw new FailureError(`${source}: its tokenizer cannot be read (${message.split("\n")[0]})`);
    }
    this.vocabSize = this.#inner.size;
    this.bosToken = tokenText(config.bos_token);
    this.eosToken = tokenText(config.eos_token);
    this.bosId = this.#idOf(this.bosToken);
    this.eosId = this.#idOf(this.eosToken);
    this.padId = this.#idOf(tokenText(config.pad_token));
    this.eosIds = [...new Set([...(this.eosId === undefined ? [] : [this.eosId]), ...stopIds(source, ends)])];
    this.chatTemplate = chatTemplateOf(config.chat_template);
    this.specialTokens = namedTokens(config);
  }

  encode(text: string, options: { addSpecialTokens?: boolean } = {}): number[] {
    const addSpecialTokens = options.addSpecialTokens ?? true;
    return withinTime("the tokenizer", text.length, () => this.#inner.encode(text, addSpecialTokens));
  }

  async encodeInTurns(text: string, options: { addSpecialTokens?: boolean } = {}): Promise<number[]> {
    const parts = this.#inner.encodeInParts(text, options.addSpecialTokens ?? true);
    for (;;) {
      const ids = withinTime("the tokenizer", text.length, () => {
        const begun = performance.now();
        let part = parts.next();
        while (!part.done && performance.now() - begun < TURN_MS) part = parts.next();
        return part.value;
      });
      if (ids) return ids;
      await new Promise((resolve) => setTimeout(resolve)); // not setImmediate: a browser has none
    }
  }

  isAdded(id: number): boolean {
    return this.#added.has(id);
  }

  decode(ids: ArrayLike<number>, options: { skipSpecialTokens?: boolean } = {}): string {
    // The clean-up of spaces before punctuation that some configurations ask for would change what a model wrote.
    const all = Array.from(ids);
    return this.#inner.decode(options.skipSpecialTokens ? all.filter((id) => !this.#special.has(id)) : all);
  }

  tokenToId(token: string): number | undefined {
    return this.#inner.idOf(token);
  }

  idToToken(id: number): string | undefined {
    return this.#inner.tokenOf(id);
  }

  stream(options: { skipSpecialTokens?: boolean } = {}): TokenStream {
    const skipSpecialTokens = options.skipSpecialTokens ?? true;
    const decode = (ids: number[]): string => this.decode(ids, { skipSpecialTokens });
    // Some decoders look at neighbours, so new text is what a window of ids gains over the same window without the new ones.
    let window: number[] = [];
    let shown = 0;
    const gain = (): string => decode(window).slice(decode(window.slice(0, shown)).length);
    const settle = (): void => {
      window = window.slice(shown);
      shown = window.length;
    };
    return {
      push(id) {
        window.push(id);
        const text = gain();
        // A replacement character at the end may be the first bytes of a character still to come.
        if (text === "" || text.endsWith("\ufffd")) return "";
        settle();
        return text;
      },
      flush() {
        const text = gain();
        window = [];
        shown = 0;
        return text;
      },
    };
  }

  #idOf(token: string | undefined): number | undefined {
    return token === undefined ? undefined : this.#inner.idOf(token);
  }
}

/** What transformers passes to a chat template. */
function namedTokens(config: Json): Json {
  const further = config.extra_special_tokens;
  const named = further && typeof further === "object" && !Array.isArray(further) ? (further as Json) : {};
  const entries = [...NAMED_TOKENS.map((name) => [name, config[name]] as const), ...Object.entries(named)];
  const texts = entries.map(([name, value]) => [name, tokenText(value)] as const);
  const list = furtherTokens(config).map(tokenText);
  return {
    ...Object.fromEntries(texts.filter(([, text]) => text !== undefined)),
    ...(list.length ? { additional_special_tokens: list } : {}),
  };
}

/** The template itself, or the one named "default" of several. */
function chatTemplateOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return undefined;
  const named = value as { name?: unknown; template?: unknown }[];
  const chosen = named.find((entry) => entry?.name === "default") ?? named[0];
  return typeof chosen?.template === "string" ? chosen.template : undefined;
}
