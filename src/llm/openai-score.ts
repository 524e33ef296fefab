import { FailureError } from "../errors.js";
import { BadAnswerError } from "./attempt-failure.js";
import type { ScoreRequest, ScoreResult, TokenLogprob } from "./language-model.js";
import { fromWire, type WireRequest } from "./openai-wire.js";

/** A prompt's own tokens, as a server repeats them. */
export interface EchoedPrompt {
  /** Without the token that was written; the first has no probability (`NaN`). Undefined: the server does not repeat prompts so. */
  tokens: TokenLogprob[] | undefined;
  promptTokens: number;
  outputTokens: number;
}

/** A completion that repeats its prompt with log-probabilities. One token is written, as some servers refuse none. */
export function toEcho(model: string, prompt: string): WireRequest {
  return {
    path: "/completions",
    body: { model, prompt, max_tokens: 1, temperature: 0, echo: true, logprobs: 1 },
  };
}

export function readEcho(answer: unknown): EchoedPrompt {
  const { logprobs, promptTokens, outputTokens } = fromWire(answer, { maxTokens: 1 });
  const isEcho = logprobs !== undefined && logprobs.length > 0 && Number.isNaN(logprobs[0]!.logprob);
  // The server's own count says where the prompt ends; without it one token was written.
  const length = promptTokens > 0 ? promptTokens : (logprobs?.length ?? 0) - 1;
  if (isEcho && logprobs.length < length)
    throw new BadAnswerError(`the server lists ${logprobs.length} tokens of a prompt of ${length}`);
  return { tokens: isEcho ? logprobs.slice(0, length) : undefined, promptTokens, outputTokens };
}

/** The text of a pair, and the part of it whose tokens are the context: as locally, its trailing white space goes to the continuation. */
export function pairTexts({ context, continuation, boundary }: ScoreRequest): { whole: string; before: string } {
  return { whole: context + continuation, before: boundary === "exact" ? context : context.trimEnd() };
}

/**
 * The continuation's log-probability, by the rules that hold locally (`generate/score-tokens.ts`): its tokens are those of the whole text
 * behind as many as the context alone has, both as the server counts them.
 *
 * @param before the context alone; undefined when it is empty.
 * @throws FailureError when the server does not give what is needed.
 */
export function scoreEchoed(pair: ScoreRequest, whole: EchoedPrompt, before: EchoedPrompt | undefined): ScoreResult {
  if (!whole.tokens || (before && !before.tokens))
    throw new FailureError("the server gives no log-probabilities of the prompt (echo with logprobs)");
  const tokens = pair.boundary === "exact" ? whole.tokens.slice(0, pair.maxTokens) : whole.tokens;
  const targets = tokens.slice(firstTarget(pair, tokens, before?.tokens ?? []));
  if (targets.some(({ logprob }) => Number.isNaN(logprob)))
    throw new FailureError(
      "the server gives no probability of a text's first token: without a context it takes a tokenizer that begins texts with BOS",
    );
  return {
    logprob: targets.reduce((sum, { logprob }) => sum + logprob, 0),
    tokens: targets.length,
    isGreedy: targets.every(({ logprob, top }) => top.every((other) => other.logprob <= logprob)),
  };
}

function firstTarget(
  { boundary, continuation }: ScoreRequest,
  whole: readonly TokenLogprob[],
  before: readonly TokenLogprob[],
): number {
  if (boundary === "exact") {
    let shared = 0;
    while (shared < before.length && shared < whole.length && before[shared]!.token === whole[shared]!.token) shared++;
    return shared;
  }
  if (before.length === 0) return isTextToken(whole[0]?.token ?? "", continuation) ? 0 : 1;
  // One token can span the border when the context is a part of it: then that token is what is scored.
  return Math.min(before.length, whole.length - 1);
}

/** Whether the first token of a text is the text's own, not a BOS that the tokenizer puts before it. */
function isTextToken(token: string, text: string): boolean {
  const bare = token.replace(/^[▁Ġ ]+/, "");
  if (bare === "") return token !== "";
  return text.trimStart().startsWith(bare) || bare.includes("\ufffd") || bare.startsWith("bytes:");
}
