import type { PromptTemplate } from "../generate/prompt.js";
import type { Rule } from "../generate/rules.js";
import { type ResolvedModel, type ResolveOptions, resolveLanguageModel } from "../llm/resolve.js";
import type { Price, Usage } from "../llm/usage.js";
import type { DeviceName } from "../runtime/device.js";
import type { CallOptions, NoticeEvent } from "./events.js";

/** How an OpenAI-compatible server is asked. Local models take none of these. */
export interface ServerModelOptions {
  /** Requests under way at once; default 8. */
  concurrency?: number | undefined;
  /** Attempts after the first one; default 9. */
  retries?: number | undefined;
  /** Most seconds for one attempt; default 300. */
  timeoutSeconds?: number | undefined;
  /** Stop after this many requests, retries included; default no limit. */
  maxRequests?: number | undefined;
  /** Stop after this many tokens, prompts included; default no limit. */
  maxTokens?: number | undefined;
  /** Environment variable with the key; default OPENAI_API_KEY. */
  apiKeyEnv?: string | undefined;
  /** US dollars per million tokens, for the cost. */
  price?: Price | undefined;
  /** Endpoint for plain prompts; default auto. */
  api?: "auto" | "completions" | "chat" | undefined;
}

/** How a model is opened. */
export interface ModelOptions {
  /** PEFT adapter folder, run folder or `hf:ORG/NAME` put on top of a local model. */
  adapter?: string | undefined;
  /** How conversations become text; default: a run's own, else the model's template, else tulu. */
  template?: PromptTemplate | undefined;
  /** Weights while text is written; default int8, for evaluations float32. Scores are always from the loaded weights. */
  weights?: "float32" | "int8" | "int4" | undefined;
  /** CPU threads of one operation; default the number of cores. */
  threads?: number | undefined;
  /** Most answers written at once; default 16. 1 gives the lowest latency. */
  batchSize?: number | undefined;
  /** Where prompts are read and continuations scored; default auto, which means the processor. */
  device?: DeviceName | "auto" | undefined;
  /** Rules on the distribution of the next token, by which a base model answers; default none. */
  rules?: readonly Rule[] | undefined;
  /** Settings for `openai:NAME@BASE_URL`. */
  server?: ServerModelOptions | undefined;
}

/** A model that is open: it holds memory until `dispose`. Calls that are given one leave it open. */
export class Model {
  /** @internal */
  constructor(
    /** As it was named when it was opened. */
    readonly reference: string,
    /** @internal */
    readonly language: ResolvedModel,
  ) {}

  /** Names the model and all that changes its answers: hash of its files, adapter, template, a server's model. */
  get id(): string {
    return this.language.id;
  }

  /** Requests, tokens and cost so far; only servers count them. */
  get usage(): Usage | undefined {
    return this.language.usage;
  }

  /** Frees what a local model holds. Calls that use it must be over. */
  async dispose(): Promise<void> {
    await this.language.dispose?.();
  }

  /** The same as `dispose`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/** Options of `openModel`. */
export interface OpenModelOptions extends ModelOptions, CallOptions<NoticeEvent> {
  /** Folder, .gguf file, `hf:ORG/NAME[@REV]`, `pip:NAME==VERSION`, `bundled:mini`, run folder or `openai:NAME@BASE_URL`. */
  model: string;
}

/**
 * Opens a model for several calls. `generate`, `score` and the others also take a name, and then open the model themselves.
 *
 * @throws UsageError when there is no such model, FailureError when it cannot be fetched or read.
 */
export async function openModel(options: OpenModelOptions): Promise<Model> {
  const { model, signal, onProgress, ...rest } = options;
  const say = (message: string): void => onProgress?.({ type: "notice", message });
  return open(model, rest, { signal, say });
}

/** Does work with a model, which is closed afterwards if it was opened here. */
export async function withModel<T>(
  model: string | Model,
  options: ModelOptions,
  call: { signal: AbortSignal; say: (line: string) => void },
  work: (model: Model) => Promise<T>,
): Promise<T> {
  if (model instanceof Model) return work(model);
  const opened = await open(model, options, call);
  try {
    return await work(opened);
  } finally {
    await opened.dispose();
  }
}

async function open(
  reference: string,
  { batchSize, server, ...rest }: ModelOptions,
  call: { signal?: AbortSignal | undefined; say: (line: string) => void },
): Promise<Model> {
  const { signal, say } = call;
  const all = { ...rest, ...server, maxBatch: batchSize, signal, say };
  // What is left undefined means the default below.
  const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as ResolveOptions;
  const language = await resolveLanguageModel(reference, given);
  if (signal?.aborted) {
    await language.dispose?.();
    throw signal.reason;
  }
  return new Model(reference, language);
}
