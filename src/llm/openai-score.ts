import { BadAnswerError } from "./attempt-failure.js";
import type { ScoreRequest, ScoreResult } from "./language-model.js";
import { fromWire, isObject, type WireRequest } from "./openai-wire.js";

/** A completion that repeats its prompt with log-probabilities. One token is written, as some servers refuse none. */
export function toEcho(model: string, { context, continuation }: ScoreRequest): WireRequest {
  return {
    path: "/completions",
    body: { model, prompt: context + continuation, max_tokens: 1, temperature: 0, echo: true, logprobs: 1 },
  };
}

/**
 * Sums the continuation's tokens: those that end after the context does and before the written token. A token that
 * spans the border counts with the continuation.
 */
export function readEcho(answer: unknown, { context, continuation }: ScoreRequest): ScoreResult {
  const { logprobs } = fromWire(answer, { maxTokens: 1 });
  const choice = isObject(answer) && Array.isArray(answer.choices) ? (answer.choices[0] as unknown) : undefined;
  const wire = isObject(choice) && isObject(choice.logprobs) ? choice.logprobs : {};
  if (!logprobs || !Array.isArray(wire.text_offset))
    throw new BadAnswerError("the server gives no log-probabilities of the prompt (echo)");
  const offsets = wire.text_offset.map(Number);
  const start = codePoints(context); // offsets count characters, not UTF-16 units
  const end = start + codePoints(continuation);
  let logprob = 0;
  let tokens = 0;
  let isGreedy = true;
  for (const [i, token] of logprobs.entries()) {
    const tokenEnd = offsets[i + 1] ?? Number.POSITIVE_INFINITY;
    if (tokenEnd <= start || offsets[i]! >= end) continue;
    if (Number.isNaN(token.logprob)) continue; // the very first token has no probability
    logprob += token.logprob;
    tokens++;
    const best = token.top[0];
    if (best && best.token !== token.token && best.logprob > token.logprob) isGreedy = false;
  }
  if (tokens === 0) throw new BadAnswerError("no log-probability for the continuation");
  return { logprob, tokens, isGreedy };
}

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
