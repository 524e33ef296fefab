import type { GenerateRequest, TokenLogprob } from "../generate/request.js";

export type { GenerateRequest, TokenLogprob } from "../generate/request.js";

/** An answer. */
export interface GenerateResult {
  /** Without the prompt and without the stop string. */
  text: string;
  /** "stop": the model or a stop string ended it; "length": cut at `maxTokens`. */
  finishReason: "stop" | "length";
  /** Tokens read. */
  promptTokens: number;
  /** Tokens written for all answers, those that ended them included. */
  outputTokens: number;
  /** Set when the beginning of the prompt was cut off. */
  truncated?: true;
  /** By token, where the request asked for them. */
  logprobs?: TokenLogprob[];
  /** The stop string that ended the text, where the model tells it. */
  stopText?: string;
  /** The answers after the first one, when `n` > 1. */
  alternatives?: { text: string; finishReason: "stop" | "length"; logprobs?: TokenLogprob[] }[];
}

/** Options of one call. */
export interface GenerateOptions {
  signal?: AbortSignal;
  /** Called once for each request as soon as it is done, in any order. */
  onResult?: (index: number, result: GenerateResult | Error) => void;
}

/** A text and what is scored as its continuation. */
export interface ScoreRequest {
  /** Text that the model is given. */
  context: string;
  /** Text whose probability is wanted. */
  continuation: string;
  /** `exact`: the continuation begins behind the context's last character; default: behind its last that is no white space. */
  boundary?: "exact";
  /** `exact` only: most tokens of both; what is longer loses its end. */
  maxTokens?: number;
  /**
   * "none": nothing is put before the context (lm-evaluation-harness 0.4.5); default: what the tokenizer puts before a text, BOS as a rule
   * (0.4.13). An empty context is BOS either way.
   */
  bos?: "none";
}

/** A continuation's score. */
export interface ScoreResult {
  /** Natural logarithm of P(continuation | context), summed over tokens. */
  logprob: number;
  /** Tokens of the continuation. */
  tokens: number;
  /** Whether greedy decoding would have written exactly the continuation. */
  isGreedy: boolean;
  /** Why the pair could not be scored; `logprob` is then `NaN`. */
  problem?: string;
}

/** Any model that writes text, and maybe scores it: our own engine, or a server. */
export interface LanguageModel {
  /** Names the model and all that changes its answers (file hash, adapter, server model); goes into journal keys. */
  readonly id: string;
  /** Answers in the order of the requests. One failed request is an Error in its place and stops no other. */
  generate(requests: GenerateRequest[], options?: GenerateOptions): Promise<(GenerateResult | Error)[]>;
  score?(pairs: ScoreRequest[], options?: { signal?: AbortSignal }): Promise<ScoreResult[]>;
  /** Pairs scored in one call share computation, so that their scores depend on each other in the last bits. */
  readonly scoresTogether?: boolean;
}
