/** Ollama's Modelfile: which weights, how a conversation becomes text, and what ends an answer. */
import { UsageError } from "../../errors.js";
import type { Role, TurnTexts } from "./turns.js";

export interface Modelfile {
  /** File or model name of the weights. */
  from: string;
  /** GGUF LoRA file laid over them. */
  adapter?: string;
  turns: TurnTexts;
  /** Texts that end an answer. */
  stops: readonly string[];
  contextLength: number;
}

export function modelfile({ from, adapter, turns, stops, contextLength }: Modelfile): string {
  const lines = [`FROM ${from}`];
  if (adapter !== undefined) lines.push(`ADAPTER ${adapter}`);
  lines.push(`TEMPLATE """${goTemplate(turns)}"""`);
  for (const stop of stops) lines.push(`PARAMETER stop ${quoted(stop)}`);
  lines.push(`PARAMETER num_ctx ${contextLength}`);
  return `${lines.join("\n")}\n`;
}

/**
 * The same texts in the language of Go's text/template, with the fields that Ollama gives (github.com/ollama/ollama,
 * docs/template.md). No trimming marks: every character between actions is written.
 */
export function goTemplate(turns: TurnTexts): string {
  const turn = (role: Role): string => `${literal(turns.before[role])}{{ .Content }}${literal(turns.after[role])}`;
  const system =
    turns.before.system || turns.after.system ? `{{ if eq .Role "system" }}${turn("system")}{{ end }}` : "";
  const first = turns.defaultSystem
    ? `{{ if .Messages }}{{ if ne (index .Messages 0).Role "system" }}${literal(turns.defaultSystem)}{{ end }}{{ end }}`
    : "";
  const text =
    `${literal(turns.start)}${first}{{ range .Messages }}${system}` +
    `{{ if eq .Role "user" }}${turn("user")}{{ end }}` +
    `{{ if eq .Role "assistant" }}${turn("assistant")}{{ end }}{{ end }}${literal(turns.generation)}`;
  if (text.includes('"""')) throw new UsageError('the chat template writes """, which a Modelfile cannot hold');
  return text;
}

/** Two braces begin an action, also where the second is that of the action behind the text; they are written by one. */
const literal = (text: string): string => text.replaceAll(/\{(?=\{|$)/g, (braces) => `{{ "${braces}" }}`);

/** Ollama reads the quotes away and no escapes but these. */
function quoted(stop: string): string {
  if (/["\n]/.test(stop)) throw new UsageError(`the stop ${JSON.stringify(stop)} cannot be written to a Modelfile`);
  return `"${stop}"`;
}
