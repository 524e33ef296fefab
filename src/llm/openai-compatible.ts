import OpenAI from "openai";
import { FailureError, UsageError } from "../errors.js";
import { type AttemptFailure, backOffMs, classifyFailure } from "./attempt-failure.js";
import { type Endpoint, EndpointPool } from "./endpoints.js";
import type {
  GenerateOptions,
  GenerateRequest,
  GenerateResult,
  LanguageModel,
  ScoreRequest,
  ScoreResult,
} from "./language-model.js";
import { parseOpenAiReference } from "./openai-reference.js";
import { type EchoedPrompt, pairTexts, readEcho, scoreEchoed, toEcho } from "./openai-score.js";
import { fromWire, toWire, type WireApi, type WireRequest } from "./openai-wire.js";
import { type Budget, ModelUnavailableError, type Price, type Usage, UsageMeter } from "./usage.js";

export interface OpenAiOptions extends Budget {
  /** Requests under way at once, default 8. */
  concurrency?: number;
  /** Attempts after the first one, default 9. */
  retries?: number;
  /** Most seconds for one attempt, default 300. */
  timeoutSeconds?: number;
  /** Environment variable with the key, default OPENAI_API_KEY. */
  apiKeyEnv?: string;
  price?: Price;
  /** "chat" sends a plain prompt as a user's message, for servers that only chat. */
  api?: WireApi;
  env?: NodeJS.ProcessEnv;
  /** Replaceable in tests; resolves after `ms` or rejects on abort. */
  sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
}

/** A server that failed this often in a row, and for this long, is given up for all requests. */
const GIVE_UP_FAILURES = 20;
const GIVE_UP_MS = 30_000;
/** What is left of the limit of an answer that the context has no room for, as in Self-Instruct's own code. */
const SHRINK = 0.8;

/** Models served over HTTP the way OpenAI does it (OpenAI, vLLM, Fireworks, Ollama, llama.cpp, `evoke serve`). */
export class OpenAiCompatibleModel implements LanguageModel {
  readonly id: string;
  private readonly pool: EndpointPool;
  private readonly meter: UsageMeter;
  private readonly name: string;
  private readonly key: string | undefined;
  private readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  private failing: { count: number; since: number } | undefined;
  private dead: ModelUnavailableError | undefined;

  /** @param reference `openai:NAME@BASE_URL[,BASE_URL…]`. @throws UsageError on a bad reference or a missing key. */
  constructor(
    reference: string,
    private readonly options: OpenAiOptions = {},
  ) {
    const env = options.env ?? process.env;
    const { name, baseUrls } = parseOpenAiReference(reference, env);
    const variable = options.apiKeyEnv ?? "OPENAI_API_KEY";
    this.key = env[variable] || undefined;
    if (!this.key && (options.apiKeyEnv || baseUrls.some(isOpenAi)))
      throw new UsageError(`openai:${name}: the environment variable ${variable} is not set; put the API key into it`);
    this.name = name;
    this.id = `openai:${name}@${baseUrls.join(",")}`;
    this.meter = new UsageMeter(options, options.price);
    this.sleep = options.sleep ?? sleepFor;
    this.pool = new EndpointPool(baseUrls.map((url) => ({ url, client: createClient(url, this.key), busy: 0 })));
  }

  get usage(): Usage {
    return this.meter.usage;
  }

  generate(requests: GenerateRequest[], options: GenerateOptions = {}): Promise<(GenerateResult | Error)[]> {
    const api = this.options.api ?? "auto";
    return this.all(
      requests,
      (request) => {
        let shorter = request;
        return this.untilAnswered(
          (endpoint) => toWire(this.name, shorter, api, isOpenAi(endpoint.url)),
          (answer) => fromWire(answer, shorter),
          options.signal,
          () => {
            const maxTokens = Math.floor(shorter.maxTokens * SHRINK);
            if (maxTokens < 1) return false;
            shorter = { ...shorter, maxTokens };
            return true;
          },
        );
      },
      options.onResult,
    );
  }

  /**
   * Log-probabilities by echoing the prompt, which vLLM and `evoke serve` offer and OpenAI does not. A pair that cannot be scored fails
   * alone (`problem`).
   *
   * @throws ModelUnavailableError when no pair can be.
   */
  async score(pairs: ScoreRequest[]): Promise<ScoreResult[]> {
    const echoes = new Map<string, Promise<EchoedPrompt>>(); // choices of a question share their context
    const echo = (text: string): Promise<EchoedPrompt> => {
      const known = echoes.get(text);
      if (known) return known;
      const asked = this.untilAnswered(() => toEcho(this.name, text), readEcho);
      echoes.set(text, asked);
      return asked;
    };
    const results = await this.all(pairs, async (pair) => {
      if (pair.bos === "none")
        throw new UsageError("a server's tokenizer decides about BOS itself; leave --bos out, or score locally");
      const { whole, before } = pairTexts(pair);
      const [text, context] = await Promise.all([echo(whole), before === "" ? undefined : echo(before)]);
      return scoreEchoed(pair, text, context);
    });
    const gone = results.find((result) => result instanceof ModelUnavailableError || result instanceof UsageError);
    if (gone) throw gone;
    return results.map((result) =>
      result instanceof Error ? { logprob: Number.NaN, tokens: 0, isGreedy: false, problem: result.message } : result,
    );
  }

