import { EvokeError, UsageError } from "../errors.js";
import { renderMarked, renderTulu } from "../tokenizer/chat-template.js";
import {
  type ChatTemplateName,
  checkVocabulary,
  endTexts,
  stopTokens,
  tokensBeforeRendered,
} from "../tokenizer/special-tokens.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { Conversation } from "./conversation.js";
import { TokenIndex } from "./token-index.js";
import { type Render, renderTargets, shownTurns, type TrainingText } from "./training-text.js";

/** One example as the trainer takes it. */
export interface TrainingExample {
  /** Token ids, at most `maxLength`. */
  tokens: Int32Array;
  /** mask[i] = 1: token i is a target, predicted from the tokens before it. mask[0] is always 0. */
  mask: Uint8Array;
  /** The conversation's `index`. */
  index: number;
}

/** How conversations become tokens. */
export interface EncodeOptions {
  /** `tulu`: the paper's tags; `model`: the tokenizer's own chat template. Plain text rows need neither. */
  template: ChatTemplateName;
  /** `it`: instruction and response; `rt`: the response alone; `text`: every token is a target. */
  mode: "it" | "rt" | "text";
  /** Longest example in tokens, at least 2. */
  maxLength: number;
  /** Also count the newline behind the end-of-sequence token, as the paper's reference code does. Default false. */
  countNewlineAfterEos?: boolean;
  /** Rows of the model's embedding; a token beyond them cannot be trained on. Unchecked when absent. */
  vocabSize?: number;
  /** Leave out rows that cannot be used instead of stopping at the first. */
  skipInvalid?: boolean;
}

/** An example, or the reason why there is none. */
export interface EncodeResult {
  example?: TrainingExample;
  /** The text was longer than `maxLength`, and its end was cut off. */
  truncated: boolean;
  /** Why there is no example, in words. */
  reason?: string;
}

/**
 * Turns one conversation into tokens and a loss mask.
 *
 * The text is tokenised whole, so the tokens are those that any other program gets for it. A token that straddles the start of a
 * target part belongs to it (`TokenIndex`). What stands before the text (BOS) is what stands before a prompt in generation.
 *
 * An example that is longer than `maxLength` is cut at its end (`truncated`). One without a single target after that
 * is left out, with a reason.
 * @throws UsageError when the row does not fit the mode (plain text for it/rt, no instruction for it), the template does not
 * take it, or it has a token that the model has no embedding for.
 */
export function encodeConversation(
  conversation: Conversation,
  tokenizer: Tokenizer,
  options: EncodeOptions,
): EncodeResult {
  const { text, targets } = trainingText(conversation, tokenizer, options);
  const template = conversation.text === undefined ? options.template : "tulu";
  const plain = tokenizer.encode(text, { addSpecialTokens: false });
  const before = tokensBeforeRendered(tokenizer, text, template);
  const truncated = before.length + plain.length > options.maxLength;
  const ids = [...before, ...plain];
  checkVocabulary(ids, tokenizer, options.vocabSize);
  const tokens = Int32Array.from(truncated ? ids.slice(0, options.maxLength) : ids);
  const mask = new Uint8Array(tokens.length);
  const index = new TokenIndex(text, plain, tokenizer);
  const stops = stopTokens(tokenizer, template);
  for (const target of targets) {
    const first = index.at(target[0]);
    mask.fill(1, before.length + first, before.length + index.endOf(target, first, stops));
  }
  mask[0] = 0; // nothing comes before it to predict it from
  if (mask.includes(1)) return { example: { tokens, mask, index: conversation.index }, truncated };
  return {
    truncated,
    reason: truncated
      ? `no token of the response fits into max_length ${options.maxLength} (the row has ${ids.length} tokens)`
      : "the rendered row has no token to learn",
  };
}

/** What became of a whole data set. */
export interface EncodedSet {
  examples: TrainingExample[];
  /** Rows cut at `maxLength`. */
  truncated: number;
  /** Rows left out, as `file:line: reason`. */
  dropped: string[];
}

