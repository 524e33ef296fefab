import { FailureError } from "../../errors.js";

/** A part of tokenizer.json: an object with its kind in `type`. */
export type Component = Readonly<Record<string, unknown>>;

/** @throws FailureError for a kind of part, or a setting of one, that is not known here; results would differ without a word. */
export function refuse(part: string, what: unknown): never {
  throw new FailureError(`${part} ${JSON.stringify(what)?.slice(0, 80)} is not supported`);
}

export function list(component: Component, field: string): Component[] {
  const value = component[field];
  if (!Array.isArray(value)) throw new FailureError(`${String(component.type)} has no list "${field}"`);
  return value as Component[];
}

export function text(component: Component, field: string, otherwise?: string): string {
  const value = component[field] ?? otherwise;
  if (typeof value !== "string") throw new FailureError(`${String(component.type)} has no text "${field}"`);
  return value;
}

/** Token → id. @throws FailureError for an entry without an id. */
export function vocabularyOf(part: Component): Map<string, number> {
  const vocab = part.vocab ?? {};
  if (typeof vocab !== "object") throw new FailureError("its vocabulary is not an object of tokens and ids");
  const entries = Object.entries(vocab as Record<string, unknown>);
  const strange = entries.find(([, id]) => !isTokenId(id));
  if (strange)
    throw new FailureError(
      `its vocabulary gives ${JSON.stringify(strange[0]).slice(0, 60)} the id ${JSON.stringify(strange[1])?.slice(0, 40)}`,
    );
  return new Map(entries as [string, number][]);
}

/** Whether a value from a file can be a token's id. */
export const isTokenId = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0;

/** Rust's `char::is_whitespace`. */
export const WHITE_SPACE = /\p{White_Space}/u;
/** Rust's `\w`, inside a class. */
export const WORD = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u200c\\u200d";
/** ASCII punctuation and Unicode's, as tokenizers' `is_punc`. */
export const PUNCTUATION = /[!-/:-@[-`{-~\p{P}]/u;

/** Byte → the character that stands for it in byte-level vocabularies, and back. */
export const BYTE_CHARS: string[] = [];
export const CHAR_BYTES = new Map<string, number>();
for (let byte = 0, others = 0; byte < 256; byte++) {
  const shown = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  const char = String.fromCharCode(shown ? byte : 256 + others++);
  BYTE_CHARS.push(char);
  CHAR_BYTES.set(char, byte);
}

const encoder = new TextEncoder();

export function utf8(value: string): Uint8Array {
  return encoder.encode(value);
}

/** A text as byte-level vocabularies write it. */
export function byteLevelText(value: string): string {
  let result = "";
  for (const byte of encoder.encode(value)) result += BYTE_CHARS[byte];
  return result;
}

/** Name of the token that stands for a byte: `<0x0A>`. */
export function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}
