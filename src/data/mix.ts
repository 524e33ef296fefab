import { UsageError } from "../errors.js";
import { type PreparedRow, sampleInOrder } from "./prepare.js";
import { wholeWords } from "./python-text.js";

const REFUSAL_WORDS = wholeWords(["ai", "sorry"]);

/**
 * Whether a response reads like a refusal: it has "ai" or "sorry" as a word, in any case. "I'm" and "AI-based" count by
 * word borders as in Python (letters, digits and "_" of any script make a word). Response Tuning, section 4.
 */
export function looksLikeRefusal(response: string): boolean {
  return REFUSAL_WORDS.test(response.toLowerCase());
}

export interface Mixture {
  rows: PreparedRow[];
  /** Rows of the data set, safety rows that pass the filter, and safety rows appended. */
  counts: { base: number; refusals: number; added: number };
}

/**
 * The refusal mixture: `count` of the safety examples that read like refusals, drawn by `seed`, after the data set's
 * own rows. A larger count includes a smaller one's rows.
 *
 * @throws UsageError when fewer than `count` pass the filter.
 */
export function mixRefusals(
  base: readonly PreparedRow[],
  safety: readonly PreparedRow[],
  count: number,
  seed = 0,
): Mixture {
  const refusals = safety.filter(({ completion }) => looksLikeRefusal(completion));
  if (count > refusals.length)
    throw new UsageError(
      `${count} refusals asked for; ${refusals.length} of ${safety.length} safety rows pass the filter`,
    );
  const added = sampleInOrder(refusals, count, seed);
  return {
    rows: [...base, ...added],
    counts: { base: base.length, refusals: refusals.length, added: added.length },
  };
}
