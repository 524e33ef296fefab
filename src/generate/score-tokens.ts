/** Tokens of (context, continuation) pairs, by the rules of lm-evaluation-harness (models/huggingface.py). */
import { encodeRendered, tokensBefore, tokensBeforeRendered } from "../tokenizer/special-tokens.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { PromptTemplate } from "./prompt.js";

/** A continuation to be scored after a context; both are text. */
export interface ScorePair {
  context: string;
  continuation: string;
  /**
   * Where the continuation's tokens begin. Default: behind the context without its trailing white space, as
   * lm-evaluation-harness has it. `exact`: behind the context as it is, as in training; a token that spans the border
   * counts with the continuation.
   */
  boundary?: "exact";
  /** "none": nothing stands before a context that is not empty; default: what the tokenizer puts before a text, BOS as a rule. */
  bos?: "none";
  /** `exact` only: tokens of context and continuation, BOS included; what is longer loses its end. */
  maxTokens?: number;
}

export interface PairTokens {
  /** What the model reads: the context and all of the continuation but its last token. */
  input: number[];
  /** The continuation; its tokens are predicted at the last places of `input`. */
  targets: number[];
  /** Whether the beginning of the context was cut off. */
  truncated: boolean;
}

/**
 * `bos` of pairs whose context a template wrote: a model's own template writes BOS itself or wants none, so scoring puts none
 * before it, as training and generation do.
 */
export function bosBefore(tokenizer: Tokenizer, template: PromptTemplate): Pick<ScorePair, "bos"> {
  return template === "model" && tokensBefore(tokenizer).length > 0 ? { bos: "none" } : {};
}

/**
 * Trailing whitespace of the context goes to the continuation; the continuation's tokens are those of the whole text
 * behind as many as the context has. An empty context is the BOS token, or EOS where there is none. What is longer
 * than the model's positions loses its beginning.
 */
export function encodePair(tokenizer: Tokenizer, pair: ScorePair, maxPositions: number): PairTokens {
  if (pair.boundary === "exact") return encodeExactly(tokenizer, pair, maxPositions);
  const context = pair.context.trimEnd();
  const continuation = pair.context.slice(context.length) + pair.continuation;
  const { bosId, eosId } = tokenizer;
  let before: number[];
  let targets: number[];
  if (context === "") {
    before = [bosId ?? eosId ?? 0];
    targets = tokenizer.encode(continuation, { addSpecialTokens: false });
    if (targets.length > 1 && targets[0] === before[0]) targets = targets.slice(1);
  } else {
    const encode = (text: string): number[] =>
      pair.bos === "none"
        ? tokenizer.encode(text, { addSpecialTokens: false })
        : encodeRendered(tokenizer, text, "none");
    const whole = encode(context + continuation);
    before = encode(context);
    // One token can span the border when the context is a part of it: then that token is what is scored.
    if (before.length >= whole.length) before = whole.slice(0, -1);
    targets = whole.slice(before.length);
    if (before.length === 0) before = [bosId ?? eosId ?? 0];
  }
  const all = [...before, ...targets];
  const kept = all.slice(-(maxPositions + 1));
  return {
    input: kept.slice(0, -1),
    targets: targets.slice(-(kept.length - 1)),
    truncated: kept.length < all.length,
  };
}

/** The continuation starts where it stands in the text; what does not fit is cut off at the end. */
function encodeExactly(tokenizer: Tokenizer, pair: ScorePair, maxPositions: number): PairTokens {
  const { context, continuation } = pair;
  const { bosId, eosId } = tokenizer;
  const text = context + continuation;
  const start = pair.bos === "none" ? [] : tokensBeforeRendered(tokenizer, text, "none");
  const encode = (part: string): number[] => [...start, ...tokenizer.encode(part, { addSpecialTokens: false })];
  const whole = encode(text);
  const before = encode(context);
  let first = 0;
  while (first < before.length && first < whole.length && before[first] === whole[first]) first++;
  const kept = whole.slice(0, Math.min(pair.maxTokens ?? Number.POSITIVE_INFINITY, maxPositions + 1));
  const truncated = kept.length < whole.length;
  // The first token of a text is predicted from nothing unless something stands before it.
  if (first === 0) return { input: [bosId ?? eosId ?? 0, ...kept.slice(0, -1)], targets: kept, truncated };
  return { input: kept.slice(0, -1), targets: kept.slice(first), truncated };
}
