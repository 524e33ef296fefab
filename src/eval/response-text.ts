/** How an exchange becomes the two texts that are scored: what stands before a response, and the response with its end. */
import { renderTargets } from "../data/training-text.js";
import { UsageError } from "../errors.js";
import { bosBefore } from "../generate/score-tokens.js";
import { EmbeddedModel } from "../llm/embedded.js";
import type { LanguageModel } from "../llm/language-model.js";
import { type Message, renderMarked, renderTulu } from "../tokenizer/chat-template.js";
import { endTexts } from "../tokenizer/special-tokens.js";
import type { Request } from "./prompts.js";
import type { ChatTemplate } from "./suite.js";

/**
 * The last turn of `messages`, an assistant's, as a continuation of what is rendered before it. The continuation is what
 * training would learn of it: the content and the token that ends the turn, from the very character behind the opening.
 * @throws UsageError when the template refuses the turns.
 */
export type ResponseText = (messages: Message[]) => Request;

/**
 * @param template default `tulu`. A server's own template is not known here.
 * @param eosToken text of the end-of-sequence token of a server's model; without it a response ends with its content.
 */
export function responseText(
  model: LanguageModel,
  template: ChatTemplate = "tulu",
  eosToken?: string,
): ResponseText | undefined {
  if (template === "none") return undefined;
  const tokenizer = model instanceof EmbeddedModel ? model.generator.tokenizer : undefined;
  if (!tokenizer && template === "model") return undefined;
  const eos = tokenizer?.eosToken ?? eosToken ?? "";
  const bos = tokenizer ? bosBefore(tokenizer, template) : {};
  const ends = template === "tulu" ? [eos] : endTexts(tokenizer!, template);
  return (messages) => {
    const { text, targets } = renderTargets(
      messages,
      (turns, options) =>
        template === "tulu" ? { text: renderTulu(turns, eos, options) } : renderMarked(tokenizer!, turns, options),
      ends,
    );
    const last = targets.at(-1);
    if (!last) throw new UsageError("the chat template renders no response");
    // Without an end token the newline that the template puts behind a turn is no part of the response.
    const end = eos === "" && template === "tulu" ? text.length - 1 : last[1];
    return { context: text.slice(0, last[0]), continuation: text.slice(last[0], end), ...bos };
  };
}
