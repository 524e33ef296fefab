import type { MarkedText } from "../tokenizer/chat-template.js";
import type { Message } from "../tokenizer/message.js";

/** One turn of a training row. */
export interface Turn extends Message {
  /** false: an assistant turn that is shown but not learnt (a weight of 0). */
  learnt?: false;
}

/** Renders turns as text, as `renderTulu` and `renderMarked` do. */
export type Render = (messages: Turn[], options: { addGenerationPrompt: boolean }) => MarkedText;

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
export function shownTurns(messages: readonly Turn[], mode: "it" | "rt"): Turn[] {
  return messages.filter((message) => mode === "it" || message.role === "assistant");
}

/**
 * Renders turns and finds the assistant's parts.
 *
 * Where a template marks them (`{% generation %}`), its marks are taken as they are. Others do not say which characters are whose,
 * so they are asked twice. A turn's content starts where the text rendered up to the generation prompt ends; where a
 * template renders earlier turns otherwise once later ones follow (or refuses to render none), it starts where the text
 * first changes when the turn's content does. It ends with the first of `ends` (texts of the tokens that end a turn) behind
 * the content, and in any case before the next turn. A template without one: the whole remainder of the turn is learnt, so that
 * a stop is learnt at all.
 */
export function renderTargets(
  messages: Turn[],
  render: Render,
  ends: readonly string[],
  options: { countNewlineAfterEos?: boolean } = {},
): TrainingText {
  const { text, generated } = render(messages, { addGenerationPrompt: false });
  const changed = (i: number): Range => changedRange(text, messages, i, render);
  if (generated) {
    const hidden = messages.flatMap(({ role, learnt }, i) =>
      role === "assistant" && learnt === false ? [changed(i)] : [],
    );
    const overlaps = ([start, end]: [number, number]): boolean => hidden.some((h) => h.start < end && start < h.end);
    return { text, targets: generated.filter((range) => range[1] > range[0] && !overlaps(range)) };
  }
  const targets: [number, number][] = [];
  for (const [i, message] of messages.entries()) {
    if (message.role !== "assistant" || message.learnt === false) continue;
    const content = changed(i);
    const prompt = openedTurn(messages.slice(0, i), render);
    const start =
      prompt !== undefined && prompt.length <= content.start && text.startsWith(prompt) ? prompt.length : content.start;
    let end = turnEnd(text, content.end, ends, messages, i, render);
    if (options.countNewlineAfterEos && text[end] === "\n") end++;
    if (end > start) targets.push([start, end]);
  }
  return { text, targets };
}

interface Range {
  start: number;
  end: number;
}

/** The text in front of an answer to these turns, as generation gives it; undefined where the template has none for them. */
function openedTurn(turns: Turn[], render: Render): string | undefined {
  const prompt = attempt(() => render(turns, { addGenerationPrompt: true }).text);
  if (prompt !== "") return prompt;
  // Some templates write nothing at all without a turn, not even the opening that they have for others.
  const question: Turn[] = [{ role: "user", content: "a" }];
  const [opened, bare] = [true, false].map((addGenerationPrompt) =>
    attempt(() => render(question, { addGenerationPrompt }).text),
  );
  return opened === bare ? prompt : undefined;
}

/** Where the rendered text changes when turn `i` gets another content. */
function changedRange(text: string, messages: Turn[], i: number, render: Render): Range {
  const content = messages[i]!.content;
  // A private-use character that the content neither starts nor ends with, so that nothing matches by chance.
  const mark = ["\ue000", "\ue001", "\ue002"].find(
    (c) => !content.trim().startsWith(c) && !content.trim().endsWith(c),
  )!;
  const other = render(messages.with(i, { ...messages[i]!, content: mark }), { addGenerationPrompt: false }).text;
  const limit = Math.min(text.length, other.length);
  let start = 0;
  while (start < limit && text[start] === other[start]) start++;
  let tail = 0;
  while (tail < limit - start && text[text.length - 1 - tail] === other[other.length - 1 - tail]) tail++;
  return { start, end: text.length - tail };
}

/**
 * Where assistant turn `i` ends, its content ending at `from`: behind the first end token, if that stands before the next
 * turn's content; else where the text rendered up to this turn ends; else with the content.
 */
function turnEnd(
  text: string,
  from: number,
  ends: readonly string[],
  messages: Turn[],
  i: number,
  render: Render,
): number {
  let end = text.length + 1;
  for (const token of ends) {
    const at = token === "" ? -1 : text.indexOf(token, from);
    if (at >= 0) end = Math.min(end, at + token.length);
  }
  if (end <= text.length && !passesNextTurn(text, from, end, messages, i, render)) return end;
  if (i + 1 === messages.length) return text.length;
  const upTo = attempt(() => render(messages.slice(0, i + 1), { addGenerationPrompt: false }).text);
  return upTo !== undefined && upTo.length >= from && text.startsWith(upTo) ? upTo.length : from;
}

/** Whether the content of a turn behind turn `i` stands between `from` and `end`. */
function passesNextTurn(text: string, from: number, end: number, messages: Turn[], i: number, render: Render): boolean {
  for (let next = i + 1; next < messages.length; next++) {
    // Only a content that is found there needs a closer look.
    if (!text.slice(from, end).includes(messages[next]!.content.trim())) continue;
    const { start } = changedRange(text, messages, next, render);
    if (start >= from && start < end) return true;
  }
  return false;
}

/** Templates may refuse a list of turns (none, or not starting with the user); that is no error here. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
