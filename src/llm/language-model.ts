import type { Message } from "../tokenizer/chat-template.js";

/** One token's log-probability (natural logarithm) with the best alternatives the model offered at that place. */
export interface TokenLogprob {
  token: string;
  logprob: number;
  /** The most probable tokens at this place, best first; at most `GenerateRequest.logprobs` of them. */
  top: { token: string; logprob: number }[];
}

/** What to write after. Exactly one of `prompt` (plain text) and `messages` (chat) is given. */
export interface GenerateRequest {
  prompt?: string;
  messages?: Message[];
  /** Most tokens to write, ≥ 1. */
  maxTokens: number;
  /** Local models: cut the beginning of a prompt that leaves no room for `maxTokens`. Servers refuse such a prompt. */
  cutPrompt?: boolean;
  /** 0 (the default) takes the most probable token. */
  temperature?: number;
  /** Keep the smallest set of tokens with this much probability, 0 < p ≤ 1. */
  topP?: number;
  /** Keep this many tokens; 0 keeps all. */
  topK?: number;
  /** Keep tokens with at least this share of the best one's probability, 0 … 1. */
  minP?: number;
  /** Writing ends before the first of these strings. */
  stop?: string[];
  presencePenalty?: number;
  frequencyPenalty?: number;
  repetitionPenalty?: number;
  seed?: number;
  /** Answers to this request, default 1; the result is the first, all are in `alternatives`. */
  n?: number;
  /** Ask for the log-probability of each token and this many alternatives. */
  logprobs?: number;
  /** Tells apart requests that are equal on purpose (the third try of one prompt, say); part of the journal key. */
  trial?: number;
}

export interface GenerateResult {
  text: string;
  /** "stop": the model or a stop string ended it; "length": cut at `maxTokens`. */
  finishReason: "stop" | "length";
  promptTokens: number;
  outputTokens: number;
  /** Set when the beginning of the prompt was cut off. */
  truncated?: true;
  logprobs?: TokenLogprob[];
  /** The stop string that ended the text, where the model tells it. */
  stopText?: string;
  /** The answers after the first one, when `n` > 1. */
  alternatives?: { text: string; finishReason: "stop" | "length"; logprobs?: TokenLogprob[] }[];
}

export interface GenerateOptions {
  signal?: AbortSignal;
  /** Called once for each request as soon as it is done, in any order. */
  onResult?: (index: number, result: GenerateResult | Error) => void;
}

export interface ScoreRequest {
  context: string;
  continuation: string;
  /** `exact`: the continuation begins behind the context's last character; default: behind its last that is no white space. */
  boundary?: "exact";
  /** `exact` only: most tokens of both; what is longer loses its end. */
  maxTokens?: number;
}

export interface ScoreResult {
  /** Natural logarithm of P(continuation | context), summed over tokens. */
  logprob: number;
  tokens: number;
  /** Whether greedy decoding would have written exactly the continuation. */
  isGreedy: boolean;
}

/** Any model that writes text, and maybe scores it: our own engine, or a server. */
export interface LanguageModel {
  /** Names the model and all that changes its answers (file hash, adapter, server model); goes into journal keys. */
  readonly id: string;
  /** Answers in the order of the requests. One failed request is an Error in its place and stops no other. */
  generate(requests: GenerateRequest[], options?: GenerateOptions): Promise<(GenerateResult | Error)[]>;
  score?(pairs: ScoreRequest[]): Promise<ScoreResult[]>;
}