  /** Runs `work` on every item, a limited number at a time; an item's failure takes its place in the results. */
  private async all<T, R>(
    items: T[],
    work: (item: T) => Promise<R>,
    onResult?: (index: number, result: R | Error) => void,
  ): Promise<(R | Error)[]> {
    const results = new Array<R | Error>(items.length);
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let i = next++; i < items.length; i = next++) {
        const result = await work(items[i]!).catch((error: unknown) =>
          error instanceof Error ? error : new FailureError(String(error)),
        );
        results[i] = result;
        onResult?.(i, result);
      }
    };
    const workers = Math.min(Math.max(1, this.options.concurrency ?? 8), items.length);
    await Promise.all(Array.from({ length: workers }, worker));
    return results;
  }

  private async untilAnswered<R extends object>(
    wire: (endpoint: Endpoint) => WireRequest,
    read: (answer: unknown) => R,
    signal?: AbortSignal,
    /** Makes the answer shorter where the context is too small; false when it cannot be. */
    shrink: () => boolean = () => false,
  ): Promise<R> {
    const attempts = 1 + (this.options.retries ?? 9);
    for (let attempt = 1; ; ) {
      signal?.throwIfAborted();
      if (this.dead) throw this.dead;
      this.meter.beforeRequest();
      const endpoint = await this.pool.take();
      const outcome = await this.attempt(endpoint, wire(endpoint), read, signal);
      if (!("failure" in outcome)) return outcome.result;
      const { failure } = outcome;
      if (failure.verdict === "too long" && shrink()) continue;
      if (failure.verdict === "refused" || failure.verdict === "too long")
        throw new FailureError(this.describe(endpoint, failure));
      if (failure.verdict === "hopeless") throw (this.dead ??= this.giveUp(endpoint, failure));
      if (failure.serverDown && this.pool.hasOther(endpoint)) continue; // another server takes over at once
      if (this.hasFailedForLong()) throw (this.dead ??= this.giveUp(endpoint, failure));
      if (attempt++ >= attempts)
        throw new FailureError(`${this.describe(endpoint, failure)} (gave up after ${attempts} attempts)`);
      await this.sleep(backOffMs(attempt - 1, failure.retryAfterMs), signal);
    }
  }

  private async attempt<R extends object>(
    endpoint: Endpoint,
    { path, body }: WireRequest,
    read: (answer: unknown) => R,
    signal?: AbortSignal,
  ): Promise<{ result: R } | { failure: AttemptFailure }> {
    // The client's own time limit ends when the headers are there; ours covers the body, too.
    const timeout = (this.options.timeoutSeconds ?? 300) * 1000;
    const timer = AbortSignal.timeout(timeout);
    const either = signal ? AbortSignal.any([signal, timer]) : timer;
    try {
      const answer = await endpoint.client.post<unknown>(path, { body, signal: either, timeout, maxRetries: 0 });
      const result = read(answer);
      const { promptTokens = 0, outputTokens = 0 } = result as Partial<GenerateResult>;
      this.meter.answered(promptTokens, outputTokens);
      this.pool.markUp(endpoint);
      this.failing = undefined;
      return { result };
    } catch (error) {
      signal?.throwIfAborted();
      const failure = classifyFailure(error, timer.aborted);
      this.meter.failed(failure.kind);
      if (failure.serverDown) this.pool.markDown(endpoint);
      this.failing ??= { count: 0, since: Date.now() };
      this.failing.count++;
      return { failure };
    } finally {
      this.pool.release(endpoint);
    }
  }

  private hasFailedForLong(): boolean {
    const { failing } = this;
    return failing !== undefined && failing.count >= GIVE_UP_FAILURES && Date.now() - failing.since >= GIVE_UP_MS;
  }

  private giveUp(endpoint: Endpoint, failure: AttemptFailure): ModelUnavailableError {
    return new ModelUnavailableError(`${this.describe(endpoint, failure)}; finished answers are kept`);
  }

  /** One line without the key, even if the server repeats it. */
  private describe(endpoint: Endpoint, failure: AttemptFailure): string {
    const line = `openai:${this.name} at ${endpoint.url}: ${failure.kind}: ${failure.message}`;
    const clean = this.key ? line.replaceAll(this.key, "…") : line;
    return clean.replace(/\s+/g, " ").slice(0, 400);
  }
}

function createClient(baseURL: string, key: string | undefined): OpenAI {
  const own = isOpenAi(baseURL);
  return new OpenAI({
    baseURL,
    apiKey: key ?? "none",
    adminAPIKey: null,
    ...(own ? {} : { organization: null, project: null }),
    ...(key ? {} : { defaultHeaders: { Authorization: null } }),
    maxRetries: 0,
    logLevel: "off", // its debug log would show prompts and headers
  });
}

function isOpenAi(url: string): boolean {
  return new URL(url).hostname === "api.openai.com";
}

function sleepFor(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
