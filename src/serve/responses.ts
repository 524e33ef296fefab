/** POST /v1/responses: the text part of OpenAI's Responses API, one answer, nothing stored (reference: "Create a model response"). */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Message } from "../tokenizer/chat-template.js";
import { refuseUnsupported } from "./field-table.js";
import { check, limit, number, optional, type WireRequest } from "./wire-request.js";
import type { Dialect, Usage, WireChoice } from "./wire-response.js";

const DEFAULT_TOKENS = 2048;

const part = z.object({ type: z.enum(["input_text", "output_text"]), text: z.string() });
const message = z.object({
  type: z.literal("message").optional(),
  role: z.enum(["system", "developer", "user", "assistant"]),
  content: z.union([z.string(), z.array(part).transform((parts) => parts.map(({ text }) => text).join(""))], {
    error: "expected text: a string, or a list of parts of type input_text",
  }),
});

const schema = z.object({
  model: optional(z.string()),
  input: z.union([z.string(), z.array(message).min(1)], { error: "expected a string or a list of messages of text" }),
  instructions: optional(z.string()),
  max_output_tokens: limit(1),
  temperature: number(0, 2),
  top_p: optional(z.number().gt(0).max(1)),
  stream: optional(z.boolean()),
  metadata: optional(z.record(z.string(), z.string())),
  // Beyond the API, as vLLM takes them.
  seed: optional(z.int()),
  top_k: number(-1, 1e9),
});

export type ResponsesRequest = WireRequest & { echoed: object };

/** @throws HttpError 400 naming the field. */
export function readResponsesRequest(body: unknown): ResponsesRequest {
  refuseUnsupported(body, "responses");
  const given = check(schema, body);
  const said: Message[] =
    typeof given.input === "string"
      ? [{ role: "user", content: given.input }]
      : given.input.map(({ role, content }) => ({ role: role === "developer" ? "system" : role, content }));
  const system: Message[] = given.instructions === undefined ? [] : [{ role: "system", content: given.instructions }];
  return {
    model: given.model,
    prompts: [{ messages: [...system, ...said] }],
    options: {
      maxTokens: given.max_output_tokens ?? DEFAULT_TOKENS,
      temperature: given.temperature ?? 1,
      topP: given.top_p,
      topK: given.top_k === undefined ? undefined : Math.max(0, given.top_k),
      seed: given.seed,
      n: 1,
    },
    echo: false,
    stream: given.stream ?? false,
    includeUsage: true,
    // The answer repeats what it was asked with.
    echoed: {
      instructions: given.instructions ?? null,
      max_output_tokens: given.max_output_tokens ?? null,
      metadata: given.metadata ?? {},
      temperature: given.temperature ?? 1,
      top_p: given.top_p ?? 1,
    },
  };
}

/** One response object, or the events of its stream: each has a number and says what it changes. */
export function responsesDialect(model: string, { echoed }: ResponsesRequest): Dialect {
  const created = Math.floor(Date.now() / 1000);
  const id = `resp_${randomUUID().replaceAll("-", "")}`;
  const item = `msg_${randomUUID().replaceAll("-", "")}`;
  const place = { item_id: item, output_index: 0, content_index: 0 };
  let number = 0;
  let written = "";
  const event = (type: string, members: object): object => ({ type, sequence_number: number++, ...members });
  const response = (status: string, members: object): object => ({
    id,
    object: "response",
    created_at: created,
    status,
    background: false,
    error: null,
    incomplete_details: null,
    model,
    output: [],
    parallel_tool_calls: false,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    store: false,
    text: { format: { type: "text" } },
    tool_choice: "none",
    tools: [],
    truncation: "disabled",
    usage: null,
    user: null,
    ...echoed,
    ...members,
  });
  const content = (text: string): object => ({ type: "output_text", text, annotations: [], logprobs: [] });
  const messageItem = (status: string, text?: string): object => ({
    id: item,
    type: "message",
    role: "assistant",
    status,
    content: text === undefined ? [] : [content(text)],
  });
  const finished = ({ text, finishReason }: WireChoice, usage: Usage): [status: string, response: object] => {
    const status = finishReason === "length" ? "incomplete" : "completed";
    const details = finishReason === "length" ? { reason: "max_output_tokens" } : null;
    const output = [messageItem(status, text)];
    return [status, response(status, { output, incomplete_details: details, usage: responsesUsage(usage) })];
  };
  return {
    whole: ([choice], usage) => finished(choice!, usage)[1],
    opening: () => [
      event("response.created", { response: response("in_progress", {}) }),
      event("response.in_progress", { response: response("in_progress", {}) }),
      event("response.output_item.added", { output_index: 0, item: messageItem("in_progress") }),
      event("response.content_part.added", { ...place, part: content("") }),
    ],
    text(_, text) {
      written += text;
      return [event("response.output_text.delta", { ...place, delta: text, logprobs: [] })];
    },
    closing: ({ finishReason }) => [
      event("response.output_text.done", { ...place, text: written, logprobs: [] }),
      event("response.content_part.done", { ...place, part: content(written) }),
      event("response.output_item.done", {
        output_index: 0,
        item: messageItem(finishReason === "length" ? "incomplete" : "completed", written),
      }),
    ],
    end([choice], usage) {
      const [status, whole] = finished(choice!, usage);
      return [event(`response.${status}`, { response: whole })];
    },
    named: true,
    failed: (error) => event("error", { code: error.code, message: error.message, param: error.param }),
  };
}

function responsesUsage({ prompt_tokens, completion_tokens, total_tokens }: Usage): object {
  return {
    input_tokens: prompt_tokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: completion_tokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens,
  };
}
