import { CHAR_BYTES, type Component, list, refuse, text, utf8 } from "./component.js";
import { replace } from "./normalizers.js";

/** Changes tokens on their way to text; what comes out is joined without anything between. */
export type Decoder = (tokens: string[]) => string[];

const lossy = new TextDecoder("utf-8", { ignoreBOM: true });
const strict = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** Builds a decoder of tokenizer.json; without one, tokens are joined by spaces. */
export function readDecoder(part: Component | null | undefined): Decoder {
  if (!part) return (tokens) => [tokens.join(" ")];
  switch (part.type) {
    case "Sequence": {
      const steps = list(part, "decoders").map(readDecoder);
      return (tokens) => steps.reduce((current, step) => step(current), tokens);
    }
    case "ByteLevel":
      return byteLevel;
    case "ByteFallback":
      return byteFallback;
    case "Fuse":
      return (tokens) => [tokens.join("")];
    case "Strip":
      return strip(text(part, "content"), Number(part.start ?? 0), Number(part.stop ?? 0));
    case "Replace": {
      const change = replace(part);
      return (tokens) => tokens.map(change);
    }
    case "Metaspace":
      return metaspace(part);
    case "WordPiece":
      return wordPiece(text(part, "prefix", "##"), part.cleanup !== false);
    case "BPEDecoder": {
      const suffix = text(part, "suffix", "</w>");
      return (tokens) => tokens.map((token, i) => token.replaceAll(suffix, i === tokens.length - 1 ? "" : " "));
    }
    case "CTC":
      return ctc(part);
    default:
      return refuse("a decoder of type", part.type);
  }
}

/** A token with a character that stands for no byte is taken as it is. */
function byteLevel(tokens: string[]): string[] {
  const bytes: number[] = [];
  for (const token of tokens) {
    const own = Array.from(token, (char) => CHAR_BYTES.get(char));
    if (own.every((byte) => byte !== undefined)) for (const byte of own) bytes.push(byte as number);
    else for (const byte of utf8(token)) bytes.push(byte);
  }
  return [lossy.decode(Uint8Array.from(bytes))];
}

/** Runs of `<0x…>` that form no text become a replacement character for each byte. */
function byteFallback(tokens: string[]): string[] {
  const result: string[] = [];
  let bytes: number[] = [];
  const flush = (): void => {
    if (bytes.length === 0) return;
    try {
      result.push(strict.decode(Uint8Array.from(bytes)));
    } catch {
      for (const _ of bytes) result.push("\ufffd");
    }
    bytes = [];
  };
  for (const token of tokens) {
    const hex = /^<0x([0-9a-fA-F]{2})>$/.exec(token)?.[1];
    if (hex !== undefined) bytes.push(Number.parseInt(hex, 16));
    else {
      flush();
      result.push(token);
    }
  }
  flush();
  return result;
}

function strip(content: string, start: number, stop: number): Decoder {
  return (tokens) =>
    tokens.map((token) => {
      const chars = Array.from(token);
      let [from, to] = [0, chars.length];
      while (from < start && chars[from] === content) from++;
      while (chars.length - to < stop && to > 0 && chars[to - 1] === content) to--;
      return chars.slice(from, to).join("");
    });
}

/** In the first token the mark is what was put in front of the text. */
function metaspace(part: Component): Decoder {
  const mark = text(part, "replacement", "▁");
  const scheme = part.prepend_scheme ?? (part.add_prefix_space === false ? "never" : "always");
  return (tokens) => tokens.map((token, i) => token.replaceAll(mark, i === 0 && scheme !== "never" ? "" : " "));
}

const CLEANUP: [string, string][] = [
  [" .", "."],
  [" ?", "?"],
  [" !", "!"],
  [" ,", ","],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" do not", " don't"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

function cleanUp(token: string): string {
  return CLEANUP.reduce((current, [from, to]) => current.replaceAll(from, to), token);
}

function wordPiece(prefix: string, cleans: boolean): Decoder {
  return (tokens) =>
    tokens.map((token, i) => {
      const spaced = i === 0 ? token : token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`;
      return cleans ? cleanUp(spaced) : spaced;
    });
}

function ctc(part: Component): Decoder {
  const pad = text(part, "pad_token", "<pad>");
  const delimiter = text(part, "word_delimiter_token", "|");
  return (tokens) =>
    tokens
      .filter((token, i) => token !== tokens[i - 1])
      .map((token) => {
        const bare = token.replaceAll(pad, "");
        return part.cleanup === false ? bare : cleanUp(bare).replaceAll(delimiter, " ");
      })
      .filter((token) => token !== "");
}
