import { UsageError } from "../errors.js";
import { BadAnswerError, describePage } from "./attempt-failure.js";
import type { GenerateRequest, GenerateResult, TokenLogprob } from "./language-model.js";

/** Which of the two OpenAI endpoints writes. "auto": `prompt` → completions, `messages` → chat. */
export type WireApi = "auto" | "completions" | "chat";

export interface WireRequest {
  path: "/completions" | "/chat/completions";
  body: Record<string, unknown>;
}

/** Most stop strings that OpenAI and vLLM take; answers are cut here at the others. */
const MAX_STOPS = 4;

/** Body of POST /completions or /chat/completions (OpenAI API reference; `top_k`, `min_p`, `repetition_penalty` as vLLM and llama.cpp name them). */
export function toWire(model: string, request: GenerateRequest, api: WireApi, isOpenAi: boolean): WireRequest {
  if (request.rules?.length)
    throw new UsageError("rules change the logits of local models; a server does not take them");
  const chat = api === "chat" || (api === "auto" && request.messages !== undefined);
  const body: Record<string, unknown> = {
    model,
    temperature: request.temperature ?? 0,
    top_p: request.topP,
    stop: request.stop?.length ? request.stop.slice(0, MAX_STOPS) : undefined,
    presence_penalty: request.presencePenalty,
    frequency_penalty: request.frequencyPenalty,
    seed: request.seed,
    n: request.n !== undefined && request.n > 1 ? request.n : undefined,
    top_k: request.topK,
    min_p: request.minP,
    repetition_penalty: request.repetitionPenalty,
  };
  if (chat) {
    body.messages = request.messages ?? [{ role: "user", content: request.prompt ?? "" }];
    body[isOpenAi ? "max_completion_tokens" : "max_tokens"] = request.maxTokens;
    if (request.logprobs !== undefined) Object.assign(body, { logprobs: true, top_logprobs: request.logprobs });
  } else {
    body.prompt = request.prompt ?? "";
    body.max_tokens = request.maxTokens;
    body.logprobs = request.logprobs;
  }
  for (const key of Object.keys(body)) if (body[key] === undefined) delete body[key];
  return { path: chat ? "/chat/completions" : "/completions", body };
}

type Json = Record<string, unknown>;

/** Reads an answer of either endpoint. @throws BadAnswerError when it is no answer, so that it is asked again. */
export function fromWire(received: unknown, request: GenerateRequest): GenerateResult {
  const answer = typeof received === "string" ? parse(received) : received; // text: the server named no JSON type
  if (!isObject(answer)) throw new BadAnswerError("the answer is not a JSON object");
  if (isObject(answer.error))
    throw new BadAnswerError(`error in a 200 answer: ${excerpt(JSON.stringify(answer.error))}`);
  const { choices } = answer;
  if (!Array.isArray(choices) || choices.length === 0) throw new BadAnswerError("the answer has no choices");
  const wanted = request.n ?? 1;
  if (choices.length < wanted) throw new BadAnswerError(`${choices.length} choices where ${wanted} were asked for`);
  const parsed = choices
    .map((choice, i) => ({ at: indexOf(choice, i), ...cutAtStops(readChoice(choice), request.stop?.slice(MAX_STOPS)) }))
    .sort((a, b) => a.at - b.at);
  const usage = isObject(answer.usage) ? answer.usage : {};
  const { at: _, ...first } = parsed[0]!;
  return {
    ...first,
    promptTokens: count(usage.prompt_tokens),
    outputTokens: count(usage.completion_tokens),
    ...(wanted > 1
      ? {
          alternatives: parsed
            .slice(1, wanted)
            .map(({ text, finishReason, logprobs }) => ({ text, finishReason, logprobs })),
        }
      : {}),
  };
}

type Choice = Pick<GenerateResult, "text" | "finishReason" | "logprobs" | "stopText">;

