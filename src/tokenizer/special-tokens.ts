/** Which tokens stand before a text, and which end a turn. */
import { UsageError } from "../errors.js";
import { type Message, renderModelTemplate } from "./chat-template.js";
import type { Tokenizer } from "./tokenizer.js";

/** How conversations become text where the text is trained on: the paper's tags, or the model's own chat template. */
export type ChatTemplateName = "tulu" | "model";

const prefixes = new WeakMap<Tokenizer, number[]>();

/** What the tokenizer puts before any text, BOS as a rule. What it may put behind one (EOS) has no place in a prompt. */
export function tokensBefore(tokenizer: Tokenizer): number[] {
  let found = prefixes.get(tokenizer);
  if (!found) {
    const plain = tokenizer.encode("a", { addSpecialTokens: false });
    const whole = tokenizer.encode("a");
    let length = 0;
    while (length < whole.length && !plain.every((id, i) => whole[length + i] === id)) length++;
    found = whole.slice(0, length === whole.length ? 0 : length);
    prefixes.set(tokenizer, found);
  }
  return found;
}

/**
 * What stands before a rendered conversation, in training and in generation. A model's own template writes every special token
 * itself, so nothing is added (as transformers does it); the paper's tags, like any text, get what the tokenizer adds, but not a
 * second BOS.
 */
export function tokensBeforeRendered(
  tokenizer: Tokenizer,
  text: string,
  template: ChatTemplateName | "none",
): number[] {
  const { bosToken } = tokenizer;
  return template === "model" || (bosToken && text.startsWith(bosToken)) ? [] : tokensBefore(tokenizer);
}

/** Ids of a rendered conversation; of any text with `none`. Nothing is put behind it. */
export function encodeRendered(tokenizer: Tokenizer, text: string, template: ChatTemplateName | "none"): number[] {
  return [...tokensBeforeRendered(tokenizer, text, template), ...tokenizer.encode(text, { addSpecialTokens: false })];
}

/** A token that ends an assistant's turn. */
export interface TurnEnd {
  text: string;
  id: number;
}

const ends = new WeakMap<Tokenizer, Record<ChatTemplateName, TurnEnd[]>>();

/**
 * The tokens with which a template ends an assistant's turn, which need not be the model's EOS: the first token behind the
 * content that was added to the vocabulary as a whole. Empty for a template that writes none.
 */
export function turnEnds(tokenizer: Tokenizer, template: ChatTemplateName): TurnEnd[] {
  let known = ends.get(tokenizer);
  if (!known) {
    known = { tulu: eosOf(tokenizer), model: tokenizer.chatTemplate === undefined ? [] : probe(tokenizer) };
    ends.set(tokenizer, known);
  }
  return known[template];
}

/** Every id that ends an answer written with this template. */
export function stopTokens(tokenizer: Tokenizer, template: ChatTemplateName | "none"): number[] {
  const own = template === "none" ? [] : turnEnds(tokenizer, template).map(({ id }) => id);
  return [...new Set([...tokenizer.eosIds, ...own])];
}

/** Texts with which an answer ends when it was written with this template. */
export function endTexts(tokenizer: Tokenizer, template: ChatTemplateName): string[] {
  const own = turnEnds(tokenizer, template).map(({ text }) => text);
  return [...new Set([...own, ...tokenizer.eosIds.map((id) => tokenizer.idToToken(id) ?? "")])];
}

function eosOf({ eosToken, eosId }: Tokenizer): TurnEnd[] {
  return eosToken === undefined || eosId === undefined ? [] : [{ text: eosToken, id: eosId }];
}

/** Writes a conversation with a known answer, as the last turn and with another behind it, and looks at what follows the answer. */
function probe(tokenizer: Tokenizer): TurnEnd[] {
  const answer = "5e1f09";
  const question: Message = { role: "user", content: "a" };
  const turns: Message[] = [question, { role: "assistant", content: answer }];
  const after = (messages: Message[]): string | undefined => {
    try {
      const text = renderModelTemplate(tokenizer, messages);
      const at = text.indexOf(answer);
      return at < 0 ? undefined : text.slice(at + answer.length);
    } catch {
      return undefined; // A template may refuse such a conversation.
    }
  };
  const last = after(turns);
  let followed = after([...turns, question]);
  // Where the text goes on unchanged, what is behind the end belongs to the next turn.
  if (last !== undefined && followed?.startsWith(last)) followed = undefined;
  const found = [last, followed].flatMap((text) => (text === undefined ? [] : firstTag(tokenizer, text)));
  return found.filter(({ id }, i) => found.findIndex((other) => other.id === id) === i);
}

/** The first added token; runs of whitespace that some vocabularies add are none. */
function firstTag(tokenizer: Tokenizer, text: string): TurnEnd[] {
  for (const id of tokenizer.encode(text, { addSpecialTokens: false })) {
    const token = tokenizer.idToToken(id);
    const added = tokenizer.isAdded?.(id) ?? tokenizer.eosIds.includes(id);
    if (added && token !== undefined && token.trim() !== "") return [{ text: token, id }];
  }
  return [];
}

/** @param vocabSize rows of the model's embedding. @throws UsageError naming the first token that lies beyond them. */
export function checkVocabulary(
  ids: readonly number[],
  tokenizer: Tokenizer,
  vocabSize = Number.POSITIVE_INFINITY,
): void {
  const beyond = ids.find((id) => id >= vocabSize);
  if (beyond === undefined) return;
  const token = JSON.stringify(tokenizer.idToToken(beyond) ?? "?");
  throw new UsageError(
    `the token ${token} has id ${beyond}, and the model's embedding ends with id ${vocabSize - 1}; resize the model or take the token out of its tokenizer`,
  );
}
