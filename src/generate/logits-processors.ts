/** What changes the logits of the next token before it is drawn, in a fixed order: rules, then penalties. */
import type { SamplingOptions } from "./request.js";

/** One change. Each answer has processors of its own, which know what it holds so far. */
export interface LogitsProcessor {
  /** Changes logits [vocab] in place. */
  process(logits: Float32Array): void;
  /** Told each token as it is drawn. */
  accept?(token: number): void;
}

/** The penalties that are asked for. @param prompt ids that the repetition penalty counts as said. */
export function penalties(options: SamplingOptions, prompt: Iterable<number>): LogitsProcessor[] {
  const { repetitionPenalty = 1, presencePenalty = 0, frequencyPenalty = 0 } = options;
  return [
    ...(repetitionPenalty === 1 ? [] : [repetition(repetitionPenalty, prompt)]),
    ...(presencePenalty === 0 && frequencyPenalty === 0 ? [] : [occurrences(presencePenalty, frequencyPenalty)]),
  ];
}

/** Divides positive logits, and multiplies negative ones, of tokens in the prompt or the answer. */
function repetition(factor: number, prompt: Iterable<number>): LogitsProcessor {
  const seen = new Set(prompt);
  return {
    process(logits) {
      for (const token of seen)
        if (logits[token]! > 0) logits[token]! /= factor;
        else logits[token]! *= factor;
    },
    accept: (token) => void seen.add(token),
  };
}

/** Subtracts from every token of the answer, once and once more for each time it stands there. */
function occurrences(presence: number, frequency: number): LogitsProcessor {
  const counts = new Map<number, number>();
  return {
    process(logits) {
      for (const [token, count] of counts) logits[token]! -= presence + frequency * count;
    },
    accept: (token) => void counts.set(token, (counts.get(token) ?? 0) + 1),
  };
}
