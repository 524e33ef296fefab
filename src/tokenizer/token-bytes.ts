import type { Tokenizer } from "./tokenizer.js";

/** A token's text; where that is a stand-in for a part of a character, the bytes that it really is. */
export interface SpelledToken {
  token: string;
  bytes?: number[];
}

/** The text of a token, with its bytes where it is a part of a character. */
export function spellToken(tokenizer: Tokenizer, id: number): SpelledToken {
  const token = tokenizer.decode([id]);
  if (!token.includes("\ufffd")) return { token };
  const bytes = bytesOf(tokenizer.idToToken(id) ?? "");
  return bytes ? { token, bytes } : { token };
}

/** The bytes that a vocabulary's entry stands for: `<0xE2>`, or characters that byte-level vocabularies write bytes as. */
function bytesOf(entry: string): number[] | undefined {
  const single = /^<0x([0-9A-Fa-f]{2})>$/.exec(entry);
  if (single) return [Number.parseInt(single[1]!, 16)];
  const bytes = [...entry].map((character) => BYTE_OF.get(character));
  return bytes.every((byte) => byte !== undefined) ? (bytes as number[]) : undefined;
}

/**
 * The alphabet of byte-level BPE (Radford et al. 2019, `bytes_to_unicode`): printable bytes are the character of that number, the others
 * follow from U+0100 on.
 */
const BYTE_OF: ReadonlyMap<string, number> = (() => {
  const isPrintable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  const alphabet = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) alphabet.set(String.fromCodePoint(isPrintable(byte) ? byte : next++), byte);
  return alphabet;
})();
