import { eld } from "eld/small";

export interface LanguageFigures {
  texts: number;
  /** Most frequent first; `code` is ISO 639-1. */
  languages: { code: string; name: string; count: number }[];
  /** Too short or too mixed to tell ("6 + 3 = ?"). */
  unknown: number;
}

const CHARACTERS = 1000;

/** Counts the languages of texts by their first thousand characters. */
export function languageFigures(texts: readonly string[]): LanguageFigures {
  const counts = new Map<string, number>();
  let unknown = 0;
  for (const text of texts) {
    const result = eld.detect(text.slice(0, CHARACTERS));
    if (result.language === "" || !result.isReliable()) unknown++;
    else counts.set(result.language, (counts.get(result.language) ?? 0) + 1);
  }
  const names = new Intl.DisplayNames("en", { type: "language" });
  const languages = [...counts]
    .map(([code, count]) => ({ code, name: names.of(code) ?? code, count }))
    .sort((a, b) => b.count - a.count || (a.code < b.code ? -1 : 1));
  return { texts: texts.length, languages, unknown };
}
