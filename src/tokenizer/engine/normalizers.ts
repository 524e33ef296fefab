import { byteLevelText, type Component, list, refuse, text, WHITE_SPACE } from "./component.js";
import { readPattern } from "./pattern.js";
import { PrecompiledMap } from "./precompiled.js";

export type Normalizer = (text: string) => string;

/** Builds a normalizer of tokenizer.json. */
export function readNormalizer(part: Component | null | undefined): Normalizer {
  if (!part) return (value) => value;
  switch (part.type) {
    case "Sequence": {
      const steps = list(part, "normalizers").map(readNormalizer);
      return (value) => steps.reduce((current, step) => step(current), value);
    }
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD": {
      const form = part.type;
      return (value) => value.normalize(form);
    }
    case "Lowercase":
      return lowercase;
    case "Strip":
      return strip(part.strip_left !== false, part.strip_right !== false);
    case "StripAccents":
      return (value) => value.replace(/\p{M}/gu, "");
    case "Replace":
      return replace(part);
    case "Prepend": {
      const prefix = text(part, "prepend");
      return (value) => (value === "" ? value : prefix + value);
    }
    case "Nmt":
      return nmt;
    case "ByteLevel":
      return byteLevelText;
    case "Precompiled": {
      // No table: nothing is replaced.
      if (!part.precompiled_charsmap) return (value) => value;
      const map = new PrecompiledMap(text(part, "precompiled_charsmap"));
      return (value) => map.normalize(value);
    }
    case "BertNormalizer":
      return bert(part);
    default:
      return refuse("a normalizer of type", part.type);
  }
}

/** Each character by itself: a sigma at the end of a word is like any other. */
function lowercase(value: string): string {
  let result = "";
  for (const char of value) result += char.toLowerCase();
  return result;
}

function strip(left: boolean, right: boolean): Normalizer {
  return (value) => {
    const chars = Array.from(value);
    let [start, end] = [0, chars.length];
    while (left && start < end && WHITE_SPACE.test(chars[start]!)) start++;
    while (right && end > start && WHITE_SPACE.test(chars[end - 1]!)) end--;
    return chars.slice(start, end).join("");
  };
}

/** Replaces what a pattern matches by a text, as it is written. Also a decoder. */
export function replace(part: Component): Normalizer {
  const pattern = readPattern(part.pattern);
  const content = text(part, "content");
  return (value) =>
    Array.from(pattern(value))
      .map(({ start, end, match }) => (match ? content : value.slice(start, end)))
      .join("");
}

/** Control characters that the NMT tools of SentencePiece drop; others they make spaces. */
const NMT_DROPPED: readonly [number, number][] = [
  [0x01, 0x08],
  [0x0b, 0x0b],
  [0x0e, 0x1f],
  [0x7f, 0x7f],
  [0x8f, 0x8f],
  [0x9f, 0x9f],
];

function nmt(value: string): string {
  let result = "";
  for (const char of value) {
    const code = char.codePointAt(0)!;
    if (!NMT_DROPPED.some(([first, last]) => code >= first && code <= last)) result += char;
  }
  return result.replace(/[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/g, " ");
}

const CHINESE =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;

function bert(part: Component): Normalizer {
  const lower = part.lowercase !== false;
  const accents = part.strip_accents ?? lower;
  return (value) => {
    let current = value;
    if (part.clean_text !== false)
      current = current.replace(/\ufffd|(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}]/gu, "").replace(/\p{White_Space}/gu, " ");
    if (part.handle_chinese_chars !== false) current = current.replace(CHINESE, " $& ");
    if (accents) current = current.normalize("NFD").replace(/\p{Mn}/gu, "");
    return lower ? lowercase(current) : current;
  };
}
