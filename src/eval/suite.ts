/** What every suite is given, and gives back. */
import { basename, join } from "node:path";
import type { JournaledModel } from "../llm/journal.js";
import type { GenerateRequest, GenerateResult } from "../llm/language-model.js";
import type { Message } from "../tokenizer/chat-template.js";
import type { BertScorerOptions } from "./bert-scorer.js";
import type { RowSource } from "./load-rows.js";
import type { PromptFile } from "./prompt-file.js";
import type { ChatRenderer } from "./prompts.js";
import type { ResponseText } from "./response-text.js";
import type { ResultRecord } from "./results-file.js";

/** Template of the conversations that a suite asks: the Response Tuning paper's tags, the model's own, or none. */
export type ChatTemplate = "tulu" | "model" | "none";

export interface SuiteContext {
  /** The model under test; absent when answers are read from a file. */
  model?: JournaledModel;
  /** What the model is called in files that are written. */
  generator: string;
  /** A model that judges answers. */
  judge?: JournaledModel;
  judgeName?: string;
  /** Folder of results, samples and journals. */
  out: string;
  /** What every suite's `config` says of the run. */
  record?: ResultRecord;
  /** Score only the first rows (of each part). */
  limit?: number;
  shots?: number;
  /** As asked for; unset means each suite's own choice. */
  template?: ChatTemplate;
  /** Scored choices: "none" puts no BOS before a context, as lm-evaluation-harness 0.4.5; unset: what the tokenizer puts. */
  bos?: "none";
  /** Renders conversations with `template`, for choices to be scored after them. */
  chat?: ChatRenderer;
  /** Renders an exchange for its response to be scored; absent where `template` does not allow it. */
  responseText?: ResponseText;
  /** Send conversations as text rendered by `chat`: for servers, which know no template but the model's own. */
  sendsText?: boolean;
  /** In-context prompt in place of a conversation. */
  prompt?: PromptFile;
  /** Where rows come from; `files` names those given for a suite. */
  source: RowSource;
  files: Readonly<Record<string, string>>;
  /** Answers that exist already, in place of the model's: files of rows with `output` or `response`. */
  outputs?: readonly string[];
  /** "rt": names of files and models as the scripts of Response Tuning write them, with their result files. */
  layout?: "rt";
  /** Take judge prompts and worked examples from the original tools' repositories (pinned) where they can be had. */
  originalPrompts?: boolean;
  /** Judge prompt in place of the built-in one. */
  judgePrompt?: string;
  /** just-eval: the same for its rows about safety. */
  judgeSafetyPrompt?: string;
  /** Most tokens of a judgement, when not the suite's own. */
  judgeMaxNewTokens?: number;
  /** Ask the judge again, so many times at once, where its reply cannot be read; unset: once on each later run, three times in all. */
  retryUnreadable?: number;
  /** AlpacaEval: outputs to compare with. */
  reference?: string;
  /** AlpacaEval: difficulty table for the length-controlled win rate. */
  difficulty?: string;
  /** user_tasks: compute BERTScore as well, with these settings. */
  bertScore?: Omit<BertScorerOptions, "device">;
  /** Most new tokens of an answer, when not the suite's own. */
  maxNewTokens?: number;
  /** response_ranking: responses drawn for each instruction; default 5. */
  drawn?: number;
  /** Seed of draws; default 0. */
  seed?: number;
  /** Leave malformed rows out and count them; otherwise the first one stops the run. */
  skipInvalid: boolean;
  signal?: AbortSignal;
  say: (line: string) => void;
  /** Makes a progress line; call the result with the number done, `undefined` at the end. */
  progress: (label: string, total: number) => (done?: number) => void;
}

/** Folder of the answers to a suite: Response Tuning keeps those to an in-context prompt in a folder of its own. */
export function answersFolder({ out, layout, prompt }: SuiteContext, suite: string): string {
  if (layout !== "rt" || !prompt) return join(out, suite);
  const name = prompt.origin.origin === "own" ? prompt.name : basename(prompt.origin.source ?? prompt.name);
  return join(out, suite, name.replace(/\.[^.]*$/, ""));
}

/** What Response Tuning's scripts put into the names of files that hold only some of a set's rows. */
export const partMark = ({ layout, limit }: SuiteContext): string =>
  layout === "rt" && limit !== undefined ? `_${limit}` : "";

/** A request for an answer to a conversation, in the form that the run asks for. */
export function conversationRequest(
  context: SuiteContext,
  messages: Message[],
  rest: Omit<GenerateRequest, "prompt" | "messages">,
): GenerateRequest {
  if (context.template === "none") return { prompt: messages.map(({ content }) => content).join("\n"), ...rest };
  if (context.sendsText && context.chat) return { prompt: context.chat(messages).context, ...rest };
  return { messages, ...rest };
}

/** Asks for all answers with a progress line; a failed request is an Error in its place. */
export async function answersOf(
  context: SuiteContext,
  model: JournaledModel,
  label: string,
  requests: GenerateRequest[],
): Promise<(GenerateResult | Error)[]> {
  const progress = context.progress(label, requests.length);
  let done = 0;
  try {
    return await model.generate(requests, {
      signal: context.signal,
      onResult: () => progress(++done),
    });
  } finally {
    progress();
  }
}
