/**
 * GPT-2's byte-level alphabet: every byte as one visible character, so that any text is a string over 256 letters
 * (Radford et al. 2019; the `ByteLevel` pre-tokenizer of the Hugging Face `tokenizers` file format).
 */
export function byteAlphabet(): string[] {
  const visible = (byte: number): boolean =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
  let hidden = 0;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(visible(byte) ? byte : 256 + hidden++));
}

/** GPT-2's split into words, as `ByteLevel` with `use_regex` does it. */
export const WORD_PATTERN = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;
