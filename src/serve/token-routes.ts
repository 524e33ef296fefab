/** POST /tokenize and /detokenize, with the shapes of vLLM's. */
import { z } from "zod";
import type { ServeBackend } from "./backend.js";
import { findModel } from "./completions.js";
import { check, messagesSchema, optional, toMessages } from "./wire-request.js";

const tokenizeSchema = z
  .object({
    model: optional(z.string()),
    prompt: optional(z.string()),
    messages: optional(messagesSchema),
    add_special_tokens: optional(z.boolean()),
    return_token_strs: optional(z.boolean()),
  })
  .refine(({ prompt, messages }) => (prompt === undefined) !== (messages === undefined), {
    error: "exactly one of prompt and messages is expected",
  });

const detokenizeSchema = z.object({ model: optional(z.string()), tokens: z.array(z.int().min(0)) });

/** @throws HttpError 400 naming the field, ContextLengthError for a text far longer than the model reads. */
export async function tokenize(backend: ServeBackend, body: unknown, signal: AbortSignal): Promise<object> {
  const given = check(tokenizeSchema, body);
  findModel(backend, given.model);
  const input = given.messages ? { messages: toMessages(given.messages) } : { prompt: given.prompt };
  const tokens = await backend.tokenize(input, given.add_special_tokens, signal);
  return {
    count: tokens.length,
    max_model_len: backend.maxPositions,
    tokens,
    token_strs: given.return_token_strs ? tokens.map((token) => backend.detokenize([token])) : null,
  };
}

/** @throws HttpError 400 naming the field. */
export function detokenize(backend: ServeBackend, body: unknown): object {
  const given = check(detokenizeSchema, body);
  findModel(backend, given.model);
  return { prompt: backend.detokenize(given.tokens) };
}
