/**
 * Which sequences take their steps together. A step over a group costs as much as reading the weights, once, and as
 * reading for each of its sequences as many cached positions as the longest has. So a long one beside short ones is better
 * off alone, where what would be read in vain costs more than the weights do.
 */
import { roundedPositions } from "./kv-cache.js";

/** Positions read in a step over sequences of these lengths in one group. */
export const groupCost = (count: number, longest: number, perStep: number): number =>
  perStep + count * roundedPositions(longest);

/**
 * The cheapest groups.
 * @param lengths of the sequences.
 * @param perStep cached positions that are read in the time that a step takes whatever its sequences.
 * @returns numbers of the sequences, by group.
 */
export function cheapestGroups(lengths: readonly number[], perStep: number): { groups: number[][]; cost: number } {
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[a]! - lengths[b]! || a - b);
  // best[n]: the cheapest way to cut the n shortest; from[n]: where its last group begins.
  const best = [0];
  const from = [0];
  for (let n = 1; n <= order.length; n++) {
    best[n] = Number.POSITIVE_INFINITY;
    for (let start = 0; start < n; start++) {
      const cost = best[start]! + groupCost(n - start, lengths[order[n - 1]!]!, perStep);
      if (cost < best[n]!) {
        best[n] = cost;
        from[n] = start;
      }
    }
  }
  const groups: number[][] = [];
  for (let n = order.length; n > 0; n = from[n]!) groups.unshift(order.slice(from[n], n));
  return { groups, cost: best[order.length]! };
}
