import { rougeTokens } from "../../metrics/rouge.js";
import { Random } from "../../random/counter.js";
import { SimilarityPool } from "../../self-instruct/similarity.js";
import { type Histogram, shareHistogram } from "./histogram.js";

/** Largest ROUGE-L F-measure of each compared instruction with any of a pool. */
export interface SimilarityFigures {
  /** Instructions compared: all, or a sample drawn by the seed where all would take too long. */
  compared: number;
  of: number;
  /** Of all, those without a letter a–z or a digit, of which the measure sees nothing. */
  unread: number;
  mean: number;
  /** Shares of the compared ones, 0–1. */
  above: { threshold: number; share: number }[];
  histogram: Histogram;
  /** The most similar pairs, best first. */
  closest: { text: string; other: string; score: number }[];
}

/** Above 0.7 Self-Instruct drops an instruction; above 0.9 two hardly differ. */
const THRESHOLDS = [0.7, 0.9];
const CLOSEST_SHOWN = 10;
/** Steps of the bit-parallel LCS over the whole pool that one comparison may take: some ten seconds. */
const MOST_STEPS = 2e9;

/** Each instruction against all others. The texts are distinct. */
export function similarityWithin(texts: readonly string[], seed: number): SimilarityFigures {
  return compare(texts, texts, seed, (pool, text, at) =>
    pool.survey(text, 2).nearest.find(({ index }) => index !== at),
  );
}

/** Each instruction against the seed tasks' instructions. */
export function similarityTo(seeds: readonly string[], texts: readonly string[], seed: number): SimilarityFigures {
  return compare(texts, seeds, seed, (pool, text) => pool.nearest(text));
}

type Find = (pool: SimilarityPool, text: string, at: number) => { index: number; score: number } | undefined;

function compare(texts: readonly string[], others: readonly string[], seed: number, find: Find): SimilarityFigures {
  const pool = new SimilarityPool(others);
  const places = Array.from(texts.keys()).filter((at) => rougeTokens(texts[at]!).length > 0);
  const limit = affordable(texts, others);
  const chosen = limit < places.length ? new Random("similarity sample", seed).sample(places, limit) : places;
  const pairs = chosen.map((at) => {
    const best = find(pool, texts[at]!, at);
    return { at, other: best?.index ?? -1, score: best?.score ?? 0 };
  });
  const scores = pairs.map(({ score }) => score);
  const count = Math.max(1, scores.length);
  return {
    compared: scores.length,
    of: texts.length,
    unread: texts.length - places.length,
    mean: scores.reduce((sum, score) => sum + score, 0) / count,
    above: THRESHOLDS.map((threshold) => ({
      threshold,
      share: scores.filter((score) => score > threshold).length / count,
    })),
    histogram: shareHistogram(scores),
    closest: closestOf(pairs).map(({ at, other, score }) => ({ text: texts[at]!, other: others[other]!, score })),
  };
}

/** The best pairs; of a pair found from both sides, one. */
function closestOf<T extends { at: number; other: number; score: number }>(pairs: readonly T[]): T[] {
  const best = pairs.filter(({ score }) => score > THRESHOLDS[0]!).sort((a, b) => b.score - a.score || a.at - b.at);
  const seen = new Set<string>();
  const kept: T[] = [];
  for (const pair of best) {
    const key = [pair.at, pair.other].sort((a, b) => a - b).join(" ");
    if (!seen.has(key)) kept.push(pair);
    seen.add(key);
    if (kept.length === CLOSEST_SHOWN) break;
  }
  return kept;
}

/** How many of the texts can be compared within the steps: a text costs the pool's size and its tokens' occurrences there. */
function affordable(texts: readonly string[], others: readonly string[]): number {
  const occurrences = new Map<string, number>();
  for (const other of others)
    for (const token of new Set(rougeTokens(other))) occurrences.set(token, (occurrences.get(token) ?? 0) + 1);
  let steps = 0;
  for (const text of texts) {
    steps += 4 * others.length;
    for (const token of rougeTokens(text)) steps += occurrences.get(token) ?? 0;
  }
  return Math.max(1, Math.floor(texts.length * Math.min(1, MOST_STEPS / Math.max(1, steps))));
}
