/** The chat: columns of models, each with a conversation of its own, asked together. */
import { signal } from "@preact/signals";
import type { ChatEvent, ChatMessage, ChatTemplate, TokenChance } from "../../src/serve/studio/wire.js";
import { stream } from "./api.js";

export interface WrittenToken extends TokenChance {
  id: number;
  top: TokenChance[];
}

export interface Turn {
  question: string;
  state: "waiting" | "loading" | "writing" | "done" | "stopped" | "failed";
  answer: string;
  tokens: WrittenToken[];
  prompt?: { text: string; tokens: number; template: string };
  end?: { finishReason: "stop" | "length"; outputTokens: number; seconds: number };
  error?: string;
}

export interface Column {
  key: number;
  model: string;
  template: ChatTemplate;
  turns: readonly Turn[];
}

export interface Sampling {
  maxTokens: number;
  temperature: number;
  topP: number;
  seed: number;
  system: string;
}

export const columns = signal<readonly Column[]>([]);
export const sampling = signal<Sampling>({ maxTokens: 128, temperature: 0, topP: 1, seed: 0, system: "" });
export const asking = signal(false);
export const MOST_COLUMNS = 4;

let keys = 0;
let current: AbortController | undefined;

export function addColumn(model: string): void {
  if (columns.value.length < MOST_COLUMNS)
    columns.value = [...columns.value, { key: keys++, model, template: "auto", turns: [] }];
}

export function removeColumn(key: number): void {
  columns.value = columns.value.filter((column) => column.key !== key);
}

/** Another model or template begins a conversation of its own. */
export function changeColumn(key: number, change: Partial<Pick<Column, "model" | "template">>): void {
  columns.value = columns.value.map((column) => (column.key === key ? { ...column, ...change, turns: [] } : column));
}

export function clear(): void {
  stop();
  columns.value = columns.value.map((column) => ({ ...column, turns: [] }));
}

export function stop(): void {
  current?.abort();
}

/** Asks all columns; ends when all have answered. */
export async function ask(question: string): Promise<void> {
  const { system, ...settings } = sampling.value;
  const keysAsked = columns.value.map(({ key }) => key);
  const request = {
    ...settings,
    columns: columns.value.map(({ model, template, turns }) => ({
      model,
      template,
      messages: conversation(system, turns, question),
    })),
  };
  columns.value = columns.value.map((column) => ({
    ...column,
    turns: [...column.turns, { question, state: "waiting", answer: "", tokens: [] }],
  }));
  const controller = new AbortController();
  current = controller;
  asking.value = true;
  const change = (key: number, by: (turn: Turn) => Turn): void => {
    columns.value = columns.value.map((column) => {
      const last = column.turns.at(-1);
      if (column.key !== key || !last) return column;
      return { ...column, turns: [...column.turns.slice(0, -1), by(last)] };
    });
  };
  const open = (turn: Turn): boolean => ["waiting", "loading", "writing"].includes(turn.state);
  try {
    await stream<ChatEvent>("/api/chat", {
      body: request,
      abort: controller.signal,
      onEvent: (event) => change(keysAsked[event.column]!, (turn) => after(turn, event)),
    });
    for (const key of keysAsked)
      change(key, (turn) => (open(turn) ? { ...turn, state: "failed", error: "the connection broke off" } : turn));
  } catch (error) {
    const stopped = controller.signal.aborted;
    for (const key of keysAsked)
      change(key, (turn) => {
        if (!open(turn)) return turn;
        return stopped ? { ...turn, state: "stopped" } : { ...turn, state: "failed", error: (error as Error).message };
      });
  } finally {
    asking.value = false;
  }
}

function after(turn: Turn, event: ChatEvent): Turn {
  switch (event.type) {
    case "loading":
      return { ...turn, state: "loading" };
    case "prompt":
      return {
        ...turn,
        state: "writing",
        prompt: { text: event.text, tokens: event.tokens, template: event.template },
      };
    case "token": {
      const token = { token: event.piece, id: event.id, logprob: event.logprob, top: event.top };
      return { ...turn, answer: turn.answer + event.piece, tokens: [...turn.tokens, token] };
    }
    case "end": {
      const { text: answer, finishReason, outputTokens, seconds } = event;
      return { ...turn, state: "done", answer, end: { finishReason, outputTokens, seconds } };
    }
    case "error":
      return { ...turn, state: "failed", error: event.message };
  }
}

/** What was said so far; failed turns are left out, as nothing came of them. */
function conversation(system: string, turns: readonly Turn[], question: string): ChatMessage[] {
  const said = turns
    .filter(({ state }) => state !== "failed")
    .flatMap((turn): ChatMessage[] => [
      { role: "user", content: turn.question },
      { role: "assistant", content: turn.answer },
    ]);
  return [
    ...(system.trim() === "" ? [] : [{ role: "system" as const, content: system }]),
    ...said,
    { role: "user", content: question },
  ];
}
