import { Template } from "@huggingface/jinja";
import { UsageError } from "../errors.js";
import type { Tokenizer } from "./tokenizer.js";

export interface Message {
  role: "system" | "user" | "assistant";
  content: string;
}

export interface TemplateOptions {
  /** Ends with the opening of an assistant turn. Default false. */
  addGenerationPrompt?: boolean;
}

const compiled = new Map<string, Template>();

/**
 * Renders a conversation with the model's own chat template. BOS is part of the text where the template writes it, so encode the
 * result with `addSpecialTokens: false`.
 *
 * @throws UsageError when the model has no template or the template refuses the conversation.
 */
export function renderModelTemplate(tokenizer: Tokenizer, messages: Message[], options: TemplateOptions = {}): string {
  const source = tokenizer.chatTemplate;
  if (source === undefined) throw new UsageError('the model has no chat template; use template "tulu"');
  let template = compiled.get(source);
  try {
    if (!template) compiled.set(source, (template = new Template(source)));
    return template.render({
      messages,
      add_generation_prompt: options.addGenerationPrompt ?? false,
      bos_token: tokenizer.bosToken ?? "",
      eos_token: tokenizer.eosToken ?? "",
    });
  } catch (error) {
    throw new UsageError(`the model's chat template refuses the conversation: ${(error as Error).message}`);
  }
}

/**
 * Renders the template of the Response Tuning paper: a user turn is `<|user|>\n…\n`, an assistant turn `<|assistant|>\n…{eos}\n`;
 * the tags are ordinary text. System turns are dropped.
 */
export function renderTulu(messages: Message[], eos: string, options: TemplateOptions = {}): string {
  let text = "";
  for (const { role, content } of messages) {
    if (role === "user") text += `<|user|>\n${content}\n`;
    else if (role === "assistant") text += `<|assistant|>\n${content}${eos}\n`;
  }
  return options.addGenerationPrompt ? `${text}<|assistant|>\n` : text;
}
