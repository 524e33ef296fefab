import { FailureError } from "../../errors.js";
import { utf8 } from "./component.js";

/** SentencePiece's own table of replacements: a double-array trie over bytes, and the texts that its leaves point to. */
export class PrecompiledMap {
  readonly #trie: Uint32Array;
  readonly #texts: Uint8Array;
  readonly #segments = new Intl.Segmenter("und", { granularity: "grapheme" });
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  /** @param base64 the bytes as `precompiled_charsmap` holds them. */
  constructor(base64: string) {
    const bytes = new Uint8Array(Buffer.from(base64, "base64"));
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const size = bytes.length >= 4 ? view.getUint32(0, true) : -1;
    if (size < 0 || size % 4 !== 0 || 4 + size > bytes.length)
      throw new FailureError("its precompiled_charsmap is damaged");
    this.#trie = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
    this.#texts = bytes.subarray(4 + size);
  }

  normalize(text: string): string {
    let result = "";
    for (const { segment } of this.#segments.segment(text)) {
      const bytes = utf8(segment);
      const whole = bytes.length < 6 ? this.#find(bytes) : undefined;
      if (whole !== undefined) result += whole;
      else for (const char of segment) result += this.#find(utf8(char)) ?? char;
    }
    return result;
  }

  /** What the shortest beginning of these bytes that the table knows is replaced by. */
  #find(bytes: Uint8Array): string | undefined {
    const trie = this.#trie;
    const offset = (unit: number): number => (unit >>> 10) << ((unit & (1 << 9)) >>> 6);
    let unit = trie[0] ?? 0;
    let node = offset(unit);
    for (const byte of bytes) {
      if (byte === 0) return undefined;
      node ^= byte;
      unit = trie[node] ?? 0;
      if ((unit & ((1 << 31) | 0xff)) !== byte) return undefined;
      node ^= offset(unit);
      if ((unit >>> 8) & 1) {
        const start = (trie[node] ?? 0) & 0x7fffffff;
        let end = start;
        while (end < this.#texts.length && this.#texts[end] !== 0) end++;
        return this.#decoder.decode(this.#texts.subarray(start, end));
      }
    }
    return undefined;
  }
}
