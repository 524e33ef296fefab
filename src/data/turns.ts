import type { Role } from "../tokenizer/message.js";
import type { Turn } from "./training-text.js";

/** Turns of a row, or why it cannot be used. */
export type Turns = { messages: Turn[] } | { problem: string };

const ROLES: Record<string, Role> = {
  system: "system",
  developer: "developer",
  user: "user",
  human: "user",
  assistant: "assistant",
  gpt: "assistant",
  chatgpt: "assistant",
  bot: "assistant",
  model: "assistant",
  tool: "tool",
  observation: "tool",
};

/** Fields of a turn that templates know and render; they are handed on. */
const FOR_TEMPLATES = ["name", "tool_calls", "tool_call_id", "reasoning_content", "reasoning", "thinking"];
/** Fields that say something which cannot be honoured. */
const REFUSED = ["function_call", "refusal", "audio", "images", "videos"];

/** Whether a field says anything. */
function said(value: unknown): boolean {
  return value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0);
}

/** Text, or a list of text parts (`{type: "text", text}`); undefined for anything else. */
export function contentText(content: unknown): string | undefined {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return undefined;
  const parts = content.map((part) => {
    const { type, text } = (part ?? {}) as { type?: unknown; text?: unknown };
    return type === "text" && typeof text === "string" ? text : undefined;
  });
  return parts.every((part) => part !== undefined) ? parts.join("") : undefined;
}

/** Why a content is not usable. */
function contentProblem(content: unknown, key: string): string {
  if (!Array.isArray(content)) return `"${key}" is not text`;
  const other = content.find((part) => contentText([part]) === undefined);
  const type = (other as { type?: unknown } | null | undefined)?.type;
  return `"${key}" holds a part of type ${JSON.stringify(type) ?? "unknown"}; only text can be trained on`;
}

/** Turns from a list of objects with a role and a content under the given keys (OpenAI's `role`/`content`, ShareGPT's `from`/`value`). */
export function objectTurns(list: readonly unknown[], roleKey: string, contentKey: string): Turns {
  const messages: Turn[] = [];
  for (const [i, item] of list.entries()) {
    if (typeof item !== "object" || item === null) return { problem: `turn ${i + 1} is not an object` };
    const turn = readTurn(item as Record<string, unknown>, roleKey, contentKey);
    if (typeof turn === "string") return { problem: `turn ${i + 1}: ${turn}` };
    messages.push(turn);
  }
  return { messages };
}

/** One turn, or what is wrong with it. */
function readTurn(item: Record<string, unknown>, roleKey: string, contentKey: string): Turn | string {
  const { [roleKey]: name, [contentKey]: content } = item;
  const role = typeof name === "string" && Object.hasOwn(ROLES, name) ? ROLES[name]! : undefined;
  if (!role) {
    return `${roleKey} ${JSON.stringify(name) ?? "missing"} is not user, assistant, system, developer or tool`;
  }
  const refused = REFUSED.find((field) => said(item[field]));
  if (refused) return `the field "${refused}" cannot be honoured; remove it or write it as tool_calls or text`;
  const fields = Object.fromEntries(
    FOR_TEMPLATES.filter((field) => said(item[field])).map((field) => [field, item[field]]),
  );
  // An assistant that only calls a tool says nothing.
  const text = content === null && role === "assistant" && fields.tool_calls ? "" : contentText(content);
  if (text === undefined) return contentProblem(content, contentKey);
  const learnt = readLearnt(item, role);
  if (typeof learnt === "string") return learnt;
  return {
    role,
    content: text,
    ...(Object.keys(fields).length ? { fields } : {}),
    ...(learnt || role !== "assistant" ? {} : { learnt: false as const }),
  };
}

/** OpenAI's `weight` (0 or 1), ShareGPT's `train` and ms-swift's `loss` (booleans): whether an assistant's turn is learnt. */
function readLearnt(item: Record<string, unknown>, role: Role): boolean | string {
  let learnt = true;
  for (const field of ["weight", "train", "loss"]) {
    const value = item[field];
    if (value === undefined || value === null) continue;
    const yes = value === true || value === 1;
    if (!yes && value !== false && value !== 0)
      return `"${field}" is ${JSON.stringify(value)}; 0 and 1 (or false and true) can be honoured`;
    if (yes && role !== "assistant" && field !== "weight")
      return `"${field}" asks to learn a ${role} turn; only assistant turns are learnt`;
    learnt &&= yes;
  }
  return learnt;
}

/** Checks turns; what follows the last learnt turn cannot be learnt from and is dropped. */
export function checkTurns(turns: Turns): Turns {
  if ("problem" in turns) return turns;
  const { messages } = turns;
  if (!messages.some(({ role }) => role === "assistant")) return { problem: "no response (no assistant turn)" };
  const last = messages.findLastIndex(({ role, learnt }) => role === "assistant" && learnt !== false);
  if (last < 0) return { problem: "no response to learn (every assistant turn has weight 0)" };
  const kept = messages.slice(0, last + 1);
  const empty = kept.findIndex(
    ({ role, content, fields, learnt }) =>
      role === "assistant" && learnt !== false && content.trim() === "" && !fields?.tool_calls,
  );
  if (empty >= 0) return { problem: `no response (turn ${empty + 1} is empty)` };
  return { messages: kept };
}
