import { countBits, LCS_WORD_BITS } from "../metrics/lcs.js";
import { fmeasure, rougeTokens } from "../metrics/rouge.js";

/** The pool's entry that is most like a text. */
export interface Neighbour {
  /** Place in the pool, in the order of adding. */
  index: number;
  /** ROUGE-L F-measure, 0–1, without stemming. */
  score: number;
}

export interface SimilaritySurvey {
  /** The largest score; 0 for an empty pool. */
  max: number;
  /** Mean score over the whole pool; 0 for an empty pool. */
  mean: number;
  /** The most similar entries, best first; equal scores in pool order. */
  nearest: Neighbour[];
}

const FULL = 2 ** LCS_WORD_BITS - 1;

/** A list of integers that grows; read `data` up to `length`. */
class IntList {
  data: Int32Array;
  length = 0;
  constructor(capacity = 4) {
    this.data = new Int32Array(capacity);
  }
  push(value: number): void {
    if (this.length === this.data.length) {
      const larger = new Int32Array(this.length * 2);
      larger.set(this.data);
      this.data = larger;
    }
    this.data[this.length++] = value;
  }
}

/**
 * Entries whose tokens fit one state word, and those that need several, are kept apart: the first kind, nearly all of
 * them, needs no carry between words and so no branch in the innermost loop.
 */
interface Postings {
  /** (place among the short entries, mask of the token's positions), flattened. */
  short: IntList;
  /** (word of the long entries, mask), flattened, ascending. */
  long: IntList;
}

/**
 * Exact ROUGE-L F-measures (no stemmer, equal to rouge_score) of texts against a growing pool.
 *
 * Each entry is the bit pattern of a bit-parallel LCS (see `lcs.ts`), and an inverted index tells where a token occurs.
 * A text is read once, token by token, and every token updates just the entries that hold it; what no token of the text
 * touches has score 0 and costs nothing. So all scores of a text take time in proportion to the matching tokens, not
 * to the sizes of the texts.
 */
export class SimilarityPool {
  private readonly tokenIds = new Map<string, number>();
  private readonly postings: Postings[] = [];
  private readonly shortEntry = new IntList(1024);
  private readonly shortLength = new IntList(1024);
  private readonly longEntry = new IntList(16);
  private readonly longLength = new IntList(16);
  /** First word of each long entry, and one past the last word of all. */
  private readonly longStart = new IntList(16);
  private shortState: Int32Array = new Int32Array(1024);
  private longState: Int32Array = new Int32Array(64);
  private readonly wordless = new IntList();
  private entries = 0;

  constructor(texts: Iterable<string> = []) {
    this.longStart.push(0);
    for (const text of texts) this.add(text);
  }

  /** Number of entries. */
  get size(): number {
    return this.entries;
  }

  /** Adds a text and returns its index. A text without a token scores 0 against everything. */
  add(text: string): number {
    const tokens = rougeTokens(text);
    const index = this.entries++;
    if (tokens.length === 0) {
      this.wordless.push(index);
      return index;
    }
    const long = tokens.length > LCS_WORD_BITS;
    const firstWord = long ? this.longStart.data[this.longStart.length - 1]! : this.shortEntry.length;
    for (let start = 0; start < tokens.length; start += LCS_WORD_BITS) {
      const masks = new Map<string, number>();
      const end = Math.min(start + LCS_WORD_BITS, tokens.length);
      for (let i = start; i < end; i++) masks.set(tokens[i]!, (masks.get(tokens[i]!) ?? 0) | (1 << (i - start)));
      const word = firstWord + start / LCS_WORD_BITS;
      for (const [token, mask] of masks) {
        const list = this.postingsOf(token)[long ? "long" : "short"];
        list.push(word);
        list.push(mask);
      }
    }
    if (long) {
      this.longEntry.push(index);
      this.longLength.push(tokens.length);
      this.longStart.push(firstWord + Math.ceil(tokens.length / LCS_WORD_BITS));
    } else {
      this.shortEntry.push(index);
      this.shortLength.push(tokens.length);
    }
    return index;
  }

  /** The most similar entry, the first of several; `undefined` when nothing shares a token with the text. */
  nearest(text: string): Neighbour | undefined {
    const count = this.match(rougeTokens(text));
    const best = { index: -1, lcs: 0, length: 1, score: 0 };
    // Nearly all entries fall short of the best one so far. For each length of an entry, the smallest LCS that does not:
    const needed = new Int32Array(LCS_WORD_BITS + 1).fill(1);
    const state = this.shortState;
    const lengths = this.shortLength.data;
    const entries = this.shortLength.length;
    for (let i = 0; i < entries; i++) {
      const zeros = state[i]! ^ FULL;
      if (zeros === 0) continue;
      const lcs = countBits(zeros);
      const length = lengths[i]!;
      if (lcs < needed[length]!) continue;
      if (!improve(best, lcs, length, count, this.shortEntry.data[i]!)) continue;
      for (let l = 1; l <= LCS_WORD_BITS; l++)
        needed[l] = Math.ceil((best.lcs * (l + count)) / (best.length + count) - 1e-9);
    }
    for (let i = 0; i < this.longLength.length; i++) {
      const lcs = this.longLcs(i);
      if (lcs > 0) improve(best, lcs, this.longLength.data[i]!, count, this.longEntry.data[i]!);
    }
    return best.index < 0 ? undefined : { index: best.index, score: best.score };
  }

