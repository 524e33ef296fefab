import { MersenneTwister } from "../random/mersenne.js";
import { mean, standardError } from "./statistics.js";

/** A token with its natural-log probability, as completion servers list them. */
export interface TopLogprob {
  token: string;
  /** `null`, as JSON writes −∞: probability 0. */
  logprob: number | null;
}

/**
 * Whether AlpacaEval 2 shows the judge the two outputs in swapped places, as the original decides it: a pseudo-random
 * draw from the instruction, the same on every machine.
 */
export function areOutputsSwitched(instruction: string, seed = 0): boolean {
  return new MersenneTwister(`is_switched_outputs${instruction}${seed}`).choices([false, true])[0]!;
}

/**
 * Preference from the judge's first token: 1 when `m` (the first output shown) is certain, 2 when `M` is. A token that
 * is not among the listed ones has probability 0.
 *
 * @param topLogprobs the listed alternatives of the first token.
 * @param switched whether the outputs were shown in swapped places; the preference is turned back.
 * @returns a number from 1 (the reference is better) to 2 (the model is better); `undefined` when neither token is listed.
 */
export function preferenceFromLogprobs(topLogprobs: readonly TopLogprob[], switched: boolean): number | undefined {
  const probability = (token: string) =>
    topLogprobs.reduce((sum, { token: each, logprob }) => {
      const isListed = each === token && typeof logprob === "number" && logprob <= 0;
      return isListed ? sum + Math.exp(logprob) : sum;
    }, 0);
  const first = probability("m");
  const second = probability("M");
  if (first + second === 0) return undefined;
  const preference = 2 - first / (first + second);
  return switched ? 3 - preference : preference;
}

export interface WinRate {
  /** Percent of wins over the reference, each row counted by its preference. */
  winRate: number;
  /** Standard error of the win rate, percent. */
  standardError: number;
  /** Rows with a preference. */
  n: number;
  /** Rows without one; they count nowhere. */
  missing: number;
  wins: number;
  losses: number;
  draws: number;
  /** Percent of wins when each row counts as a whole win, draw or loss. */
  discreteWinRate: number;
}

/** Win rate of a list of preferences (1 = reference, 2 = model, 0 or 1.5 = draw; `undefined` or `null` = missing). */
export function winRate(preferences: readonly (number | null | undefined)[]): WinRate {
  const shares = preferences
    .filter((preference): preference is number => typeof preference === "number" && Number.isFinite(preference))
    .map((preference) => (preference === 0 ? 0.5 : preference - 1));
  const wins = shares.filter((share) => share > 0.5).length;
  const draws = shares.filter((share) => share === 0.5).length;
  return {
    winRate: 100 * mean(shares),
    standardError: 100 * standardError(shares),
    n: shares.length,
    missing: preferences.length - shares.length,
    wins,
    losses: shares.length - wins - draws,
    draws,
    discreteWinRate: (100 * (wins + draws / 2)) / shares.length,
  };
}