function readChoice(choice: unknown): Choice {
  if (!isObject(choice)) throw new BadAnswerError("a choice is not an object");
  const finishReason = choice.finish_reason === "length" ? "length" : "stop";
  const result: Choice = { text: readText(choice), finishReason };
  const logprobs = isObject(choice.logprobs) ? readLogprobs(choice.logprobs) : undefined;
  if (logprobs) result.logprobs = logprobs;
  if (typeof choice.stop_reason === "string") result.stopText = choice.stop_reason; // vLLM
  return result;
}

/** Ends a text where the first of these stands, as the server would have. */
function cutAtStops(choice: Choice, stops: readonly string[] = []): Choice {
  const found = stops
    .map((stop) => ({ stop, at: choice.text.indexOf(stop) }))
    .filter(({ at }) => at >= 0)
    .sort((a, b) => a.at - b.at)[0];
  if (!found) return choice;
  const { stop, at } = found;
  let length = 0;
  const logprobs = choice.logprobs?.filter(({ token }) => {
    const starts = length;
    length += token.length;
    return starts < at;
  });
  return {
    text: choice.text.slice(0, at),
    finishReason: "stop",
    stopText: stop,
    ...(logprobs ? { logprobs } : {}),
  };
}

function readText(choice: Json): string {
  if (typeof choice.text === "string") return choice.text;
  if (isObject(choice.message)) {
    const { content, refusal, reasoning_content, reasoning } = choice.message;
    if (typeof content === "string") return content;
    if (typeof refusal === "string") return refusal;
    if (Array.isArray(content)) return textParts(content);
    // Servers that keep thoughts apart have no text to give where the limit came while the model was thinking.
    const isThinking = choice.finish_reason === "length" || isText(reasoning_content ?? reasoning);
    if (content === null && (isThinking || choice.finish_reason === "content_filter")) return "";
  }
  throw new BadAnswerError("a choice has no text");
}

const isText = (value: unknown): boolean => typeof value === "string" && value !== "";

/** The text of an answer in parts, without those that are thoughts. */
const textParts = (parts: readonly unknown[]): string =>
  parts
    .map((part) => (isObject(part) && part.type === "text" && typeof part.text === "string" ? part.text : ""))
    .join("");

function readLogprobs(logprobs: Json): TokenLogprob[] | undefined {
  if (Array.isArray(logprobs.content))
    return logprobs.content.filter(isObject).map((item) => ({
      token: String(item.token),
      logprob: toLogprob(item.logprob),
      top: listed(
        (Array.isArray(item.top_logprobs) ? item.top_logprobs : [])
          .filter(isObject)
          .map((top) => ({ token: String(top.token), logprob: toLogprob(top.logprob) })),
      ),
    }));
  const { tokens, token_logprobs, top_logprobs } = logprobs;
  if (!Array.isArray(tokens) || !Array.isArray(token_logprobs)) return undefined;
  return tokens.map((token, i) => {
    const top: unknown = Array.isArray(top_logprobs) ? top_logprobs[i] : undefined;
    const alternatives = isObject(top)
      ? Object.entries(top).map(([t, p]) => ({ token: t, logprob: toLogprob(p) }))
      : [];
    return {
      token: String(token),
      logprob: toLogprob(token_logprobs[i]),
      top: listed(alternatives).sort((a, b) => b.logprob - a.logprob),
    };
  });
}

/** `null` is −∞ as JSON writes it, or the first token of an echoed prompt, which has no probability: `NaN` here. */
const toLogprob = (value: unknown): number => (value === null || value === undefined ? Number.NaN : Number(value));

/** Alternatives of probability 0 are none: they are left out. */
const listed = <T extends { logprob: number }>(top: T[]): T[] => top.filter(({ logprob }) => Number.isFinite(logprob));

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new BadAnswerError(describePage(text) ?? `malformed JSON: ${excerpt(text)}`);
  }
}

function indexOf(choice: unknown, fallback: number): number {
  return isObject(choice) && typeof choice.index === "number" ? choice.index : fallback;
}

function count(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function excerpt(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
