/** Writes and scores text with a model of our own: the library's face of this folder. */
import { totalmem } from "node:os";
import { ContextLengthError, UsageError } from "../errors.js";
import type { Adapter } from "../model/adapter.js";
import { PackedModel } from "../model/packed-model.js";
import { Device, type DeviceName } from "../runtime/device.js";
import type { Message } from "../tokenizer/chat-template.js";
import { checkVocabulary, stopTokens } from "../tokenizer/special-tokens.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { DecodePrecision } from "./decode-graph.js";
import { Decoder } from "./decoder.js";
import { Job } from "./job.js";
import { type LoadedModel, loadModel, openAdapter } from "./load-model.js";
import { type LogitsProcessor, penalties } from "./logits-processors.js";
import { encodeMessages, encodePrompt, type PromptTemplate, renderPrompt, userTokens } from "./prompt.js";
import { checkPromptSize } from "./prompt-size.js";
import { type GenerationOptions, type GenerationResult, type LocalGenerateRequest, MAX_LOGPROBS } from "./request.js";
import { checkRules, type Rule, type RuleTokens, ruleProcessors, ruleTokens } from "./rules.js";
import { checkSampling } from "./sampler.js";
import { Scheduler } from "./scheduler.js";
import { type PairScore, type ScoreOptions, type ScorePair, Scorer } from "./score.js";
import { Sequence } from "./sequence.js";
import { SoloDecoder, soloFits } from "./solo/solo-decoder.js";
import type { StepDecoder } from "./step-decoder.js";

/** How a generator opens a model. */
export interface GeneratorOptions {
  /**
   * Where prompts are read and continuations scored. Decoding steps run on the processor in any case, as their cache
   * lives in host memory; so `auto` (default) means the processor, too.
   */
  device?: DeviceName | "auto";
  /** Threads of one operation. Default: the number of cores. */
  threads?: number;
  /** Weights of the decoding step. Default int8; prompts and scores are always computed from the loaded weights. */
  weights?: DecodePrecision;
  /** Adapter folders or run folders; requests choose among them by these paths. */
  adapters?: readonly string[];
  /**
   * Most answers written at once, default 16. With 1, steps with 8-bit weights are those of `solo/`: half as fast again
   * for one answer, where the model allows it.
   */
  maxBatch?: number;
  /** Most bytes for cached keys and values; default a quarter of the machine's memory, at most 4 GB. */
  cacheBytes?: number;
  /**
   * Read each prompt by itself, so that an answer is a function of its request alone, to the last bit; short prompts are
   * read faster together (the default).
   */
  promptsApart?: boolean;
  /**
   * Most tokens guessed from repetitions in the text while one answer is written alone, and checked in one step. The
   * answer is that of one token a step, but for rounding: not to be had together with `promptsApart`. Default 0: none. The
   * steps of `solo/` take none.
   */
  draftTokens?: number;
  /** How conversations become text. Default: a run's own; else the model's template where it has one; else tulu. */
  template?: PromptTemplate;
  /** Rules for requests that name none (rules.ts). Default none. */
  rules?: readonly Rule[];
  say?: (line: string) => void;
  signal?: AbortSignal;
}

/** Writes and scores with a model that is held in memory, many answers at once. */
export class Generator {
  private readonly packed: PackedModel;
  private readonly decoder: StepDecoder;
  private readonly scheduler: Scheduler;
  private readonly scorer: Scorer;
  private readonly rules: readonly Rule[];
  private ruleTokens?: RuleTokens;
  private readonly say?: (line: string) => void;
  private unseeded = 0;
  /** How conversations become text. */
  readonly template: PromptTemplate;

  private constructor(
    readonly model: LoadedModel,
    readonly device: Device,
    decodeDevice: Device,
    options: GeneratorOptions,
  ) {
    const { draftTokens = 0 } = options;
    if (draftTokens > 0 && options.promptsApart)
      throw new UsageError("draftTokens and promptsApart exclude each other");
    this.rules = options.rules ?? [];
    this.say = options.say;
    checkRules(this.rules);
    if (this.rules.length > 0) this.tokensOfRules(this.rules); // what cannot be followed is told at once
    this.packed = new PackedModel(model.weights, device);
    const { weights = "int8", maxBatch = 16 } = options;
    const decoder = new Decoder(model.weights, decodeDevice, weights, { several: draftTokens > 0 });
    const solo = maxBatch === 1 && weights === "int8" && soloFits(model.config);
    this.decoder = solo ? new SoloDecoder(model.weights, decodeDevice.threads, decoder) : decoder;
    this.scheduler = new Scheduler(this.packed, this.decoder, {
      maxBatch,
      cacheBytes: options.cacheBytes ?? Math.min(4e9, totalmem() / 4),
      promptsApart: options.promptsApart,
      // Solo steps take one token.
      draftTokens: solo ? 0 : draftTokens,
    });
    this.scorer = new Scorer(this.packed, model.tokenizer);
    this.template = options.template ?? model.template ?? (model.tokenizer.chatTemplate ? "model" : "tulu");
  }

