/**
 * Fields of requests that this server does not offer. Those that would change the answer are refused, since silence would be
 * a wrong answer, unless their value asks for what is done anyway; all others that are not known are ignored, as OpenAI's
 * own servers and vLLM ignore what they do not know. `docs/guides/serving.md` shows the table; a test compares them.
 */
import { HttpError } from "./http-error.js";

interface Refusal {
  /** Whether a value changes nothing. `null` never does. */
  harmless: (value: unknown) => boolean;
  what: string;
}

const never = (): boolean => false;
const is =
  (...values: unknown[]) =>
  (value: unknown): boolean =>
    values.includes(value);

function refusals(what: string, harmless: Refusal["harmless"], ...names: string[]): Record<string, Refusal> {
  return Object.fromEntries(names.map((name) => [name, { harmless, what: what.replace("$", name) }]));
}

const NOT_SUPPORTED = "$ is not supported by this server";

/** By endpoint family, the refused fields; the first entry of a name wins. */
const COMMON: Record<string, Refusal> = {
  ...refusals("tools are not supported by this server", isEmpty, "tools"),
  ...refusals("tools are not supported by this server", is("none", "auto"), "tool_choice"),
  ...refusals("functions are not supported by this server", isEmpty, "functions"),
  ...refusals("functions are not supported by this server", is("none", "auto"), "function_call"),
  ...refusals("only text is supported", isEmpty, "audio"),
  ...refusals("only text is supported", (value) => Array.isArray(value) && value.join() === "text", "modalities"),
  // What the answer must look like.
  ...refusals("only response_format text is supported", (value) => record(value).type === "text", "response_format"),
  ...refusals(
    NOT_SUPPORTED,
    never,
    ...["guided_json", "guided_regex", "guided_choice", "guided_grammar", "guided_whitespace_pattern"],
    ...["structured_outputs", "grammar", "json_schema"],
  ),
  // Which tokens may be drawn, and when the answer ends.
  ...refusals(
    NOT_SUPPORTED,
    isEmpty,
    ...["logit_bias", "stop_token_ids", "allowed_token_ids", "bad_words", "logits_processors"],
  ),
  ...refusals(NOT_SUPPORTED, is(0), "min_tokens", "no_repeat_ngram_size", "mirostat", "dry_multiplier"),
  ...refusals(NOT_SUPPORTED, is(0), "xtc_probability", "dynatemp_range"),
  ...refusals(NOT_SUPPORTED, is(1), "length_penalty", "typical_p", "tfs_z", "repeat_penalty", "num_beams"),
  ...refusals(NOT_SUPPORTED, is(false), "ignore_eos", "use_beam_search", "early_stopping"),
  ...refusals(NOT_SUPPORTED, is(false), "include_stop_str_in_output", "return_tokens_as_token_ids"),
  ...refusals("best_of is not supported; use n", is(1), "best_of"),
  // What is read.
  ...refusals(NOT_SUPPORTED, is(""), "suffix"),
  ...refusals(NOT_SUPPORTED, is(true), "add_generation_prompt", "skip_special_tokens", "spaces_between_special_tokens"),
  ...refusals(NOT_SUPPORTED, is(false), "continue_final_message"),
  ...refusals(NOT_SUPPORTED, never, "chat_template", "truncate_prompt_tokens", "prompt_embeds"),
  ...refusals(NOT_SUPPORTED, isEmpty, "chat_template_kwargs", "documents", "web_search_options"),
  ...refusals(NOT_SUPPORTED, is("none"), "reasoning_effort"),
  ...refusals(NOT_SUPPORTED, is("medium"), "verbosity"),
  // What is told besides the answer.
  ...refusals(NOT_SUPPORTED, is(false), "return_token_ids"),
  ...refusals("prompt_logprobs is not supported; use echo with logprobs at /v1/completions", never, "prompt_logprobs"),
};

const CHAT: Record<string, Refusal> = {
  // The default of vLLM differs between its endpoints.
  ...refusals("echo belongs to /v1/completions", is(false), "echo"),
  ...refusals(NOT_SUPPORTED, is(false), "add_special_tokens"),
};

const COMPLETIONS: Record<string, Refusal> = {
  ...refusals(NOT_SUPPORTED, is(true), "add_special_tokens"),
};

const RESPONSES: Record<string, Refusal> = {
  ...refusals("this server stores no answers; send the conversation as input", never, "previous_response_id"),
  ...refusals("this server stores no answers; send the conversation as input", never, "conversation"),
  ...refusals(NOT_SUPPORTED, is(false), "background"),
  ...refusals(NOT_SUPPORTED, isEmpty, "include", "prompt", "reasoning"),
  ...refusals(NOT_SUPPORTED, is("disabled"), "truncation"),
  ...refusals(NOT_SUPPORTED, is(0), "top_logprobs"),
  ...refusals(NOT_SUPPORTED, never, "max_tool_calls"),
  ...refusals("only text.format text is supported", isPlainText, "text"),
};

const EMBEDDINGS: Record<string, Refusal> = {
  ...refusals(NOT_SUPPORTED, never, "dimensions", "truncate_prompt_tokens"),
  ...refusals(NOT_SUPPORTED, is(true), "normalize", "add_special_tokens"),
};

/** The refused fields of each endpoint. */
export const REFUSED = {
  chat: { ...COMMON, ...CHAT },
  completions: { ...COMMON, ...COMPLETIONS },
  responses: { ...COMMON, ...RESPONSES },
  embeddings: EMBEDDINGS,
} as const;

/** @throws HttpError 400 for the first field that would change the answer and is not offered. */
export function refuseUnsupported(body: unknown, endpoint: keyof typeof REFUSED): void {
  const given = record(body);
  for (const [param, { harmless, what }] of Object.entries(REFUSED[endpoint])) {
    const value = Object.hasOwn(given, param) ? given[param] : undefined;
    if (value === undefined || value === null || harmless(value)) continue;
    throw new HttpError(400, what, { param, code: "unsupported_parameter" });
  }
}

/** The members of an object; none of anything else. */
export function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

function isPlainText(value: unknown): boolean {
  const { format, verbosity } = record(value);
  return (format === undefined || record(format).type === "text") && (verbosity ?? "medium") === "medium";
}
