import { UsageError } from "../errors.js";
import type { LanguageModel } from "../llm/language-model.js";
import type { ChatTemplate, SuiteContext } from "./suite.js";

/** The template that a run was trained with; undefined for any other model. */
export async function runTemplate(model: LanguageModel | undefined): Promise<ChatTemplate | undefined> {
  const { EmbeddedModel } = await import("../llm/embedded.js");
  return model instanceof EmbeddedModel ? model.generator.model.template : undefined;
}

/** How conversations become text for a model: a local one's tokenizer knows its template; a server is sent the paper's tags as plain text. */
export async function chatRendering(
  model: LanguageModel,
  template: ChatTemplate | undefined,
  eosToken?: string,
): Promise<Pick<SuiteContext, "chat" | "sendsText" | "responseText">> {
  const { responseText } = await import("./response-text.js");
  return { ...(await conversationRendering(model, template)), responseText: responseText(model, template, eosToken) };
}

async function conversationRendering(
  model: LanguageModel,
  template: ChatTemplate | undefined,
): Promise<Pick<SuiteContext, "chat" | "sendsText">> {
  if (template === undefined || template === "none") return {};
  const { EmbeddedModel } = await import("../llm/embedded.js");
  if (model instanceof EmbeddedModel) {
    const { renderPrompt } = await import("../generate/prompt.js");
    const { bosBefore } = await import("../generate/score-tokens.js");
    const { tokenizer } = model.generator;
    return {
      chat: (messages) => ({ context: renderPrompt(tokenizer, messages, template), ...bosBefore(tokenizer, template) }),
    };
  }
  if (template === "model") return {};
  const { renderTulu } = await import("../tokenizer/chat-template.js");
  return {
    sendsText: true,
    chat: (messages) => {
      if (messages.some(({ role }) => role === "assistant"))
        throw new UsageError("eval: --chat-template tulu: a server's end-of-text token is not known; use --shots 0");
      return { context: renderTulu(messages, "", { addGenerationPrompt: true }) };
    },
  };
}
