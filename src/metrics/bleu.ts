import { UsageError } from "../errors.js";

/** Whatever Python's `str.split()` and `str.rstrip()` take for white space. */
const WHITE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const WHITE_RUN = new RegExp(`[${WHITE}]+`);
const TRAILING_WHITE = new RegExp(`[${WHITE}]+$`);

/** The version of sacreBLEU that this module equals; part of the signature so that figures can be compared. */
const SACREBLEU_VERSION = "2.6.0";

/** How texts are cut, by sacreBLEU's names: `char` into single characters, `none` at white space. */
export const BLEU_TOKENIZERS = ["13a", "char", "none"] as const;
/** How text is cut into tokens, by sacreBLEU's names. */
export type BleuTokenizer = (typeof BLEU_TOKENIZERS)[number];

const TOKENIZE: Record<BleuTokenizer, (text: string) => string[]> = {
  "13a": tokenize13a,
  char: (text) => [...text].filter((character) => character.trim() !== ""),
  none: (text) => text.split(/\s+/u).filter((word) => word !== ""),
};

/** Options of `corpusBleu`. */
export interface BleuOptions {
  /** Default 13a, which is for languages that put blanks between words. */
  tokenizer?: BleuTokenizer;
  /** Compare without regard to case. Default false. */
  lowercase?: boolean;
  /** Leave out n-gram orders longer than the text; for single sentences. Default false. */
  effectiveOrder?: boolean;
}

/** A BLEU score with what it is made of, as sacreBLEU reports it. */
export interface BleuScore {
  /** 0–100. */
  score: number;
  /** Percent of matching n-grams for n = 1..4, smoothed. */
  precisions: number[];
  /** Matching n-grams for n = 1..4. */
  counts: number[];
  /** All n-grams of the hypotheses for n = 1..4. */
  totals: number[];
  /** Brevity penalty, 0–1. */
  brevityPenalty: number;
  /** Tokens in the hypotheses. */
  hypothesisLength: number;
  /** Tokens in the closest references. */
  referenceLength: number;
  /** sacreBLEU's line that names all settings. */
  signature: string;
}

const MAX_ORDER = 4;

/**
 * Tokens of mteval-v13a (NIST's script, sacreBLEU's `13a`): punctuation apart, full stops and commas apart unless between
 * digits, a dash apart after a digit.
 */