  /** Loads a model by reference (docs: MODEL) with its adapters. */
  static async open(reference: string, options: GeneratorOptions = {}): Promise<Generator> {
    const { device, threads, adapters, say, signal } = options;
    const opened = await Device.open({ device: device === "auto" ? "cpu" : device, threads });
    // Who asks for float32 wants the weights as they are, also where they would be held in 8 bits to save memory.
    const precision = options.weights === "float32" ? "float32" : "auto";
    return Generator.of(await loadModel(reference, { adapters, say, signal, precision }), opened, options);
  }

  /** A generator for a model that is loaded already. */
  static async of(model: LoadedModel, device: Device, options: GeneratorOptions = {}): Promise<Generator> {
    if (device.name !== "cpu")
      options.say?.(`${device.name} reads prompts and scores; answers are written on the processor, token by token`);
    const decodeDevice = await Device.open({ threads: options.threads ?? device.threads });
    return new Generator(model, device, decodeDevice, options);
  }

  get tokenizer(): Tokenizer {
    return this.model.tokenizer;
  }

  /** Names of the adapters that requests may choose. */
  get adapters(): string[] {
    return this.model.adapters.map(({ name }) => name);
  }

  /** Makes one more adapter known by a name. @throws UsageError when the folder holds none for this model. */
  async addAdapter(name: string, path: string): Promise<void> {
    this.model.adapters.push({ name, adapter: await openAdapter(path, this.model.config) });
  }

  /** Forgets an adapter; what is being written with it goes on. */
  removeAdapter(name: string): void {
    const { adapters } = this.model;
    const at = adapters.findIndex((one) => one.name === name);
    if (at >= 0) adapters.splice(at, 1);
  }

  /** The exact text that the model reads for a conversation. */
  render(messages: readonly Message[]): string {
    return renderPrompt(this.tokenizer, messages, this.template);
  }

  /** Tokens that the model reads for a conversation. */
  async countTokens(messages: readonly Message[]): Promise<number> {
    return (await encodeMessages(this.tokenizer, messages, this.template)).tokens.length;
  }

  /**
   * Writes answers. Any number of calls may be under way: they share the batch.
   * @throws UsageError for a request that cannot be met; the signal's reason when it is aborted.
   */
  async generate(request: LocalGenerateRequest, options: GenerationOptions = {}): Promise<GenerationResult> {
    const { signal, onText, onToken } = options;
    signal?.throwIfAborted();
    this.check(request);
    const { maxPositions } = this.model.config;
    // Where the length alone shows that a prompt cannot fit, it need not be tokenised to its end.
    if (!request.cutPrompt && !request.tokens) await checkPromptSize(request, this.tokenizer, maxPositions, signal);
    const whole = await this.promptTokens(request);
    signal?.throwIfAborted();
    const prompt = request.cutPrompt ? whole.slice(-Math.max(1, maxPositions - request.maxTokens)) : whole;
    if (prompt.length >= maxPositions)
      throw new ContextLengthError(
        `the prompt has ${prompt.length} tokens, the model reads ${maxPositions} with its answer`,
      );
    const limit = Math.min(request.maxTokens, maxPositions - prompt.length);
    const stops = request.ignoreEos ? [] : stopTokens(this.tokenizer, this.template);
    const ends = new Set([...stops, ...(request.stopTokens ?? [])]);
    // Without a seed every call draws anew; the clock keeps programs apart.
    const seed = request.seed ?? Date.now() * 1000 + (this.unseeded++ % 1000);
    const first = request.firstAnswer ?? 0;
    const answers = Array.from({ length: request.n ?? 1 }, (_, i) => {
      const processors = this.processors(request, prompt);
      return new Sequence(
        this.tokenizer,
        { request, processors, index: first + i, seed, limit, onText, onToken },
        ends,
      );
    });
    const adapter = this.adapterOf(request);
    await this.scheduler.submit(new Job({ prompt, answers, adapter, signal, positions: prompt.length + limit }));
    const [best, ...others] = answers.map((answer) => answer.answer());
    return {
      ...best!,
      promptTokens: prompt.length,
      ...(prompt.length < whole.length ? { truncated: true as const } : {}),
      outputTokens: answers.reduce((sum, answer) => sum + answer.drawn, 0),
      ...(others.length ? { alternatives: others } : {}),
    };
  }

