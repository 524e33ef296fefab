import type { Message } from "../tokenizer/chat-template.js";

/**
 * The row schemas of instruction data found in the wild, each as one small declaration: how to tell it, and how a row
 * becomes turns. A row that cannot be used gives a reason in words instead.
 */

/** What a row holds: turns, or plain text for language modelling; or why it cannot be used. */
export type RowContent = { messages: Message[] } | { text: string } | { problem: string };

/** Reads a field by its wanted name, through the column mapping; undefined when absent or null. */
export type Field = (name: string) => unknown;

interface RowFormat {
  /** Names that `columns` may map. */
  columns: readonly string[];
  /** Whether a row has this shape. */
  matches(field: Field): boolean;
  read(field: Field): RowContent;
}

const isString = (value: unknown): value is string => typeof value === "string";

/** The first of the names that the row has. */
function firstOf(field: Field, ...names: string[]): unknown {
  for (const name of names) {
    const value = field(name);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** [user, assistant] or, without a prompt, [assistant]; `output` names the response's field in messages. */
function pair(prompt: string | undefined, response: unknown, output: string): RowContent {
  if (response === undefined) return { problem: `no response (no field "${output}")` };
  if (!isString(response)) return { problem: `the response (field "${output}") is not text` };
  if (response.trim() === "") return { problem: `no response (field "${output}" is empty)` };
  const answer: Message = { role: "assistant", content: response };
  return { messages: prompt === undefined ? [answer] : [{ role: "user", content: prompt }, answer] };
}

/** Checks turns; what follows the last assistant turn cannot be learnt from and is dropped. */
function turns(messages: Message[]): RowContent {
  const last = messages.findLastIndex((message) => message.role === "assistant");
  if (last < 0) return { problem: "no response (no assistant turn)" };
  const kept = messages.slice(0, last + 1);
  const empty = kept.findIndex((message) => message.role === "assistant" && message.content.trim() === "");
  if (empty >= 0) return { problem: `no response (turn ${empty + 1} is empty)` };
  return { messages: kept };
}

const roles: Record<string, Message["role"]> = {
  system: "system",
  user: "user",
  human: "user",
  assistant: "assistant",
  gpt: "assistant",
  chatgpt: "assistant",
  bot: "assistant",
  model: "assistant",
};

/** Turns from a list of objects with a role and a content under the given keys. */
function objectTurns(list: unknown[], roleKey: string, contentKey: string): RowContent {
  const messages: Message[] = [];
  for (const [i, item] of list.entries()) {
    if (typeof item !== "object" || item === null) return { problem: `turn ${i + 1} is not an object` };
    const { [roleKey]: name, [contentKey]: content } = item as Record<string, unknown>;
    const role = isString(name) && Object.hasOwn(roles, name) ? roles[name] : undefined;
    if (!role)
      return {
        problem: `turn ${i + 1}: ${roleKey} ${JSON.stringify(name) ?? "missing"} is not user, assistant or system`,
      };
    if (!isString(content)) return { problem: `turn ${i + 1}: "${contentKey}" is not text` };
    messages.push({ role, content });
  }
  return turns(messages);
}

/** In the order in which auto-detection tries them. */
export const rowFormats = {
  /** {messages: [{role, content}, …]}: OpenAI's and TRL's. */
  messages: {
    columns: ["messages"],
    matches: (field) => Array.isArray(field("messages")),
    read: (field) => {
      const list = field("messages");
      return Array.isArray(list) ? objectTurns(list, "role", "content") : { problem: 'no list "messages"' };
    },
  },
  /** {conversations: [{from, value}, …]}: ShareGPT's; {conversations: ["…", "…"]}: LIMA's, user first. */
  sharegpt: {
    columns: ["conversations"],
    matches: (field) => Array.isArray(field("conversations")),
    read: (field) => {
      const list = field("conversations");
      if (!Array.isArray(list)) return { problem: 'no list "conversations"' };
      if (list.length === 0 || !list.every(isString)) return objectTurns(list, "from", "value");
      return turns(list.map((content, i) => ({ role: i % 2 ? "assistant" : "user", content })));
    },
  },
  /** {prompt, completion}: the paper's prepared rows. Without a prompt the row serves response tuning only. */
  "prompt-completion": {
    columns: ["prompt", "completion"],
    matches: (field) => isString(firstOf(field, "completion", "response")) && field("instruction") === undefined,
    read: (field) => {
      const prompt = field("prompt");
      if (prompt !== undefined && !isString(prompt)) return { problem: 'field "prompt" is not text' };
      return pair(prompt, firstOf(field, "completion", "response"), "completion");
    },
  },
  /** {instruction, input, output}: Alpaca's; {instruction, context, response}: Dolly's. */
  alpaca: {
    columns: ["instruction", "input", "output"],
    matches: (field) => isString(field("instruction")),
    read: (field) => {
      const instruction = field("instruction");
      const input = firstOf(field, "input", "context") ?? "";
      if (!isString(instruction)) return { problem: 'no instruction (no text field "instruction")' };
      if (!isString(input)) return { problem: 'field "input" is not text' };
      return pair(
        input === "" ? instruction : `${instruction}\n\n${input}`,
        firstOf(field, "output", "response"),
        "output",
      );
    },
  },
  /** {text}: plain text for language modelling. */
  text: {
    columns: ["text"],
    matches: (field) => isString(field("text")),
    read: (field) => {
      const text = field("text");
      if (!isString(text)) return { problem: 'no text (no text field "text")' };
      return text.trim() === "" ? { problem: "the text is empty" } : { text };
    },
  },
} satisfies Record<string, RowFormat>;

/** Name of a row format. */
export type RowFormatName = keyof typeof rowFormats;

/** All format names, in the order of detection. */
export const rowFormatNames = Object.keys(rowFormats) as RowFormatName[];

/** The format of a row, or undefined when its keys fit none. */
export function detectFormat(field: Field): RowFormatName | undefined {
  return rowFormatNames.find((name) => rowFormats[name].matches(field));
}
