import type { TemplateInput } from "../tokenizer/message.js";
import type { Turn } from "./training-text.js";
import { checkTurns, contentText, objectTurns, type Turns } from "./turns.js";

/**
 * The row schemas of instruction data found in the wild, each as one small declaration: how to tell it, and how a row
 * becomes turns. A row that cannot be used gives a reason in words instead.
 */

/** What a row holds: turns, or plain text for language modelling; or why it cannot be used. */
export type RowContent = ({ messages: Turn[] } & TemplateInput) | { text: string } | { problem: string };

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
function pair(prompt: string | undefined, response: unknown, output: string): Turns {
  if (response === undefined) return { problem: `no response (no field "${output}")` };
  if (!isString(response)) return { problem: `the response (field "${output}") is not text` };
  if (response.trim() === "") return { problem: `no response (field "${output}" is empty)` };
  const answer: Turn = { role: "assistant", content: response };
  return { messages: prompt === undefined ? [answer] : [{ role: "user", content: prompt }, answer] };
}

/** Fields of a whole row that no format has a use for, but which would change what is learnt. */
const REFUSED = ["functions", "documents", "images"];

/** Adds what a row says beside its turns: a system prompt, tools, variables of the template. */
function conversation(field: Field, turns: Turns): RowContent {
  if ("problem" in turns) return turns;
  const refused = REFUSED.find((name) => {
    const value = field(name);
    return value !== undefined && !(Array.isArray(value) && value.length === 0);
  });
  if (refused) return { problem: `the field "${refused}" cannot be honoured` };
  const system = systemTurn(field("system"), turns.messages);
  if (!Array.isArray(system)) return system;
  const tools = readTools(field("tools"));
  if (tools && "problem" in tools) return tools;
  const variables = field("chat_template_kwargs");
  if (variables !== undefined && (typeof variables !== "object" || Array.isArray(variables)))
    return { problem: 'field "chat_template_kwargs" is not an object' };
  return {
    messages: [...system, ...turns.messages],
    ...(tools ? { tools: tools.list } : {}),
    ...(variables ? { variables: variables as Record<string, unknown> } : {}),
  };
}

function systemTurn(system: unknown, messages: readonly Turn[]): Turn[] | { problem: string } {
  if (system === undefined || system === "") return [];
  const content = contentText(system);
  if (content === undefined) return { problem: 'field "system" is not text' };
  if (messages[0]?.role === "system" || messages[0]?.role === "developer")
    return { problem: 'the row has a field "system" and a system turn; which one is meant?' };
  return [{ role: "system", content }];
}

/** A list, or its JSON as text, as tables without nested columns hold it. */
function readTools(tools: unknown): { list: unknown[] } | { problem: string } | undefined {
  if (tools === undefined || tools === "") return undefined;
  let list = tools;
  if (isString(tools)) {
    try {
      list = JSON.parse(tools);
    } catch {
      return { problem: 'field "tools" is not a list, nor the JSON of one' };
    }
  }
  if (!Array.isArray(list)) return { problem: 'field "tools" is not a list' };
  return list.length ? { list } : undefined;
}

const BESIDE_TURNS = ["system", "tools", "chat_template_kwargs"] as const;