  /** Log-probabilities of continuations; pairs that share their context share its computation. */
  async score(
    pairs: readonly ScorePair[],
    options: ScoreOptions & { adapter?: string | null } = {},
  ): Promise<PairScore[]> {
    return this.scorer.score(pairs, options, this.adapterOf(options));
  }

  /** Ends when all requests have. */
  idle(): Promise<void> {
    return this.scheduler.idle();
  }

  /** Frees the compiled graphs; requests must be over. */
  async dispose(): Promise<void> {
    await this.idle();
    await this.packed.dispose();
    await this.decoder.dispose();
    this.model.weights.close();
  }

  private processors(request: LocalGenerateRequest, prompt: readonly number[]): LogitsProcessor[] {
    const rules = request.rules ?? this.rules;
    if (rules.length === 0) return penalties(request, prompt);
    const user = rules.includes("diversity") ? this.userTurn(request, prompt) : [];
    return [...ruleProcessors(rules, this.tokensOfRules(rules), user), ...penalties(request, prompt)];
  }

  private tokensOfRules(rules: readonly Rule[]): RuleTokens {
    this.ruleTokens ??= ruleTokens(this.tokenizer, this.say);
    if (rules.includes("eos") && this.ruleTokens.eos === undefined)
      throw new UsageError("rules: eos needs a tokenizer with an end-of-sequence token; leave it out");
    return this.ruleTokens;
  }

  private userTurn({ messages, prompt }: LocalGenerateRequest, tokens: readonly number[]): readonly number[] {
    if (messages) {
      const turn = messages.findLast(({ role }) => role === "user");
      return turn ? userTokens(this.tokenizer, this.render(messages), turn.content) : [];
    }
    return prompt === undefined ? tokens : userTokens(this.tokenizer, prompt);
  }

  private check(request: LocalGenerateRequest): void {
    checkSampling(request);
    const whole = (name: "maxTokens" | "n" | "logprobs", low: number, high: number): void => {
      const value = request[name];
      if (value !== undefined && !(Number.isInteger(value) && value >= low && value <= high))
        throw new UsageError(`${name} must be a whole number from ${low} to ${high}, found ${value}`);
    };
    whole("maxTokens", 1, 1e9);
    whole("n", 1, 1024);
    whole("logprobs", 0, MAX_LOGPROBS);
    const given = [request.prompt, request.messages, request.tokens].filter((part) => part !== undefined).length;
    if (given !== 1) throw new UsageError("a request takes exactly one of prompt, messages and tokens");
  }

  private async promptTokens(request: LocalGenerateRequest): Promise<number[]> {
    const { tokenizer } = this;
    const tokens = request.tokens
      ? [...request.tokens]
      : request.messages
        ? (await encodeMessages(tokenizer, request.messages, this.template)).tokens
        : await encodePrompt(tokenizer, request.prompt ?? "");
    // A model can only continue something: an empty prompt is the beginning of a text.
    if (tokens.length === 0) tokens.push(tokenizer.bosId ?? tokenizer.eosId ?? 0);
    const { vocabSize } = this.model.config;
    if (!request.tokens) checkVocabulary(tokens, tokenizer, vocabSize);
    const strange = tokens.find((token) => !(token >= 0 && token < vocabSize));
    if (strange !== undefined)
      throw new UsageError(`token ${strange} of the prompt is outside the model's vocabulary of ${vocabSize}`);
    return tokens;
  }

  private adapterOf({ adapter }: { adapter?: string | null }): Adapter | undefined {
    const { adapters } = this.model;
    if (adapter === null) return undefined;
    if (adapter === undefined) return adapters[0]?.adapter;
    const found = adapters.find(({ name }) => name === adapter);
    if (!found)
      throw new UsageError(`adapter ${adapter} is not loaded; there is ${this.adapters.join(", ") || "none"}`);
    return found.adapter;
  }
}
