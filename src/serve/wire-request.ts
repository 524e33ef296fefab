/** Reads request bodies of the OpenAI API (reference: "Create chat completion", "Create completion"). */
import { z } from "zod";
import type { LocalGenerateRequest } from "../generate/request.js";
import type { Message } from "../tokenizer/chat-template.js";
import { record, refuseUnsupported } from "./field-table.js";
import { HttpError } from "./http-error.js";

/** Tokens of an answer when a chat request names no limit. */
const DEFAULT_CHAT_TOKENS = 2048;
/** The API's own default for plain completions. */
const DEFAULT_COMPLETION_TOKENS = 16;
/** Longer than any model writes. */
const NO_LIMIT = 1e9;
const MAX_N = 128;
const MAX_PROMPTS = 256;

export type Prompt = Pick<LocalGenerateRequest, "prompt" | "messages" | "tokens">;

export interface WireRequest {
  model?: string;
  /** One for chat; one or more for completions. */
  prompts: Prompt[];
  /** Everything but the prompt and the adapter. `maxTokens` may be 0 when the prompt is echoed. */
  options: Omit<LocalGenerateRequest, "prompt" | "messages" | "tokens" | "adapter" | "trial"> & { n: number };
  echo: boolean;
  stream: boolean;
  includeUsage: boolean;
}

/** Clients write `null` for what they leave out. */
export const optional = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? undefined);
export const whole = (low: number, high: number) => optional(z.int().min(low).max(high));
/** A number of tokens; -1 means as many as the model has room for. */
export const limit = (low: number) =>
  optional(
    z.union([z.literal(-1).transform(() => NO_LIMIT), z.int().min(low).max(NO_LIMIT)], {
      error: `expected a whole number from ${low}, or -1 for no limit`,
    }),
  );
export const number = (low: number, high: number) => optional(z.number().min(low).max(high));

const common = {
  model: optional(z.string()),
  max_tokens: limit(0),
  temperature: number(0, 2),
  top_p: optional(z.number().gt(0).max(1)),
  n: whole(1, MAX_N),
  stop: optional(
    z.union([
      z
        .string()
        .min(1)
        .transform((text) => [text]),
      z.array(z.string().min(1)).max(16),
    ]),
  ),
  seed: optional(z.int()),
  presence_penalty: number(-2, 2),
  frequency_penalty: number(-2, 2),
  stream: optional(z.boolean()),
  stream_options: optional(z.object({ include_usage: optional(z.boolean()) })),
  // Beyond the API, named as other servers name them; -1 also means "all tokens" there.
  top_k: whole(-1, 1e9),
  min_p: number(0, 1),
  repetition_penalty: optional(z.number().positive().max(10)),
};

const textPart = z.object({ type: z.literal("text"), text: z.string() });
export const content = z.union(
  [z.string(), z.array(textPart).transform((parts) => parts.map(({ text }) => text).join(""))],
  {
    error: "expected text: a string, or a list of parts of type text",
  },
);

export const messagesSchema = z
  .array(z.object({ role: z.enum(["system", "developer", "user", "assistant"]), content: content.nullish() }))
  .min(1);

/** What OpenAI calls a developer's message is a system message. */
export function toMessages(messages: z.output<typeof messagesSchema>): Message[] {
  return messages.map(({ role, content }) => ({
    role: role === "developer" ? "system" : role,
    content: content ?? "",
  }));
}

const chatSchema = z.object({
  ...common,
  messages: messagesSchema,
  max_completion_tokens: limit(1),
  logprobs: optional(z.boolean()),
  top_logprobs: whole(0, 20),
});

const token = z.int().min(0);
/** One text or several, as text or as token ids. */
export const promptSchema = z.union(
  [
    z.string(),
    z.array(z.string()).min(1).max(MAX_PROMPTS),
    z.array(token).min(1),
    z.array(z.array(token).min(1)).min(1).max(MAX_PROMPTS),
  ],
  { error: `expected a string, token ids, or a list of at most ${MAX_PROMPTS} of either` },
);

const completionSchema = z.object({
  ...common,
  prompt: promptSchema,
  echo: optional(z.boolean()),
  logprobs: whole(0, 20),
});

/** @throws HttpError 400 naming the field. */
export function readChatRequest(body: unknown): WireRequest {
  refuseUnsupported(body, "chat");
  refuseTools(body);
  const given = check(chatSchema, body);
  const messages = toMessages(given.messages);
  if (given.top_logprobs !== undefined && !given.logprobs) throw invalid("top_logprobs", "needs logprobs: true");
  const maxTokens = given.max_completion_tokens ?? given.max_tokens ?? DEFAULT_CHAT_TOKENS;
  if (maxTokens === 0) throw invalid("max_tokens", "must be at least 1");
  const logprobs = given.logprobs ? (given.top_logprobs ?? 0) : undefined;
  return { ...shared(given, maxTokens, logprobs), prompts: [{ messages }], echo: false };
}

/** @throws HttpError 400 naming the field. */
export function readCompletionRequest(body: unknown): WireRequest {
  refuseUnsupported(body, "completions");
  const given = check(completionSchema, body);
  const echo = given.echo ?? false;
  const maxTokens = given.max_tokens ?? DEFAULT_COMPLETION_TOKENS;
  if (maxTokens === 0 && !echo) throw invalid("max_tokens", "must be at least 1 unless the prompt is echoed");
  return { ...shared(given, maxTokens, given.logprobs), prompts: promptsOf(given.prompt), echo };
}

type Common = z.output<z.ZodObject<typeof common>>;

function shared(given: Common, maxTokens: number, logprobs?: number): Omit<WireRequest, "prompts" | "echo"> {
  return {
    model: given.model,
    options: {
      maxTokens,
      temperature: given.temperature ?? 1,
      topP: given.top_p,
      topK: given.top_k === undefined ? undefined : Math.max(0, given.top_k),
      minP: given.min_p,
      repetitionPenalty: given.repetition_penalty,
      presencePenalty: given.presence_penalty,
      frequencyPenalty: given.frequency_penalty,
      stop: given.stop,
      seed: given.seed,
      n: given.n ?? 1,
      logprobs,
    },
    stream: given.stream ?? false,
    includeUsage: given.stream_options?.include_usage ?? false,
  };
}

/** The prompts in their order. */
export function promptsOf(prompt: z.output<typeof promptSchema>): Prompt[] {
  if (typeof prompt === "string") return [{ prompt }];
  if (isNumbers(prompt)) return [{ tokens: prompt }];
  return prompt.map((one) => (typeof one === "string" ? { prompt: one } : { tokens: one }));
}

function isNumbers(list: readonly unknown[]): list is number[] {
  return typeof list[0] === "number";
}

function refuseTools(body: unknown): void {
  const given = record(body);
  const messages: unknown[] = Array.isArray(given.messages) ? given.messages : [];
  const calling = messages.findIndex((message) => {
    const { role, tool_calls } = record(message);
    return role === "tool" || role === "function" || (Array.isArray(tool_calls) && tool_calls.length > 0);
  });
  if (calling >= 0)
    throw new HttpError(400, "tools are not supported by this server", {
      param: `messages[${calling}]`,
      code: "unsupported_parameter",
    });
}

export function check<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  const param = path.map((key, i) => (typeof key === "number" ? `[${key}]` : `${i ? "." : ""}${String(key)}`)).join("");
  throw invalid(param, message);
}

export function invalid(param: string, message: string): HttpError {
  const text = param === "" ? `the body: ${message}` : `${param}: ${message}`;
  return new HttpError(400, text, { param: param || undefined, code: "invalid_value" });
}
