/** Writes answers in the shapes of the OpenAI API: whole ones and the chunks of a stream. */
import { randomUUID } from "node:crypto";
import type { TokenLogprob } from "../generate/request.js";
import type { SpelledToken } from "../tokenizer/token-bytes.js";
import type { ErrorBody } from "./http-error.js";

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}

/** One finished answer. */
export interface WireChoice {
  index: number;
  text: string;
  finishReason: "stop" | "length";
  logprobs?: WireLogprobs;
}

/** Tokens of a choice (an echoed prompt's first) with what is known of each. */
export interface WireLogprobs {
  /** Undefined: the first token of an echoed prompt, which has no probability. */
  entries: (TokenLogprob | undefined)[];
  /** Text that each token adds. */
  pieces: string[];
  /** Characters of the choice before the first piece. */
  offset: number;
}

/** The two endpoints differ in how a choice looks, and in nothing else. */
export interface Dialect {
  /** The whole answer. */
  whole(choices: readonly WireChoice[], usage: Usage): object;
  /** First events of a choice. */
  opening(index: number): object[];
  /** Text as it comes, with the tokens that it was made of where they are asked for. */
  text(index: number, text: string, logprobs?: WireLogprobs): object[];
  /** Last events of a choice; its log-probabilities are those that no text held. */
  closing(choice: WireChoice): object[];
  /** Events after all choices. */
  end(choices: readonly WireChoice[], usage: Usage): object[];
  /** The event of a failure in the middle of a stream; default the error's own body. */
  failed?(error: ErrorBody["error"]): object;
  /** Whether each event is named by its `type`. */
  named?: boolean;
  /** What the last event says where it is none of the dialect's own objects. */
  mark?: string;
}

const DONE = "[DONE]";

export function chatDialect(model: string, { includeUsage }: { includeUsage: boolean }): Dialect {
  const head = heading("chatcmpl", model);
  const chunk = (index: number, delta: object, rest: object = {}): object => ({
    ...head,
    object: "chat.completion.chunk",
    choices: [{ index, delta, logprobs: null, finish_reason: null, ...rest }],
  });
  return {
    whole: (choices, usage) => ({
      ...head,
      object: "chat.completion",
      choices: choices.map(({ index, text, finishReason, logprobs }) => ({
        index,
        message: { role: "assistant", content: text, refusal: null },
        logprobs: logprobs ? chatLogprobs(logprobs) : null,
        finish_reason: finishReason,
      })),
      usage,
    }),
    opening: (index) => [chunk(index, { role: "assistant", content: "" })],
    text: (index, text, logprobs) => [
      chunk(index, { content: text }, { logprobs: logprobs ? chatLogprobs(logprobs) : null }),
    ],
    closing: ({ index, finishReason, logprobs }) => [
      chunk(index, {}, { logprobs: logprobs ? chatLogprobs(logprobs) : null, finish_reason: finishReason }),
    ],
    end: (_, usage) => (includeUsage ? [{ ...head, object: "chat.completion.chunk", choices: [], usage }] : []),
    mark: DONE,
  };
}

export function completionDialect(model: string, { includeUsage }: { includeUsage: boolean }): Dialect {
  const head = { ...heading("cmpl", model), object: "text_completion" };
  const chunk = (index: number, text: string, rest: object = {}): object => ({
    ...head,
    choices: [{ index, text, logprobs: null, finish_reason: null, ...rest }],
  });
  const logprobsOf = ({ logprobs }: Pick<WireChoice, "logprobs">) => (logprobs ? completionLogprobs(logprobs) : null);
  return {
    whole: (choices, usage) => ({
      ...head,
      choices: choices.map((choice) => {
        const { index, text, finishReason } = choice;
        return { index, text, logprobs: logprobsOf(choice), finish_reason: finishReason };
      }),
      usage,
    }),
    opening: () => [],
    text: (index, text, logprobs) => [chunk(index, text, { logprobs: logprobsOf({ logprobs }) })],
    closing: (choice) => [
      chunk(choice.index, "", { logprobs: logprobsOf(choice), finish_reason: choice.finishReason }),
    ],
    end: (_, usage) => (includeUsage ? [{ ...head, choices: [], usage }] : []),
    mark: DONE,
  };
}

function heading(prefix: string, model: string): { id: string; created: number; model: string } {
  return { id: `${prefix}-${randomUUID()}`, created: Math.floor(Date.now() / 1000), model };
}

function chatLogprobs({ entries }: WireLogprobs): object {
  const spelled = ({ token, bytes, logprob }: SpelledToken & { logprob: number }): object => ({
    token,
    logprob,
    bytes: bytes ?? (token.includes("\ufffd") ? null : [...Buffer.from(token, "utf8")]),
  });
  const content = entries
    .filter((entry) => entry !== undefined)
    .map((entry) => ({ ...spelled(entry), top_logprobs: entry.top.map(spelled) }));
  return { content, refusal: null };
}

/** Characters as Python counts them, not UTF-16 units. */
export function characters(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** A token as the key of an object: parts of characters, which are all the same as text, by their bytes, as OpenAI and vLLM write them. */
function nameOf({ token, bytes }: SpelledToken): string {
  return bytes ? `bytes:${bytes.map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}` : token;
}

function completionLogprobs({ entries, pieces, offset }: WireLogprobs): object {
  let end = offset;
  const offsets = pieces.map((piece) => {
    const start = end;
    end += characters(piece);
    return start;
  });
  return {
    tokens: entries.map((entry, i) => (entry ? nameOf(entry) : (pieces[i] ?? ""))),
    token_logprobs: entries.map((entry) => entry?.logprob ?? null),
    top_logprobs: entries.map((entry) => {
      if (!entry) return null;
      const alternatives = new Map([...entry.top, entry].reverse().map((each) => [nameOf(each), each.logprob]));
      return Object.fromEntries([...alternatives].reverse());
    }),
    text_offset: offsets,
  };
}