  /** The `nearestCount` most similar entries, and the mean score over the pool. */
  survey(text: string, nearestCount = 10): SimilaritySurvey {
    const count = this.match(rougeTokens(text));
    const nearest: Neighbour[] = [];
    let sum = 0;
    const take = (lcs: number, length: number, index: number) => {
      const score = lcs === 0 ? 0 : scoreOf(lcs, length, count);
      sum += score;
      if (nearest.length === nearestCount && !isBefore(score, index, nearest[nearestCount - 1])) return;
      if (nearestCount === 0) return;
      let at = nearest.length;
      while (at > 0 && isBefore(score, index, nearest[at - 1])) at--;
      nearest.splice(at, 0, { index, score });
      if (nearest.length > nearestCount) nearest.pop();
    };
    for (let i = 0; i < this.shortLength.length; i++) {
      const zeros = this.shortState[i]! ^ FULL;
      if (zeros !== 0 || nearest.length < nearestCount) {
        take(countBits(zeros), this.shortLength.data[i]!, this.shortEntry.data[i]!);
      }
    }
    for (let i = 0; i < this.longLength.length; i++) {
      take(this.longLcs(i), this.longLength.data[i]!, this.longEntry.data[i]!);
    }
    for (let i = 0; i < this.wordless.length; i++) take(0, 0, this.wordless.data[i]!);
    return { max: nearest[0]?.score ?? 0, mean: this.entries ? sum / this.entries : 0, nearest };
  }

  private postingsOf(token: string): Postings {
    let id = this.tokenIds.get(token);
    if (id === undefined) {
      this.tokenIds.set(token, (id = this.postings.length));
      this.postings.push({ short: new IntList(), long: new IntList() });
    }
    return this.postings[id]!;
  }

  /** Runs the LCS recurrence of all entries over the tokens; returns the number of tokens. */
  private match(tokens: readonly string[]): number {
    const words = this.longStart.data[this.longStart.length - 1]!;
    this.shortState = readied(this.shortState, this.shortEntry.length);
    this.longState = readied(this.longState, words);
    const state = this.shortState;
    for (const token of tokens) {
      const id = this.tokenIds.get(token);
      if (id === undefined) continue;
      const { short, long } = this.postings[id]!;
      const list = short.data;
      for (let p = 0; p < short.length; p += 2) {
        const entry = list[p]!;
        const mask = list[p + 1]!;
        const v = state[entry]!;
        state[entry] = ((v + (v & mask)) & FULL) | (v & ~mask);
      }
      if (long.length > 0) this.matchLong(long);
    }
    return tokens.length;
  }

  /** As in `match`, for entries of several words: the carry of a word goes on to the next word of the same entry. */
  private matchLong(postings: IntList): void {
    const list = postings.data;
    const state = this.longState;
    for (let p = 0; p < postings.length; ) {
      const word = list[p]!;
      const end = this.longStart.data[this.entryOfWord(word) + 1]!;
      let carry = 0;
      for (let w = word; w < end; w++) {
        let mask = 0;
        if (p < postings.length && list[p] === w) {
          mask = list[p + 1]!;
          p += 2;
        }
        const v = state[w]!;
        const sum = v + (v & mask) + carry;
        carry = sum >>> LCS_WORD_BITS;
        state[w] = (sum & FULL) | (v & ~mask);
      }
    }
  }

  private entryOfWord(word: number): number {
    let low = 0;
    let high = this.longLength.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.longStart.data[middle]! <= word) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  private longLcs(i: number): number {
    let lcs = 0;
    for (let w = this.longStart.data[i]!; w < this.longStart.data[i + 1]!; w++)
      lcs += countBits(this.longState[w]! ^ FULL);
    return lcs;
  }
}

/** The state array, large enough and with no match yet. */
function readied(state: Int32Array, length: number): Int32Array {
  const array = state.length >= length ? state : new Int32Array(length * 2);
  array.fill(FULL, 0, length);
  return array;
}

function scoreOf(lcs: number, length: number, count: number): number {
  return fmeasure(lcs / count, lcs / length);
}

interface Best extends Neighbour {
  lcs: number;
  length: number;
}

/** Takes an entry that is better than the best so far, or as good and earlier; says whether it did. */
function improve(best: Best, lcs: number, length: number, count: number, index: number): boolean {
  const ahead = lcs * (best.length + count) - best.lcs * (length + count);
  if (ahead < 0) return false;
  // Equal fractions may still differ in the last bit of the score as it is defined.
  const score = scoreOf(lcs, length, count);
  if (ahead === 0 && (score < best.score || (score === best.score && index > best.index))) return false;
  best.index = index;
  best.lcs = lcs;
  best.length = length;
  best.score = score;
  return true;
}

function isBefore(score: number, index: number, other: Neighbour | undefined): boolean {
  return other === undefined || score > other.score || (score === other.score && index < other.index);
}
