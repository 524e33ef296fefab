/**
 * Response ranking: how often a model finds the response that belongs to an instruction more probable than responses to
 * other instructions (Hewitt et al. 2024, arXiv 2409.14254, section 4.2).
 */
import { Random } from "../random/counter.js";
import { MersenneTwister } from "../random/mersenne.js";

/** Which responses are ranked for each instruction. */
export interface ResponseDraw {
  /** The original's draw: places in the list of all responses, the own one not excluded. */
  original: number[];
  /** As many in which each own response (and each of the same text) is replaced by another; empty where there is no other. */
  others: number[];
}

/**
 * The original's draw, draw for draw: Python's `random.seed(seed)` and `k` times `randint(0, responses - 1)` for each
 * instruction in turn. Replacements come from keyed streams of our own, so that they disturb nothing.
 *
 * @param own place of each instruction's own response in `responses`.
 * @param responses all responses, in order: the texts that are drawn from.
 */
export function drawResponses(
  own: readonly number[],
  responses: readonly string[],
  k: number,
  seed = 0,
): ResponseDraw[] {
  const random = new MersenneTwister(seed);
  return own.map((place, row) => {
    const original = Array.from({ length: k }, () => random.randint(0, responses.length - 1));
    const differs = (each: number): boolean => responses[each] !== responses[place];
    const spare = new Random("response-ranking", seed, row);
    const replace = (): number | undefined => {
      const candidates = responses.map((_, i) => i).filter(differs);
      return candidates.length === 0 ? undefined : candidates[Math.floor(spare.uniform() * candidates.length)];
    };
    const others = original.flatMap((each) => (differs(each) ? each : (replace() ?? [])));
    return { original, others };
  });
}

/** Sum of a response's log-probabilities (natural) and the number of its tokens, at least 1. */
export interface ResponseScore {
  logprob: number;
  tokens: number;
}

/** What one instruction adds to the figures. */
export interface RankedRow {
  /** Share of the original's draws that score strictly lower than the own response, by the mean over tokens. */
  original: number;
  /** The same without own responses among the drawn; null without any. */
  pairs: number | null;
  /** The same by the sum over tokens, which prefers short responses. */
  pairsBySum: number | null;
  /** 1 where the own response scores strictly higher than all others. */
  top: number | null;
  /** 1 / (1 + others that do not score lower). */
  reciprocalRank: number | null;
  topBySum: number | null;
}

/** exp(mean log-probability of a token): the original's score. */
export const meanProbability = ({ logprob, tokens }: ResponseScore): number => Math.exp(logprob / tokens);

/** @param own the instruction's response. @param original, others scores of the drawn ones, at least one `original`. */
export function rankRow(
  own: ResponseScore,
  original: readonly ResponseScore[],
  others: readonly ResponseScore[],
): RankedRow {
  const mean = (score: ResponseScore): number => score.logprob / score.tokens;
  const sum = (score: ResponseScore): number => score.logprob;
  const lower = (drawn: readonly ResponseScore[], by: (score: ResponseScore) => number): number =>
    drawn.filter((each) => by(each) < by(own)).length;
  const ranked = others.length > 0;
  const share = (by: (score: ResponseScore) => number): number | null =>
    ranked ? lower(others, by) / others.length : null;
  const isTop = (by: (score: ResponseScore) => number): number | null =>
    ranked ? Number(lower(others, by) === others.length) : null;
  return {
    original: original.filter((each) => meanProbability(own) > meanProbability(each)).length / original.length,
    pairs: share(mean),
    pairsBySum: share(sum),
    top: isTop(mean),
    reciprocalRank: ranked ? 1 / (1 + others.length - lower(others, mean)) : null,
    topBySum: isTop(sum),
  };
}
