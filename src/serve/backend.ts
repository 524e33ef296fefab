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

export type PromptInput = Pick<LocalGenerateRequest, "prompt" | "tokens" | "adapter">;

export interface ServeBackend {
  /** At least one; the first stands for requests that name none. */
  readonly models: readonly ServedModel[];
  /** Answers written at once; more wait in the engine's queue. */
  readonly maxBatch: number;
  /** Rejects with UsageError for a request that cannot be met, and with the signal's reason when it is aborted. */
  generate(request: LocalGenerateRequest, options?: GenerationOptions): Promise<GenerationResult>;
  /** Log-probabilities of a prompt's own tokens, with `top` alternatives each. */
  readPrompt(input: PromptInput, top: number, signal?: AbortSignal): Promise<ReadPrompt>;
  /** The text that each token adds; joined, they are the decoded text without special tokens. */
  pieces(tokens: readonly number[]): string[];
}
