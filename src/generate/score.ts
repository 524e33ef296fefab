/** Log-probabilities of continuations. */
import type { Adapter } from "../model/adapter.js";
import type { PackedModel } from "../model/packed-model.js";
import { checkVocabulary } from "../tokenizer/special-tokens.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { planRows } from "./score-plan.js";
import { encodePair, type ScorePair } from "./score-tokens.js";

export type { ScorePair } from "./score-tokens.js";

export interface PairScore {
  /** Natural logarithm of P(continuation | context), summed over tokens. */
  logprob: number;
  /** Tokens of the continuation that were scored. */
  tokens: number;
  /** Whether greedy decoding would have written exactly the continuation. */
  isGreedy: boolean;
  /** Set when the pair was longer than the model's positions and its beginning was cut off. */
  truncated?: true;
}

export interface ScoreOptions {
  signal?: AbortSignal;
  /** Told after each packed row how many pairs are done. */
  onProgress?: (done: number, total: number) => void;
}

export class Scorer {
  constructor(
    private readonly model: PackedModel,
    private readonly tokenizer: Tokenizer,
  ) {}

  /** Scores in the order of the pairs. An empty continuation has log-probability 0 and is greedy. */
  async score(pairs: readonly ScorePair[], options: ScoreOptions = {}, adapter?: Adapter): Promise<PairScore[]> {
    const { signal, onProgress } = options;
    const { maxPositions, vocabSize } = this.model.config;
    const encoded = pairs.map((pair) => {
      const tokens = encodePair(this.tokenizer, pair, maxPositions);
      checkVocabulary([...tokens.input, ...tokens.targets.slice(-1)], this.tokenizer, vocabSize);
      return tokens;
    });
    const scores: PairScore[] = encoded.map(({ targets, truncated }) => ({
      logprob: 0,
      tokens: targets.length,
      isGreedy: true,
      ...(truncated ? { truncated: true as const } : {}),
    }));
    const asked = encoded.map((_, i) => i).filter((i) => encoded[i]!.targets.length > 0);
    let done = pairs.length - asked.length;
    for (const { row, sequences } of planRows(asked.map((i) => encoded[i]!.input))) {
      signal?.throwIfAborted();
      const hidden = await this.model.hidden(row, { adapter, signal });
      const positions: number[] = [];
      const targets: number[] = [];
      const owners: number[] = [];
      for (const { index, at } of sequences) {
        const pair = asked[index]!;
        const { input, targets: wanted } = encoded[pair]!;
        wanted.forEach((target, i) => {
          positions.push(at(input.length - wanted.length + i));
          targets.push(target);
          owners.push(pair);
        });
      }
      const { logprobs, greedy } = await this.model.logProbabilities(hidden, positions, targets);
      owners.forEach((pair, i) => {
        const score = scores[pair]!;
        score.logprob += logprobs[i]!;
        score.isGreedy &&= greedy[i] === 1;
      });
      done += sequences.length;
      onProgress?.(done, pairs.length);
    }
    return scores;
  }
}
