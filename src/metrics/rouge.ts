import { lcsLength, lcsPositions } from "./lcs.js";
import { porterStem } from "./porter-stemmer.js";

/** One ROUGE score; all three in [0, 1]. */
export interface RougeScore {
  /** Share of the prediction's units that the target has. */
  precision: number;
  /** Share of the target's units that the prediction has. */
  recall: number;
  /** Harmonic mean of both. */
  fmeasure: number;
}

/** Unigrams, bigrams, longest common subsequence of the text, and of its lines (rouge_score's names). */
export type RougeType = "rouge1" | "rouge2" | "rougeL" | "rougeLsum";

/** Options of `rouge`. */
export interface RougeOptions {
  /** Stem words of more than three letters (Porter). Default false. */
  stemmer?: boolean;
}

const stems = new Map<string, string>();
const MAX_CACHED_STEMS = 200_000;

function cachedStem(word: string): string {
  let stem = stems.get(word);
  if (stem === undefined) {
    if (stems.size >= MAX_CACHED_STEMS) stems.clear();
    stems.set(word, (stem = porterStem(word)));
  }
  return stem;
}

/**
 * ROUGE's tokens: the text in lower case, cut at everything but a–z and 0–9, so words of other scripts vanish. Equal to
 * the Python package rouge_score 0.1.2.
 */
export function rougeTokens(text: string, options: RougeOptions = {}): string[] {
  const words: string[] = text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  return options.stemmer ? words.map((word) => (word.length > 3 ? cachedStem(word) : word)) : words;
}

/** Harmonic mean of precision and recall, 0 when both are 0; the order of operations is rouge_score's. */
export function fmeasure(precision: number, recall: number): number {
  return precision + recall > 0 ? (2 * precision * recall) / (precision + recall) : 0;
}

const NOTHING: RougeScore = { precision: 0, recall: 0, fmeasure: 0 };

function scoreOf(hits: number, targetCount: number, predictionCount: number): RougeScore {
  const precision = hits / predictionCount;
  const recall = hits / targetCount;
  return { precision, recall, fmeasure: fmeasure(precision, recall) };
}

/** Gives equal words equal numbers, across the two texts of one comparison. */
class Vocabulary {
  private readonly ids = new Map<string, number>();
  encode(words: readonly string[]): Int32Array {
    const encoded = new Int32Array(words.length);
    for (let i = 0; i < words.length; i++) {
      let id = this.ids.get(words[i]!);
      if (id === undefined) this.ids.set(words[i]!, (id = this.ids.size));
      encoded[i] = id;
    }
    return encoded;
  }
}

/** ROUGE-N (Lin 2004, section 2): clipped n-gram matches of the prediction against the target. */
function rougeN(target: Int32Array, prediction: Int32Array, n: 1 | 2): RougeScore {
  const key = (tokens: Int32Array, i: number) => (n === 1 ? tokens[i]! : tokens[i]! * 0x4000000 + tokens[i + 1]!);
  const counts = new Map<number, number>();
  for (let i = 0; i + n <= target.length; i++) counts.set(key(target, i), (counts.get(key(target, i)) ?? 0) + 1);
  let hits = 0;
  for (let i = 0; i + n <= prediction.length; i++) {
    const left = counts.get(key(prediction, i)) ?? 0;
    if (left === 0) continue;
    counts.set(key(prediction, i), left - 1);
    hits++;
  }
  return scoreOf(hits, Math.max(target.length - n + 1, 1), Math.max(prediction.length - n + 1, 1));
}

/** ROUGE-L of one text (Lin 2004, section 3.1). */
function rougeL(target: Int32Array, prediction: Int32Array): RougeScore {
  if (target.length === 0 || prediction.length === 0) return NOTHING;
  return scoreOf(lcsLength(target, prediction), target.length, prediction.length);
}

/** ROUGE-L of a summary (Lin 2004, section 3.2): lines are sentences; each matched token counts once on both sides. */
function rougeLsum(target: string, prediction: string, options: RougeOptions): RougeScore {
  const vocabulary = new Vocabulary();
  const lines = (text: string) =>
    text
      .split("\n")
      .filter((line) => line.length > 0)
      .map((line) => vocabulary.encode(rougeTokens(line, options)));
  const targetLines = lines(target);
  const predictionLines = lines(prediction);
  const targetLeft = countTokens(targetLines);
  const predictionLeft = countTokens(predictionLines);
  const targetCount = targetLines.reduce((sum, line) => sum + line.length, 0);
  const predictionCount = predictionLines.reduce((sum, line) => sum + line.length, 0);
  if (targetCount === 0 || predictionCount === 0) return NOTHING;
  let hits = 0;
  for (const line of targetLines) {
    const union = new Set<number>();
    for (const other of predictionLines) for (const position of lcsPositions(line, other)) union.add(position);
    for (const position of union) {
      const token = line[position]!;
      const left = predictionLeft.get(token) ?? 0;
      const own = targetLeft.get(token) ?? 0;
      if (left === 0 || own === 0) continue;
      hits++;
      predictionLeft.set(token, left - 1);
      targetLeft.set(token, own - 1);
    }
  }
  return scoreOf(hits, targetCount, predictionCount);
}

function countTokens(lines: readonly Int32Array[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const line of lines) for (const token of line) counts.set(token, (counts.get(token) ?? 0) + 1);
  return counts;
}

/**
 * ROUGE of a prediction against one target, equal to rouge_score 0.1.2 in the last bit. An empty side scores 0.
 * `rougeLsum` takes lines as sentences.
 */
export function rouge<T extends RougeType>(
  target: string,
  prediction: string,
  types: readonly T[],
  options: RougeOptions = {},
): Record<T, RougeScore> {
  const vocabulary = new Vocabulary();
  const targetTokens = vocabulary.encode(rougeTokens(target, options));
  const predictionTokens = vocabulary.encode(rougeTokens(prediction, options));
  const scores = {} as Record<T, RougeScore>;
  for (const type of types) {
    if (type === "rougeL") scores[type] = rougeL(targetTokens, predictionTokens);
    else if (type === "rougeLsum") scores[type] = rougeLsum(target, prediction, options);
    else scores[type] = rougeN(targetTokens, predictionTokens, type === "rouge1" ? 1 : 2);
  }
  return scores;
}

/** Mean F-measure of each ROUGE type over rows; `NaN` without rows. */
export function meanRouge<T extends RougeType>(
  targets: readonly string[],
  predictions: readonly string[],
  types: readonly T[],
  options: RougeOptions = {},
): Record<T, number> {
  const sums = Object.fromEntries(types.map((type) => [type, 0])) as Record<T, number>;
  for (let i = 0; i < targets.length; i++) {
    const scores = rouge(targets[i]!, predictions[i]!, types, options);
    for (const type of types) sums[type] += scores[type].fmeasure;
  }
  for (const type of types) sums[type] /= targets.length;
  return sums;
}
