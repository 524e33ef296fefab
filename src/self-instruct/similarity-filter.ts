import { UsageError } from "../errors.js";
import { type Neighbour, SimilarityPool } from "./similarity.js";

export interface SimilarityFilterOptions {
  /** A text whose largest ROUGE-L F-measure is above this is dropped. 0–1, default 0.7 (Self-Instruct, section 2.1). */
  threshold?: number;
  /** How many of the most similar texts to name for a kept one; the mean over the pool comes with them. Default 0: neither. */
  neighbours?: number;
}

export interface SimilarityDecision {
  keep: boolean;
  /** Largest ROUGE-L F-measure against the pool, 0–1. */
  maxSimilarity: number;
  /** The most similar text; `undefined` when no text shares a word. */
  mostSimilar?: string;
  /** The most similar texts with their scores, best first (only for kept ones, on request). */
  nearest?: { text: string; score: number }[];
  /** Mean score over the pool (likewise). */
  mean?: number;
}

/** Keeps texts that are unlike all that was kept before; every kept text joins the pool. */
export class SimilarityFilter {
  private readonly pool = new SimilarityPool();
  private readonly texts: string[] = [];
  private readonly threshold: number;
  private readonly neighbours: number;

  /** @throws UsageError when the threshold is not within 0–1. */
  constructor(pool: Iterable<string>, options: SimilarityFilterOptions = {}) {
    this.threshold = options.threshold ?? 0.7;
    this.neighbours = options.neighbours ?? 0;
    if (!(this.threshold >= 0 && this.threshold <= 1)) {
      throw new UsageError(`similarity threshold ${this.threshold}: expected a number from 0 to 1`);
    }
    for (const text of pool) this.join(text);
  }

  /** Number of texts in the pool. */
  get size(): number {
    return this.pool.size;
  }

  /** Puts a text into the pool without asking. */
  join(text: string): void {
    this.pool.add(text);
    this.texts.push(text);
  }

  /** How a text compares with the pool as it is; the pool stays as it is. */
  judge(text: string): SimilarityDecision {
    const first = this.pool.nearest(text);
    const decision: SimilarityDecision = {
      keep: !first || first.score <= this.threshold,
      maxSimilarity: first?.score ?? 0,
      mostSimilar: first && this.texts[first.index],
    };
    if (!decision.keep || this.neighbours === 0) return decision;
    const { nearest, mean } = this.pool.survey(text, this.neighbours);
    const named = nearest.map(({ index, score }: Neighbour) => ({ text: this.texts[index]!, score }));
    return { ...decision, nearest: named, mean };
  }

  /** Judges a text and, if it is kept, adds it to the pool. */
  offer(text: string): SimilarityDecision {
    const decision = this.judge(text);
    if (decision.keep) this.join(text);
    return decision;
  }
}
