import type { Message } from "../tokenizer/chat-template.js";

/** Renders turns as text, as `renderTulu` and `renderModelTemplate` do. */
export type Render = (messages: Message[], options: { addGenerationPrompt: boolean }) => string;

/** A training text and the parts of it that are to be learnt: character ranges [start, end) in order. */
export interface TrainingText {
  text: string;
  targets: [start: number, end: number][];
}

/**
 * Where Instruction Tuning and Response Tuning differ (arXiv 2410.02465, section 2): IT shows the model the whole
 * conversation, RT only the assistant's turns, without any instruction. The loss is the same for both: the content of
 * each assistant turn and the token that ends it.
 */
export function shownTurns(messages: readonly Message[], mode: "it" | "rt"): Message[] {
  return messages.filter((message) => mode === "it" || message.role === "assistant");
}

/**
 * Renders turns and finds the assistant's parts.
 *
 * Templates do not say which characters are whose, so they are asked twice. A turn's content starts where the text
 * rendered up to the generation prompt ends; where a template renders earlier turns otherwise once later ones follow
 * (or refuses to render none), it starts where the text first changes when the turn's content does. It ends with the
 * first of `ends` (texts of the tokens that end generation) behind the content. A template without one: the whole
 * remainder of the turn is learnt, so that a stop is learnt at all.
 */
export function renderTargets(
  messages: Message[],
  render: Render,
  ends: readonly string[],
  options: { countNewlineAfterEos?: boolean } = {},
): TrainingText {
  const text = render(messages, { addGenerationPrompt: false });
  const targets: [number, number][] = [];
  for (const [i, message] of messages.entries()) {
    if (message.role !== "assistant") continue;
    const changed = changedRange(text, messages, i, render);
    const prompt = attempt(() => render(messages.slice(0, i), { addGenerationPrompt: true }));
    const start =
      prompt !== undefined && prompt.length <= changed.start && text.startsWith(prompt) ? prompt.length : changed.start;
    let end = firstEnd(
      text,
      changed.end,
      ends,
      i + 1 < messages.length ? nextTurn(text, messages, i, render) : text.length,
    );
    if (options.countNewlineAfterEos && text[end] === "\n") end++;
    if (end > start) targets.push([start, end]);
  }
  return { text, targets };
}

/** Where the rendered text changes when turn `i` gets another content. */
function changedRange(text: string, messages: Message[], i: number, render: Render): { start: number; end: number } {
  const content = messages[i]!.content;
  // A private-use character that the content neither starts nor ends with, so that nothing matches by chance.
  const mark = ["\ue000", "\ue001", "\ue002"].find(
    (c) => !content.trim().startsWith(c) && !content.trim().endsWith(c),
  )!;
  const other = render(messages.with(i, { role: "assistant", content: mark }), { addGenerationPrompt: false });
  const limit = Math.min(text.length, other.length);
  let start = 0;
  while (start < limit && text[start] === other[start]) start++;
  let tail = 0;
  while (tail < limit - start && text[text.length - 1 - tail] === other[other.length - 1 - tail]) tail++;
  return { start, end: text.length - tail };
}

/** Where the turn behind turn `i` starts, as far as the template lets one tell; else the end of the text. */
function nextTurn(text: string, messages: Message[], i: number, render: Render): number {
  const upTo = attempt(() => render(messages.slice(0, i + 1), { addGenerationPrompt: false }));
  return upTo !== undefined && text.startsWith(upTo) ? upTo.length : text.length;
}

function firstEnd(text: string, from: number, ends: readonly string[], limit: number): number {
  let best: number | undefined;
  for (const end of ends) {
    const at = end === "" ? -1 : text.indexOf(end, from);
    if (at >= 0 && at + end.length <= limit && (best === undefined || at + end.length < best)) best = at + end.length;
  }
  return best ?? limit;
}

/** Templates may refuse a list of turns (none, or not starting with the user); that is no error here. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
