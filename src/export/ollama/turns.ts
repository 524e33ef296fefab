/**
 * A chat template as the texts around its turns, found by rendering conversations: what Ollama's templates can say. A
 * template that writes something else (another text for the first turn, thoughts taken out, tools) does not fit, and is
 * told apart by rendering more conversations both ways.
 */
import type { Message } from "../../tokenizer/message.js";

export interface TurnTexts {
  /** Before everything. */
  start: string;
  /** In place of a system turn where a conversation has none. */
  defaultSystem: string;
  before: Record<Role, string>;
  after: Record<Role, string>;
  /** Opens the answer. */
  generation: string;
}

export type Role = "system" | "user" | "assistant";
export type Render = (messages: readonly Message[], addGenerationPrompt: boolean) => string;

const U = "\u{e000}user\u{e001}";
const A = "\u{e000}answer\u{e001}";
const S = "\u{e000}system\u{e001}";
const user: Message = { role: "user", content: U };
const assistant: Message = { role: "assistant", content: A };
const system: Message = { role: "system", content: S };

/** The conversations that both forms are compared on; the last turns are the user's, as when an answer is wanted. */
export const CONVERSATIONS: readonly (readonly Message[])[] = [
  [{ role: "user", content: "Name a colour." }],
  [
    { role: "user", content: "Hello" },
    { role: "assistant", content: "Hello! How can I help?" },
    { role: "user", content: "Tell me a joke." },
  ],
  [
    { role: "system", content: "Answer in one word." },
    { role: "user", content: "What is the capital of France?" },
  ],
  [
    { role: "system", content: "You are kind." },
    { role: "user", content: "a\nb" },
    { role: "assistant", content: "1. one\n2. two" },
    { role: "user", content: 'Quote "this" and {{ that }}.' },
  ],
  [
    { role: "user", content: "Grüße, 世界 🌍" },
    { role: "assistant", content: "Ok." },
    { role: "user", content: "And?" },
    { role: "assistant", content: "That is all." },
    { role: "user", content: "Thanks" },
  ],
];

/** @returns undefined where the template cannot be said as texts around turns. */
export function turnTexts(render: Render): TurnTexts | undefined {
  try {
    const texts = probe(render);
    if (!texts) return undefined;
    const same = CONVERSATIONS.every((messages) => {
      const expected = renderedOr(render, messages);
      return expected === undefined || renderTurns(texts, messages) === expected;
    });
    return same ? texts : undefined;
  } catch {
    return undefined;
  }
}

/** A template may refuse system turns: then there is nothing to compare. */
function renderedOr(render: Render, messages: readonly Message[]): string | undefined {
  try {
    return render(messages, true);
  } catch (error) {
    if (messages[0]!.role === "system") return undefined;
    throw error;
  }
}

function probe(render: Render): TurnTexts | undefined {
  const one = render([user], false);
  const [first, afterUser] = cut(one, U);
  const prompted = render([user], true);
  if (!prompted.startsWith(one)) return undefined;
  const three = render([user, assistant, user], false);
  const between = cut(three, U)[1];
  const [afterFirst, rest] = cut(between, A);
  if (!afterFirst.startsWith(afterUser)) return undefined;
  const [second] = cut(rest, U);
  const afterAssistant = cut(render([user, assistant], false), A)[1];
  if (!second.startsWith(afterAssistant)) return undefined;
  const beforeUser = second.slice(afterAssistant.length);
  if (!first.endsWith(beforeUser)) return undefined;
  const opening = first.slice(0, first.length - beforeUser.length);
  const texts: TurnTexts = {
    start: "",
    defaultSystem: opening,
    before: { system: "", user: beforeUser, assistant: afterFirst.slice(afterUser.length) },
    after: { system: "", user: afterUser, assistant: afterAssistant },
    generation: prompted.slice(one.length),
  };
  return withSystem(texts, render, opening);
}

function withSystem(texts: TurnTexts, render: Render, opening: string): TurnTexts {
  let told: string;
  try {
    told = render([system, user], false);
  } catch {
    // The template refuses system turns. Ollama does not: their text is left out.
    return { ...texts, start: opening, defaultSystem: "" };
  }
  if (!told.includes(S)) return { ...texts, start: opening, defaultSystem: "" };
  const [before, after] = cut(told, S);
  const [inner] = cut(after, U);
  // What every conversation begins with.
  let shared = 0;
  while (shared < opening.length && opening[shared] === before[shared]) shared++;
  const start = opening.length === shared ? opening : "";
  return {
    ...texts,
    start,
    defaultSystem: start === opening ? "" : opening,
    before: { ...texts.before, system: before.slice(start.length) },
    after: {
      ...texts.after,
      system: inner.endsWith(texts.before.user) ? inner.slice(0, inner.length - texts.before.user.length) : inner,
    },
  };
}

function cut(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  if (at < 0) throw new Error("the template leaves a turn out");
  return [text.slice(0, at), text.slice(at + mark.length)];
}

/** A conversation as these texts say it, with the opening of an answer. */
export function renderTurns(texts: TurnTexts, messages: readonly Message[]): string {
  let text = texts.start + (messages[0]?.role === "system" ? "" : texts.defaultSystem);
  for (const { role, content } of messages) {
    const known = role as Role;
    if (known === "system" && !texts.before.system && !texts.after.system) continue;
    text += (texts.before[known] ?? "") + content + (texts.after[known] ?? "");
  }
  return text + texts.generation;
}