/** In the order in which auto-detection tries them. */
export const rowFormats = {
  /** {messages: [{role, content}, …]}: OpenAI's and TRL's. */
  messages: {
    columns: ["messages", ...BESIDE_TURNS],
    matches: (field) => Array.isArray(field("messages")),
    read: (field) => {
      const list = field("messages");
      if (!Array.isArray(list)) return { problem: 'no list "messages"' };
      return conversation(field, checkTurns(objectTurns(list, "role", "content")));
    },
  },
  /** {conversations: [{from, value}, …]}: ShareGPT's; {conversations: ["…", "…"]}: LIMA's, user first. */
  sharegpt: {
    columns: ["conversations", ...BESIDE_TURNS],
    matches: (field) => Array.isArray(field("conversations")),
    read: (field) => {
      const list = field("conversations");
      if (!Array.isArray(list)) return { problem: 'no list "conversations"' };
      const turns: Turns =
        list.length === 0 || !list.every(isString)
          ? objectTurns(list, "from", "value")
          : { messages: list.map((content, i) => ({ role: i % 2 ? "assistant" : "user", content })) };
      return conversation(field, checkTurns(turns));
    },
  },
  /**
   * {prompt, completion}: the paper's prepared rows. Without a prompt the row serves response tuning only. Both may be lists of
   * turns (TRL's conversational form); then only the completion's are learnt.
   */
  "prompt-completion": {
    columns: ["prompt", "completion", ...BESIDE_TURNS],
    matches: (field) => {
      const completion = firstOf(field, "completion", "response");
      return (isString(completion) || Array.isArray(completion)) && field("instruction") === undefined;
    },
    read: (field) => {
      const [prompt, completion] = [field("prompt"), firstOf(field, "completion", "response")];
      if (Array.isArray(completion)) return conversation(field, twoLists(prompt ?? [], completion));
      if (prompt !== undefined && !isString(prompt)) return { problem: 'field "prompt" is not text' };
      return conversation(field, pair(prompt, completion, "completion"));
    },
  },
  /** {instruction, input, output}: Alpaca's, with LLaMA-Factory's system and history; {instruction, context, response}: Dolly's. */
  alpaca: {
    columns: ["instruction", "input", "output", "history", ...BESIDE_TURNS],
    matches: (field) => isString(field("instruction")),
    read: (field) => {
      const instruction = field("instruction");
      const input = firstOf(field, "input", "context") ?? "";
      if (!isString(instruction)) return { problem: 'no instruction (no text field "instruction")' };
      if (!isString(input)) return { problem: 'field "input" is not text' };
      const last = pair(
        input === "" ? instruction : `${instruction}\n\n${input}`,
        firstOf(field, "output", "response"),
        "output",
      );
      const earlier = readHistory(field("history") ?? []);
      if ("problem" in last || "problem" in earlier) return "problem" in last ? last : (earlier as { problem: string });
      return conversation(field, checkTurns({ messages: [...earlier.messages, ...last.messages] }));
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

/** TRL's conversational prompt and completion: turns of the prompt are shown, those of the completion learnt. */
function twoLists(prompt: unknown, completion: unknown[]): Turns {
  if (!Array.isArray(prompt)) return { problem: 'field "prompt" is not a list of turns, as "completion" is' };
  const [shown, learnt] = [objectTurns(prompt, "role", "content"), objectTurns(completion, "role", "content")];
  if ("problem" in shown) return { problem: `prompt: ${shown.problem}` };
  if ("problem" in learnt) return { problem: `completion: ${learnt.problem}` };
  const before = shown.messages.map(
    (turn): Turn => (turn.role === "assistant" ? { ...turn, learnt: false as const } : turn),
  );
  return checkTurns({ messages: [...before, ...learnt.messages] });
}

/** Alpaca's `history`: pairs of an instruction and its response, before this one. */
function readHistory(history: unknown): Turns {
  if (!Array.isArray(history)) return { problem: 'field "history" is not a list of pairs' };
  const messages: Turn[] = [];
  for (const [i, entry] of history.entries()) {
    if (!Array.isArray(entry) || entry.length !== 2 || !entry.every(isString))
      return { problem: `history: entry ${i + 1} is not a pair of texts` };
    messages.push({ role: "user", content: entry[0] as string }, { role: "assistant", content: entry[1] as string });
  }
  return { messages };
}

/** Name of a row format. */
export type RowFormatName = keyof typeof rowFormats;

/** All format names, in the order of detection. */
export const rowFormatNames = Object.keys(rowFormats) as RowFormatName[];

/** The format of a row, or undefined when its keys fit none. */
export function detectFormat(field: Field): RowFormatName | undefined {
  return rowFormatNames.find((name) => rowFormats[name].matches(field));
}
