import { FailureError } from "../errors.js";
import type { GenerateRequest, SamplingOptions } from "../generate/request.js";
import { withJournal } from "../llm/journal.js";
import type { GenerateResult, LanguageModel } from "../llm/language-model.js";
import type { Message } from "../tokenizer/message.js";
import type { CallEvent, CallOptions, NoticeEvent } from "./events.js";
import { type Model, type ModelOptions, withModel } from "./model.js";
import { Task } from "./task.js";

/** What the model reads: exactly one of the two. */
export interface PromptOptions {
  /** Text to continue; special tokens are added as the tokenizer does. */
  prompt?: string | undefined;
  /** A conversation, rendered with the model's template. */
  messages?: readonly Message[] | undefined;
}

/** How an answer is written. */
export interface WritingOptions extends PromptOptions, SamplingOptions {
  /** Most tokens to write, from 1; default 256. Also limited by the positions of the model. */
  maxTokens?: number | undefined;
  /** Writing ends before the first of these strings. */
  stop?: readonly string[] | undefined;
  /** Names the random draws: equal requests with equal seeds give equal answers. Default 0. */
  seed?: number | undefined;
  /** Tells apart requests that are equal on purpose, under one seed (the number of a row or of a try). */
  trial?: number | undefined;
  /** Answers to the prompt, 1 (default) to 1024; the result is the first, the others are in `alternatives`. */
  n?: number | undefined;
  /** Report each token's log-probability and those of this many alternatives, 0 to 100; default none. */
  logprobs?: number | undefined;
}

/** Which model answers. */
export interface AnsweringOptions {
  /** A model by name, as `openModel` takes it, or one that is open. */
  model: string | Model;
  /** How a model that is given by name is opened. */
  modelOptions?: ModelOptions | undefined;
}

/** Options of `generate`. */
export interface GenerateOptions extends AnsweringOptions, WritingOptions, CallOptions {}

/** Options of `generateMany`. */
export interface GenerateManyOptions extends AnsweringOptions, CallOptions<GenerateManyEvent> {
  /** What is asked, each with its own settings. */
  requests: readonly WritingOptions[];
  /** File (JSON Lines) that finished answers are kept in: the same call, made again after a stop, takes them from there. */
  journal?: string | undefined;
}

/** Told once for each request as soon as it is done, in any order. */
export interface AnswerEvent {
  type: "answer";
  /** 0-based place in `requests`. */
  index: number;
  /** The answer, or why there is none. */
  result: GenerateResult | Error;
}

/** What `generateMany` tells. */
export type GenerateManyEvent = NoticeEvent | AnswerEvent;

const MAX_TOKENS = 256;

/**
 * Writes an answer.
 *
 * @throws UsageError for a request that cannot be met (no prompt, or one longer than the model reads), FailureError when a
 * server does not answer.
 */
export function generate(options: GenerateOptions): Task<CallEvent, GenerateResult> {
  return new Task<CallEvent, GenerateResult>(options, ({ signal, say }) =>
    withModel(options.model, options.modelOptions ?? {}, { signal, say }, async ({ language }) => {
      const [result] = await language.generate([requestOf(options)], { signal });
      if (result === undefined || result instanceof Error) throw result ?? new FailureError("the model gave no answer");
      return result;
    }),
  );
}

/**
 * Writes an answer to each of `requests`, many at once, in their order. A request that fails is an Error in its place and stops
 * no other.
 *
 * @throws UsageError when the model cannot be opened, FailureError when the journal cannot be written.
 */
export function generateMany(options: GenerateManyOptions): Task<GenerateManyEvent, (GenerateResult | Error)[]> {
  return new Task<GenerateManyEvent, (GenerateResult | Error)[]>(options, ({ signal, say, emit }) =>
    withModel(options.model, options.modelOptions ?? {}, { signal, say }, ({ language }) =>
      withJournaled(language, options.journal, async (model) => {
        const onResult = (index: number, result: GenerateResult | Error): void => {
          if (!signal.aborted) emit({ type: "answer", index, result });
        };
        const results = await model.generate(options.requests.map(requestOf), { signal, onResult });
        signal.throwIfAborted();
        return results;
      }),
    ),
  );
}

/** The model with a journal around it for the length of `work`, where there is a path for one. */
export async function withJournaled<T>(
  model: LanguageModel,
  path: string | undefined,
  work: (model: LanguageModel) => Promise<T>,
): Promise<T> {
  if (path === undefined) return work(model);
  const journaled = withJournal(model, path);
  try {
    return await work(journaled);
  } finally {
    journaled.close();
  }
}

/** The fields of a request among a call's options. @internal */
export function requestOf(options: WritingOptions): GenerateRequest {
  const { prompt, messages, maxTokens = MAX_TOKENS, stop, seed, trial, n, logprobs } = options;
  const { temperature, topK, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty, rules } = options;
  const sampling = { temperature, topK, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty, rules };
  const all = { prompt, messages: messages && [...messages], stop, seed, trial, n, logprobs, ...sampling };
  const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  return { ...given, maxTokens };
}
