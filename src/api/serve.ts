import { statSync } from "node:fs";
import { UsageError } from "../errors.js";
import { Generator } from "../generate/generator.js";
import type { PromptTemplate } from "../generate/prompt.js";
import type { Rule } from "../generate/rules.js";
import type { DeviceName } from "../runtime/device.js";
import { generatorBackend } from "../serve/generator-backend.js";
import { checkRules } from "../serve/guard.js";
import { startServer } from "../serve/server.js";
import type { CallOptions, NoticeEvent } from "./events.js";

/** Options of `serve`. */
export interface ServeOptions extends CallOptions<NoticeEvent> {
  /** Folder, .gguf file, `hf:ORG/NAME[@REV]`, `pip:NAME==VERSION`, `bundled:mini` or run folder. */
  model: string;
  /** PEFT adapters or run folders by the name under which each is offered; default none. */
  adapters?: Readonly<Record<string, string>> | undefined;
  /** Name of the model itself; default a short form of the reference. */
  name?: string | undefined;
  /** Address to listen on, default 127.0.0.1. One that others reach needs a token. */
  host?: string | undefined;
  /** Port, default 8000; 0 takes a free one. */
  port?: number | undefined;
  /** Token that clients must send as their API key; default none. */
  token?: string | undefined;
  /** Web origins whose pages may call; default none. */
  origins?: readonly string[] | undefined;
  /** Most answers written at once; default 32. */
  maxBatch?: number | undefined;
  /** Answers that may wait; more are refused with 429. Default 64. */
  maxQueue?: number | undefined;
  /** Folder whose adapters clients may load and unload; default none. */
  adaptersFrom?: string | undefined;
  /** Most draft tokens a step (prompt lookup) for a single sequence; default 0. */
  draftTokens?: number | undefined;
  /** Weights of the decoding step; default int8. */
  weights?: "float32" | "int8" | "int4" | undefined;
  /** Chat template; default a run's or the model's own. */
  template?: PromptTemplate | undefined;
  /** Rules by which a base model answers; default none. */
  rules?: readonly Rule[] | undefined;
  /** Where prompts are read; default auto. */
  device?: DeviceName | "auto" | undefined;
  /** CPU threads; default the number of cores. */
  threads?: number | undefined;
}

/** A server that takes requests until it is closed. */
export interface ModelServer {
  /** Such as `http://127.0.0.1:8000`; the OpenAI API is below `/v1`. */
  readonly url: string;
  /** Names that requests may ask for. */
  readonly models: readonly string[];
  /**
   * Takes no more requests and ends when the running ones are answered.
   *
   * @param drainMs milliseconds after which those that are left are broken off; default 30,000.
   */
  close(drainMs?: number): Promise<void>;
  /** The same as `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Serves a model and its adapters to clients of the OpenAI API. Aborting `signal` stops the opening; a server that is up is
 * closed with `close`.
 *
 * @throws UsageError for settings that would leave the door open or a model that cannot be used; FailureError when the port
 * is taken.
 */
export async function serve(options: ServeOptions): Promise<ModelServer> {
  const { model, adapters = {}, name, host = "127.0.0.1", port = 8000, token, origins = [], maxBatch = 32 } = options;
  const { maxQueue, adaptersFrom, draftTokens, weights, template, rules, device, threads, signal } = options;
  const say = (message: string): void => options.onProgress?.({ type: "notice", message });
  if (adaptersFrom !== undefined && !statSync(adaptersFrom, { throwIfNoEntry: false })?.isDirectory())
    throw new UsageError(`--adapters-from ${adaptersFrom}: no such folder`);
  checkRules({ host, token, origins: [...origins] });
  signal?.throwIfAborted();
  const generator = await Generator.open(model, {
    ...{ device, threads, weights, maxBatch, draftTokens, template, rules, say, signal },
    adapters: [...new Set(Object.values(adapters))],
  });
  try {
    // Compiles the graphs, so that the first client does not wait for that.
    await generator.generate({ prompt: "", maxTokens: 2, adapter: null }, { signal });
    const backend = generatorBackend(generator, { name, adapters, maxBatch });
    const rulesOfAccess = { host, port, token, origins: [...origins] };
    const server = await startServer(backend, { ...rulesOfAccess, maxQueue, adaptersFrom, log: say });
    const close = async (drainMs?: number): Promise<void> => {
      await server.close(drainMs);
      await generator.dispose();
    };
    const models = backend.models.map(({ id }) => id);
    return { url: server.url, models, close, [Symbol.asyncDispose]: () => close() };
  } catch (error) {
    await generator.dispose();
    throw signal?.aborted ? signal.reason : error;
  }
}
