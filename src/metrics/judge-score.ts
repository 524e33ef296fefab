/** A judge's score of one aspect, read from whatever the judge wrote as "score". */
export type ScoreReading =
  | { kind: "score"; score: number }
  | { kind: "not applicable" }
  /** A number, but not one of the scale: reported, never averaged. */
  | { kind: "out of range"; said: string }
  | { kind: "unreadable"; said: string };

export const LOWEST_SCORE = 1;
export const HIGHEST_SCORE = 5;

const WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
const WORD = new RegExp(`\\b(?:${WORDS.join("|")})\\b`, "gi");
const NOT_APPLICABLE = /^(?:n\s*[/.]?\s*a\.?|none|null|not applicable|-|–|—)$/i;
/** "1 to 5", "3-4", "3 or 4": no single score. Not "4 - good", and not a date or "-1". */
const RANGE = /(?:^|[^\d.])\d+(?:\.\d+)?\s*(?:-|–|—|\bto\b|\bor\b|\band\b|\.\.+|…)\s*\d/i;
/** The scale itself, said beside the score: "4 (on a scale of 1 to 5)", "4 (1-5)". */
const SCALE =
  /\(?\s*(?:on|of|in)?\s*(?:a|the)?\s*(?:scale|range)\s*(?:of|from|is|:)?\s*1\s*(?:-|–|—|to)\s*5\s*\)?|\(\s*1\s*(?:-|–|—|to)\s*5\s*\)/gi;
/** "4/5", "4 points out of a possible 5", "4 (of 5)". */
const FRACTION =
  /(-?\d+(?:\.\d+)?)\s*(?:points?|stars?|marks?)?\s*[([]?\s*(?:[/⁄]|\bout of\b|\bof\b|\bfrom\b)\s*(?:an?\s+)?(?:possible\s+|maximum\s+|total\s+)?(?:of\s+)?(\d+(?:\.\d+)?)/i;
/** What is said of the scale or of the reasons beside a score: "4 (5 being the best)", "4, where 5 is best". */
const REMARK = /[([][^)\]]*[)\]]|\bwhere\b.*$/gis;

/**
 * A number as it is, "4/5" and "4 out of 5" as 4, "4.5" and "4,5" as 4.5, "four" as 4, "★★★★☆" as 4; of a text with several
 * numbers the last, as the scripts of Response Tuning have it, remarks in brackets left out. A fraction of another number than 5, and a number outside
 * 1 … 5, are out of range; a range such as "1 to 5" is no score.
 */
export function readScore(value: unknown): ScoreReading {
  if (value === null) return { kind: "not applicable" };
  if (typeof value === "number") return ofNumber(value, String(value));
  if (typeof value !== "string") return { kind: "unreadable", said: JSON.stringify(value) ?? String(value) };
  const said = value.trim();
  if (NOT_APPLICABLE.test(said.replace(/[.*_"'`]+$|^[*_"'`]+/g, ""))) return { kind: "not applicable" };
  const stars = said.match(/[★⭐]/gu)?.length ?? 0;
  const text = said
    .replace(/(?<=\d)\s*½/g, ".5")
    .normalize("NFKC")
    .replace(SCALE, " ")
    .replace(WORD, (word) => String(WORDS.indexOf(word.toLowerCase())))
    .replace(/(?<=\d)\s+and a half\b/gi, ".5")
    .replace(/(?<=\d),(?=\d)/g, ".");
  if (RANGE.test(text)) return { kind: "unreadable", said };
  const fraction = FRACTION.exec(text);
  if (fraction)
    return Number(fraction[2]) === HIGHEST_SCORE ? ofNumber(Number(fraction[1]), said) : { kind: "out of range", said };
  const numbers = numbersOf(text.replace(REMARK, " ")) ?? numbersOf(text);
  if (numbers) return ofNumber(Number(numbers.at(-1)), said);
  return stars > 0 ? ofNumber(stars, said) : { kind: "unreadable", said };
}

const numbersOf = (text: string): string[] | null => text.match(/(?<![\d.])-?\d+(?:\.\d+)?/g);

function ofNumber(score: number, said: string): ScoreReading {
  if (Number.isNaN(score)) return { kind: "unreadable", said };
  return score >= LOWEST_SCORE && score <= HIGHEST_SCORE ? { kind: "score", score } : { kind: "out of range", said };
}
