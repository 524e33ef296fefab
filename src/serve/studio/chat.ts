/** One question to several models at once; their answers share a stream. */
import { z } from "zod";
import { EvokeError } from "../../errors.js";
import { encodeMessages, PROMPT_TEMPLATES } from "../../generate/prompt.js";
import { HttpError } from "../http-error.js";
import type { ChatModels } from "./chat-models.js";
import { withoutSecrets } from "./secrets.js";
import { check } from "./training-request.js";
import type { ChatEvent, ChatRequest } from "./wire.js";

const MOST_COLUMNS = 6;
/** Alternatives shown for each token. */
const TOP = 5;

const schema: z.ZodType<ChatRequest> = z.strictObject({
  columns: z
    .array(
      z.strictObject({
        model: z.string().min(1).max(1024),
        template: z.enum(["auto", ...PROMPT_TEMPLATES]),
        messages: z
          .array(z.strictObject({ role: z.enum(["system", "user", "assistant"]), content: z.string() }))
          .min(1)
          .max(1000),
      }),
    )
    .min(1)
    .max(MOST_COLUMNS),
  maxTokens: z.int().min(1).max(8192),
  temperature: z.number().min(0).max(10),
  topP: z.number().gt(0).max(1),
  seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
});

/** @throws HttpError 400 naming the field. */
export function readChat(body: unknown): ChatRequest {
  return check(schema, body);
}

/** Writes all answers; a column that fails says so and the others go on. Rejects only when aborted. */
export async function chat(
  models: ChatModels,
  request: ChatRequest,
  send: (event: ChatEvent) => void,
  signal: AbortSignal,
  log: (line: string) => void,
): Promise<void> {
  await Promise.all(
    request.columns.map(async (_, column) => {
      try {
        await answer(models, request, column, send, signal);
      } catch (error) {
        if (signal.aborted) return;
        send({ type: "error", column, message: reason(error, log) });
      }
    }),
  );
  signal.throwIfAborted();
}

async function answer(
  models: ChatModels,
  request: ChatRequest,
  column: number,
  send: (event: ChatEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const { model, template, messages } = request.columns[column]!;
  send({ type: "loading", column });
  await models.use(model, async ({ generator, adapter, template: own }) => {
    signal.throwIfAborted();
    const used = template === "auto" ? own : template;
    const prompt = await encodeMessages(generator.tokenizer, messages, used);
    send({ type: "prompt", column, text: prompt.text, tokens: prompt.tokens.length, template: used });
    const start = performance.now();
    const { maxTokens, temperature, topP, seed } = request;
    const result = await generator.generate(
      {
        tokens: prompt.tokens,
        adapter,
        maxTokens,
        temperature,
        logprobs: TOP,
        ...(temperature > 0 ? { topP } : {}),
        ...(seed === undefined ? {} : { seed }),
      },
      {
        signal,
        onToken: ({ id, piece, logprob }) =>
          send({ type: "token", column, id, piece, logprob: logprob!.logprob, top: logprob!.top }),
      },
    );
    const { text, finishReason, outputTokens } = result;
    const seconds = (performance.now() - start) / 1000;
    send({ type: "end", column, text, finishReason, outputTokens, seconds });
  });
}

/** What a page may know of a failure; what went wrong inside is for the log alone. */
function reason(error: unknown, log: (line: string) => void): string {
  if (error instanceof HttpError || error instanceof EvokeError) return withoutSecrets(error.message);
  log(`error: ${(error instanceof Error ? error.message : String(error)).split("\n")[0]}`);
  return "the model failed to answer; the studio's log says why";
}
