/** Turns a request into the token ids that the model reads. */
import { UsageError } from "../errors.js";
import { type Message, renderModelTemplate, renderTulu } from "../tokenizer/chat-template.js";
import type { TemplateInput } from "../tokenizer/message.js";
import { type ChatTemplateName, tokensBeforeRendered } from "../tokenizer/special-tokens.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";

/**
 * How a conversation becomes text: the Response Tuning paper's tags, the model's own chat template, or (`none`) the
 * contents alone, joined by newlines.
 */
export type PromptTemplate = ChatTemplateName | "none";

export const PROMPT_TEMPLATES: readonly PromptTemplate[] = ["tulu", "model", "none"];

/** The text that the model continues. */
export function renderPrompt(
  tokenizer: Tokenizer,
  messages: readonly Message[],
  template: PromptTemplate,
  input: TemplateInput = {},
): string {
  if (messages.length === 0) throw new UsageError("a conversation needs at least one message");
  if (template === "none") return messages.map(({ content }) => content).join("\n");
  if (template === "tulu") return renderTulu(messages, tokenizer.eosToken ?? "", { addGenerationPrompt: true });
  return renderModelTemplate(tokenizer, messages, { ...input, addGenerationPrompt: true });
}

/** Ids of a text; a long one lets the event loop have its turns meanwhile. */
export async function encodeInTurns(tokenizer: Tokenizer, text: string, addSpecialTokens: boolean): Promise<number[]> {
  return tokenizer.encodeInTurns?.(text, { addSpecialTokens }) ?? tokenizer.encode(text, { addSpecialTokens });
}

/** Ids of a prompt. Text that begins with the BOS token is not given a second one, and nothing is put behind it. */
export function encodePrompt(tokenizer: Tokenizer, text: string): Promise<number[]> {
  return encodeText(tokenizer, text, "none");
}

/** Ids of a conversation: those that training gave the model for it, up to where its answer begins. */
export async function encodeMessages(
  tokenizer: Tokenizer,
  messages: readonly Message[],
  template: PromptTemplate,
  input: TemplateInput = {},
): Promise<{ text: string; tokens: number[] }> {
  const text = renderPrompt(tokenizer, messages, template, input);
  return { text, tokens: await encodeText(tokenizer, text, template) };
}

async function encodeText(tokenizer: Tokenizer, text: string, template: PromptTemplate): Promise<number[]> {
  return [...tokensBeforeRendered(tokenizer, text, template), ...(await encodeInTurns(tokenizer, text, false))];
}

/**
 * Ids of the user's last turn as they stand in a prompt; where none is marked, of all of it.
 * @param prompt the text that the model reads.
 * @param content the turn; default what stands between the tags of the Tulu template.
 */
export function userTokens(tokenizer: Tokenizer, prompt: string, content = tuluUser(prompt)): number[] {
  const at = content === undefined ? -1 : prompt.lastIndexOf(content);
  if (content === undefined || at < 0) return tokenizer.encode(prompt, { addSpecialTokens: false });
  const encode = (end: number): number[] => tokenizer.encode(prompt.slice(0, end), { addSpecialTokens: false });
  const before = encode(at);
  const through = encode(at + content.length);
  let common = 0;
  while (common < before.length && before[common] === through[common]) common++;
  return through.slice(common);
}

function tuluUser(prompt: string): string | undefined {
  const turns = [...prompt.matchAll(/<\|user\|>\n([\s\S]*?)\n<\|assistant\|>/g)];
  return turns.at(-1)?.[1];
}
