/** What is asked of the generator, and what it answers. */
import type { Message } from "../tokenizer/chat-template.js";
import type { Rule } from "./rules.js";

/** How the next token is drawn. All defaults mean: the most probable token, unchanged. */
export interface SamplingOptions {
  /** 0 (default) takes the most probable token, the first of equals. */
  temperature?: number;
  /** Keep this many of the most probable tokens; 0 (default) keeps all. */
  topK?: number;
  /** Keep the smallest set of tokens with this much probability; 0 < p ≤ 1. */
  topP?: number;
  /** Keep tokens with at least this share of the best one's probability; 0 … 1. */
  minP?: number;
  /** Divides positive logits (multiplies negative ones) of tokens in the prompt or the answer; > 0, default 1. */
  repetitionPenalty?: number;
  /** Subtracted from the logit of every token of the answer so far. */
  presencePenalty?: number;
  /** Subtracted from a token's logit once for each time the answer holds it. */
  frequencyPenalty?: number;
  /** Rules on the distribution of the next token, by which a base model answers (rules.ts). Default the generator's. */
  rules?: readonly Rule[];
}

/**
 * What to write after: exactly one of `prompt` and `messages`. Any language model takes it, our own engine or a server; what
 * goes into it decides the answer, so it is part of journal keys.
 */
export interface GenerateRequest extends SamplingOptions {
  /** Plain text; special tokens are added as the tokenizer does. */
  prompt?: string;
  /** A conversation, rendered with the generator's template. */
  messages?: Message[];
  /** Most tokens to write, ≥ 1; also limited by the positions of the model. */
  maxTokens: number;
  /**
   * Local models: cut the beginning of a prompt that leaves no room for `maxTokens`, in place of shortening the answer or
   * refusing. Servers refuse such a prompt.
   */
  cutPrompt?: boolean;
  /** Writing ends before the first of these strings. */
  stop?: readonly string[];
  /** Names the random draws: equal requests with equal seeds give equal answers. Unset: another answer each time. */
  seed?: number;
  /** Tells apart requests that are equal on purpose, under one seed (the number of a row or of a try). */
  trial?: number;
  /** Answers to the prompt, default 1; the result is the first, the others are in `alternatives`. */
  n?: number;
  /** Report each token's log-probability and those of this many alternatives: 0 to MAX_LOGPROBS. */
  logprobs?: number;
}

/** The most alternatives that are reported for a token. */
export const MAX_LOGPROBS = 100;

/** What only our own engine takes: exactly one of `prompt`, `messages` and `tokens`. */
export interface LocalGenerateRequest extends GenerateRequest {
  /** Token ids as they are. */
  tokens?: readonly number[];
  /** Token ids that end the answer besides the model's own. */
  stopTokens?: readonly number[];
  /** Write on after the model's own end tokens (for measurements). */
  ignoreEos?: boolean;
  /** Number of the first of the `n` answers, default 0: the draws of some answers of a larger request. */
  firstAnswer?: number;
  /** Name of the adapter to write with; default the generator's first, `null` the bare model. */
  adapter?: string | null;
}

/** One token's log-probability with the best alternatives the model offered at its place. */
export interface TokenLogprob {
  /** Its text. */
  token: string;
  /** The bytes of a token that is a part of a character; its text is then a stand-in (U+FFFD). */
  bytes?: number[];
  /** Natural logarithm of the model's own probability, before penalties and temperature. */
  logprob: number;
  /** Most probable first. */
  top: { token: string; bytes?: number[]; logprob: number }[];
}

export interface Answer {
  text: string;
  /** "stop": the model or a stop string ended it; "length": cut at the limit. */
  finishReason: "stop" | "length";
  /** Ids written, the one that ended the answer left out. */
  tokens: number[];
  /** The stop string that ended the text. */
  stopText?: string;
  logprobs?: TokenLogprob[];
}

/** What a generator wrote for a request. */
export interface GenerationResult extends Answer {
  promptTokens: number;
  /** Set when the beginning of the prompt was cut off. */
  truncated?: true;
  /** Tokens written for all answers, those that ended them included. */
  outputTokens: number;
  /** The answers after the first, when `n` > 1. */
  alternatives?: Answer[];
}

/** A token of an answer as it is made; the one that ends the answer is not among them. */
export interface WrittenToken {
  id: number;
  /**
   * The text it adds, "" inside a character that later tokens complete. Joined they are the answer's text, but for a
   * stop string that they run into and for half a character at the end.
   */
  piece: string;
  /** When the request asks for log-probabilities. */
  logprob?: TokenLogprob;
}

/** Who hears of a call's answers, and what stops it. */
export interface GenerationOptions {
  signal?: AbortSignal;
  /** Told each token at once, before the text that it makes certain, with the number of the answer it belongs to. */
  onToken?: (token: WrittenToken, answer: number) => void;
  /** Told each piece of text as it is certain, with the number of the answer it belongs to. */
  onText?: (text: string, answer: number) => void;
}
