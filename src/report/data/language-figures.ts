import { eld } from "eld/small";
import { UNSPACED } from "../../data/count-words.js";

export interface LanguageFigures {
  texts: number;
  /** Most frequent first; `code` is ISO 639-1. */
  languages: { code: string; name: string; count: number }[];
  /** Too short or too mixed to tell ("6 + 3 = ?"). */
  unknown: number;
}

const CHARACTERS = 1000;

/** Scripts that one language, or hardly another one, is written in; letters in them weigh more than statistics of letters. */
const SCRIPTS: readonly [RegExp, string][] = [
  [/[\p{Script=Hiragana}\p{Script=Katakana}]/gu, "ja"],
  [/\p{Script=Thai}/gu, "th"],
  [/\p{Script=Lao}/gu, "lo"],
  [/\p{Script=Khmer}/gu, "km"],
  [/\p{Script=Myanmar}/gu, "my"],
];
const HAN = /\p{Script=Han}/gu;
const OTHER_WORD = new RegExp(`(?:(?![${UNSPACED}])[\\p{L}\\p{M}])+`, "gu");
/** Han alone is Chinese or, as in names, Japanese; shorter than this it is not told. */
const LEAST_HAN = 4;

/** ISO 639-1; undefined where it cannot be told. A letter of a script without spaces counts as much as a word of another one. */
function languageOf(text: string): string | undefined {
  const count = (pattern: RegExp): number => text.match(pattern)?.length ?? 0;
  const han = count(HAN);
  const own = SCRIPTS.map(([pattern, code]) => [code, count(pattern)] as const);
  const [code, most] = own.reduce((best, each) => (each[1] > best[1] ? each : best));
  const others = count(OTHER_WORD);
  if (most > 0 && most + (code === "ja" ? han : 0) >= others && (code === "ja" || most >= han)) return code;
  const result = eld.detect(text);
  const told = result.language !== "" && result.isReliable() ? result.language : undefined;
  if (han < others || han === 0) return told;
  return told === "ja" || told === "zh" ? told : han >= LEAST_HAN ? "zh" : undefined;
}

/** Counts the languages of texts by their first thousand characters. */
export function languageFigures(texts: readonly string[]): LanguageFigures {
  const counts = new Map<string, number>();
  let unknown = 0;
  for (const text of texts) {
    const language = languageOf(text.slice(0, CHARACTERS));
    if (language === undefined) unknown++;
    else counts.set(language, (counts.get(language) ?? 0) + 1);
  }
  const names = new Intl.DisplayNames("en", { type: "language" });
  const languages = [...counts]
    .map(([code, count]) => ({ code, name: names.of(code) ?? code, count }))
    .sort((a, b) => b.count - a.count || (a.code < b.code ? -1 : 1));
  return { texts: texts.length, languages, unknown };
}
