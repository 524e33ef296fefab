/** What the server needs from an engine; tests put a scripted one in its place. */
import type { GenerationOptions, GenerationResult, LocalGenerateRequest, TokenLogprob } from "../generate/request.js";

/** A name that clients may put into `model`. */
export interface ServedModel {
  id: string;
  /** The engine's adapter behind the name; `null` for the bare model. */
  adapter: string | null;
}

/** A prompt as its tokens, with the model's opinion of each. */
export interface ReadPrompt {
  tokens: number[];
  /** One entry per token but the first, which nothing precedes. */
  logprobs: TokenLogprob[];
}

export type PromptInput = Pick<LocalGenerateRequest, "prompt" | "messages" | "tokens" | "adapter">;

export interface ServeBackend {
  /** At least one; the first stands for requests that name none. */
  readonly models: readonly ServedModel[];
  /** Tokens that the model reads and writes in all. */
  readonly maxPositions: number;
  /** Answers written at once; more wait in the engine's queue. */
  readonly maxBatch: number;
  /** Rejects with UsageError for a request that cannot be met, and with the signal's reason when it is aborted. */
  generate(request: LocalGenerateRequest, options?: GenerationOptions): Promise<GenerationResult>;
  /** Log-probabilities of a prompt's own tokens, with `top` alternatives each. */
  readPrompt(input: PromptInput, top: number, signal?: AbortSignal): Promise<ReadPrompt>;
  /** The text that each token adds; joined, they are the decoded text without special tokens. */
  pieces(tokens: readonly number[]): string[];
  /** The mean of the last hidden states, of length 1, and the number of tokens it was made of. */
  embed(input: PromptInput, signal?: AbortSignal): Promise<{ vector: Float32Array; tokens: number }>;
  /** Ids of a text or of a conversation with the beginning of its answer; `special` default: as a prompt has them. */
  tokenize(input: PromptInput, special?: boolean, signal?: AbortSignal): Promise<number[]>;
  /** Text of ids, special tokens included. */
  detokenize(tokens: readonly number[]): string;
  /** Offers one more adapter. @throws UsageError when it is none of this model. */
  loadAdapter(id: string, path: string): Promise<void>;
  /** Takes back an adapter that was loaded so; false when there is none. */
  unloadAdapter(id: string): boolean;
}