/**
 * Encodes all conversations, in order.
 * @throws UsageError `file:line: reason` for a row that cannot be used unless `skipInvalid`; when no row is left; when the
 * tokenizer lacks what the template needs.
 */
export function encodeConversations(
  conversations: readonly Conversation[],
  tokenizer: Tokenizer,
  options: EncodeOptions,
): EncodedSet {
  const set: EncodedSet = { examples: [], truncated: 0, dropped: [] };
  checkTemplate(tokenizer, options);
  for (const conversation of conversations) {
    const { example, truncated, reason } = encodeRow(conversation, tokenizer, options);
    if (example) set.examples.push(example);
    if (example && truncated) set.truncated++;
    if (!example) set.dropped.push(`${conversation.source}:${conversation.line}: ${reason}`);
  }
  if (set.examples.length === 0) {
    throw new UsageError(
      conversations.length
        ? `no row can be trained on; the first: ${set.dropped[0]}`
        : "no rows to train on: the data set is empty",
    );
  }
  return set;
}

/** What holds for every row is no row's fault. */
function checkTemplate(tokenizer: Tokenizer, { template, mode }: EncodeOptions): void {
  if (template === "tulu" || mode === "text") eosText(tokenizer);
  else if (tokenizer.chatTemplate === undefined)
    throw new UsageError('the model has no chat template; use template "tulu"');
}

function encodeRow(conversation: Conversation, tokenizer: Tokenizer, options: EncodeOptions): EncodeResult {
  try {
    return encodeConversation(conversation, tokenizer, options);
  } catch (error) {
    if (!(error instanceof EvokeError)) throw error;
    const reason = error.message;
    if (options.skipInvalid) return { truncated: false, reason };
    throw new UsageError(
      `${conversation.source}:${conversation.line}: ${reason}; correct the row or set data.skip_invalid: true`,
      { cause: error },
    );
  }
}

/** What the paper's tags have no place for. System turns they leave out, which is told once for all rows. */
function tuluProblem({ messages, tools, variables }: Conversation): string | undefined {
  const role = messages.find((turn) => turn.role === "tool" || turn.role === "developer")?.role;
  const field = messages.flatMap(({ fields }) => Object.keys(fields ?? {})).find((name) => name !== "name");
  if (role) return `template tulu has no ${role} turns`;
  if (tools || field) return `template tulu does not write "${field ?? "tools"}"`;
  return variables ? 'template tulu knows no "chat_template_kwargs"' : undefined;
}

function trainingText(conversation: Conversation, tokenizer: Tokenizer, options: EncodeOptions): TrainingText {
  const { template, mode } = options;
  if (conversation.text !== undefined) {
    if (mode !== "text") throw new UsageError(`plain text has no response for mode ${mode}; use mode: text`);
    const text = conversation.text + eosText(tokenizer);
    return { text, targets: [[0, text.length]] };
  }
  if (mode === "it" && conversation.messages[0]?.role === "assistant") {
    throw new UsageError("no instruction, which mode it needs; mode: rt trains on responses alone");
  }
  const problem = template === "tulu" ? tuluProblem(conversation) : undefined;
  if (problem) throw new UsageError(`${problem}; use template: model with a model whose template does`);
  const messages = shownTurns(conversation.messages, mode === "rt" ? "rt" : "it");
  const { tools, variables } = conversation;
  const render: Render = (turns, rest) =>
    template === "tulu"
      ? { text: renderTulu(turns, eosText(tokenizer), rest) }
      : renderMarked(tokenizer, turns, { ...rest, tools, variables });
  if (mode === "text") {
    const { text } = render(messages, { addGenerationPrompt: false });
    return { text, targets: [[0, text.length]] };
  }
  const ends = template === "tulu" ? [eosText(tokenizer)] : endTexts(tokenizer, template);
  return renderTargets(messages, render, ends, { countNewlineAfterEos: options.countNewlineAfterEos });
}

function eosText(tokenizer: Tokenizer): string {
  if (tokenizer.eosToken) return tokenizer.eosToken;
  throw new UsageError("the tokenizer names no end-of-sequence token (eos_token), so a model could not learn to stop");
}