export function tokenize13a(text: string): string[] {
  let line = text.replaceAll("<skipped>", "").replaceAll("-\n", "").replaceAll("\n", " ");
  if (line.includes("&")) {
    line = line.replaceAll("&quot;", '"').replaceAll("&amp;", "&").replaceAll("&lt;", "<").replaceAll("&gt;", ">");
  }
  line = ` ${line} `
    .replace(/[{-~[-` -&(-+:-@/]/g, " $& ")
    .replace(/([^0-9])([.,])/g, "$1 $2 ")
    .replace(/([.,])([^0-9])/g, " $1 $2")
    .replace(/([0-9])(-)/g, "$1 $2 ");
  return line.split(WHITE_RUN).filter((token) => token !== "");
}

/** Counts n-grams under numbers: a gram's number follows from its prefix's number and its last token. */
class GramTable {
  private readonly words = new Map<string, number>();
  private readonly grams = new Map<number, number>();

  /** One count map per order, keyed by gram number. */
  count(tokens: readonly string[]): Map<number, number>[] {
    const counts = Array.from({ length: MAX_ORDER }, () => new Map<number, number>());
    const ids = tokens.map((token) => {
      let id = this.words.get(token);
      if (id === undefined) this.words.set(token, (id = this.words.size));
      return id;
    });
    for (let start = 0; start < ids.length; start++) {
      let gram = 0;
      for (let n = 0; n < MAX_ORDER && start + n < ids.length; n++) {
        const key = gram * 0x1000000 + ids[start + n]!;
        let next = this.grams.get(key);
        if (next === undefined) this.grams.set(key, (next = this.grams.size + 1));
        gram = next;
        const map = counts[n]!;
        map.set(gram, (map.get(gram) ?? 0) + 1);
      }
    }
    return counts;
  }
}

function closestLength(length: number, references: readonly string[][]): number {
  let best = references[0]!.length;
  for (const reference of references) {
    const nearer = Math.abs(length - reference.length) - Math.abs(length - best);
    if (nearer < 0 || (nearer === 0 && reference.length < best)) best = reference.length;
  }
  return best;
}

/**
 * Corpus BLEU (Papineni et al. 2002) as sacreBLEU computes it: tokenizer 13a, order 4, exponential smoothing of orders
 * without a match.
 *
 * @param hypotheses one text a row.
 * @param references the row's reference, or several.
 * @throws UsageError when there are no rows or the two lists differ in length.
 */
export function corpusBleu(
  hypotheses: readonly string[],
  references: readonly (string | readonly string[])[],
  options: BleuOptions = {},
): BleuScore {
  if (hypotheses.length === 0) throw new UsageError("BLEU: no rows to score");
  if (hypotheses.length !== references.length) {
    throw new UsageError(`BLEU: ${hypotheses.length} predictions but ${references.length} references`);
  }
  const tokens = (text: string) => {
    const cased = options.lowercase ? text.toLowerCase() : text;
    return TOKENIZE[options.tokenizer ?? "13a"](cased.replace(TRAILING_WHITE, ""));
  };
  const counts = new Array<number>(MAX_ORDER).fill(0);
  const totals = new Array<number>(MAX_ORDER).fill(0);
  let hypothesisLength = 0;
  let referenceLength = 0;
  const referenceNumbers = new Set<number>();
  for (let row = 0; row < hypotheses.length; row++) {
    const given = references[row]!;
    const referenceTokens = (typeof given === "string" ? [given] : given).map(tokens);
    if (referenceTokens.length === 0) throw new UsageError(`BLEU: row ${row} has no reference`);
    referenceNumbers.add(referenceTokens.length);
    const hypothesis = tokens(hypotheses[row]!);
    const table = new GramTable();
    const allowed = referenceTokens.map((reference) => table.count(reference));
    const grams = table.count(hypothesis);
    for (let n = 0; n < MAX_ORDER; n++) {
      totals[n]! += Math.max(hypothesis.length - n, 0);
      for (const [gram, count] of grams[n]!) {
        let most = 0;
        for (const maps of allowed) most = Math.max(most, maps[n]!.get(gram) ?? 0);
        counts[n]! += Math.min(count, most);
      }
    }
    hypothesisLength += hypothesis.length;
    referenceLength += closestLength(hypothesis.length, referenceTokens);
  }
  const brevityPenalty =
    hypothesisLength >= referenceLength
      ? 1
      : hypothesisLength > 0
        ? Math.exp(1 - referenceLength / hypothesisLength)
        : 0;
  const { precisions, order } = smoothedPrecisions(counts, totals, options.effectiveOrder ?? false);
  const numbers = referenceNumbers.size === 1 ? [...referenceNumbers][0] : "var";
  return {
    score: counts.every((count) => count === 0) ? 0 : brevityPenalty * geometricMean(precisions.slice(0, order)),
    precisions,
    counts,
    totals,
    brevityPenalty,
    hypothesisLength,
    referenceLength,
    signature: [
      `nrefs:${numbers}`,
      `case:${options.lowercase ? "lc" : "mixed"}`,
      `eff:${options.effectiveOrder ? "yes" : "no"}`,
      `tok:${options.tokenizer ?? "13a"}`,
      "smooth:exp",
      `version:${SACREBLEU_VERSION}`,
    ].join("|"),
  };
}

/** Each order without a match counts half of what the one before it without a match did (NIST; Chen and Cherry 2014). */
function smoothedPrecisions(counts: readonly number[], totals: readonly number[], effectiveOrder: boolean) {
  const precisions = new Array<number>(MAX_ORDER).fill(0);
  let order = MAX_ORDER;
  let smooth = 1;
  if (counts.every((count) => count === 0)) return { precisions, order };
  for (let n = 0; n < MAX_ORDER && totals[n]! > 0; n++) {
    if (effectiveOrder) order = n + 1;
    if (counts[n] === 0) smooth *= 2;
    precisions[n] = counts[n] === 0 ? 100 / (smooth * totals[n]!) : (100 * counts[n]!) / totals[n]!;
  }
  return { precisions, order };
}

function geometricMean(values: readonly number[]): number {
  // An order that no text is long enough for has precision 0 and makes the score 0.
  if (values.some((value) => value === 0)) return 0;
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}
