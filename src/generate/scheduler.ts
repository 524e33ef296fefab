/**
 * Continuous batching: answers join the batch when there is room and leave it when they end, at any step. Each adapter
 * has a batch and a cache of its own; what a prompt's answer is does not depend on its company.
 */
import type { Adapter } from "../model/adapter.js";
import type { PackedModel } from "../model/packed-model.js";
import { KvCache } from "./kv-cache.js";
import { PREFILL_TOKENS, prefill } from "./prefill.js";
import { PromptLookup } from "./prompt-lookup.js";
import { PromptMemory } from "./prompt-memory.js";
import { commonLength } from "./score-plan.js";
import type { Sequence } from "./sequence.js";
import type { StepDecoder } from "./step-decoder.js";

/** One prompt and the answers to it. */
export interface Job {
  prompt: readonly number[];
  answers: Sequence[];
  adapter?: Adapter;
  signal?: AbortSignal;
  /** Positions that its longest answer may take. */
  positions: number;
  resolve(): void;
  reject(reason: unknown): void;
}

/** The answers being written with one adapter; answer i is in slot i of the cache. */
interface Batch {
  adapter?: Adapter;
  cache: KvCache;
  answers: { sequence: Sequence; job: Job; lookup?: PromptLookup }[];
}

export interface SchedulerOptions {
  /** Most answers written at once. */
  maxBatch: number;
  /** Most bytes of cached keys and values; one answer is always let in. */
  cacheBytes: number;
  /** Read each prompt in a row of its own. */
  promptsApart?: boolean;
  /** Most tokens guessed for an answer that is written alone; the decoder must be one for several. */
  draftTokens: number;
}

/**
 * Reading a prompt costs about the same alone as with a few others, as all weights pass through the processor's caches.
 * So while answers are being written a prompt waits for company: one step for each four answers, at most this many.
 */
const MOST_PATIENCE = 8;
/** Most bytes for prompts read lately. */
const MOST_REMEMBERED = 256e6;

export class Scheduler {
  /** Steps since a prompt could have joined. */
  private patience = 0;
  private readonly memory: PromptMemory;
  private readonly waiting: Job[] = [];
  private readonly batches = new Map<Adapter | undefined, Batch>();
  private running?: Promise<void>;

  constructor(
    private readonly model: PackedModel,
    private readonly decoder: StepDecoder,
    private readonly options: SchedulerOptions,
  ) {
    this.memory = new PromptMemory(Math.min(MOST_REMEMBERED, options.cacheBytes / 8));
  }

  /** Queues a job; its `resolve` or `reject` is called when it is over. */
  submit(job: Job): void {
    this.waiting.push(job);
    this.running ??= this.run();
  }

  /** Settles when nothing is left to do. */
  async idle(): Promise<void> {
    await this.running;
  }

  private async run(): Promise<void> {
    // Requests made in the same turn of the event loop start together.
    await new Promise((resolve) => setImmediate(resolve));
    try {
      while (this.waiting.length > 0 || this.batches.size > 0) {
        this.dropAborted();
        await this.admit();
        for (const batch of [...this.batches.values()]) await this.step(batch);
      }
    } catch (error) {
      const jobs = new Set(this.waiting.splice(0));
      for (const { answers } of this.batches.values()) for (const { job } of answers) jobs.add(job);
      this.batches.clear();
      for (const job of jobs) job.reject(error);
    }
    // In the same turn as the last look at the queue: a job that comes later starts a new run.
    this.running = undefined;
  }

  private dropAborted(): void {
    for (let i = this.waiting.length - 1; i >= 0; i--) {
      const job = this.waiting[i]!;
      if (!job.signal?.aborted) continue;
      this.waiting.splice(i, 1);
      job.reject(job.signal.reason);
    }
    for (const batch of this.batches.values())
      for (let slot = batch.answers.length - 1; slot >= 0; slot--) {
        const { job } = batch.answers[slot]!;
        if (!job.signal?.aborted) continue;
        this.close(batch, slot);
        job.reject(job.signal.reason);
      }
  }

  /** Reads waiting prompts, in order, as long as there is room for their answers. */
  private async admit(): Promise<void> {
    while (this.waiting.length > 0) {
      const { jobs, full } = this.nextJobs();
      if (jobs.length === 0) return;
      if (!full && this.patience < Math.min(MOST_PATIENCE, this.active().length >> 2)) {
        this.patience++;
        return;
      }
      this.patience = 0;
      const { adapter } = jobs[0]!;
      let batch = this.batches.get(adapter);
      if (!batch) {
        batch = { adapter, cache: new KvCache(this.model.config), answers: [] };
        this.batches.set(adapter, batch);
      }
      const logits = await prefill(
        this.model,
        batch.cache,
        jobs.map((job) => job.prompt),
        adapter,
        this.memory,
      );
      this.waiting.splice(0, jobs.length);
      this.open(batch, jobs, logits);
    }
  }

  /** The first waiting jobs that can be read together; `full`: no later one could join them. */
  private nextJobs(): { jobs: Job[]; full: boolean } {
    const jobs: Job[] = [];
    let tokens = 0;
    for (const job of this.waiting) {
      const before = jobs.at(-1);
      const added = job.prompt.length - (before ? commonLength(before.prompt, job.prompt) : 0);
      const apart = this.options.promptsApart || job.adapter !== before?.adapter || tokens + added > PREFILL_TOKENS;
      if (before && apart) return { jobs, full: true };
      if (!this.fits([...jobs, job])) break;
      jobs.push(job);
      tokens += added;
    }
    return { jobs, full: this.options.promptsApart === true || tokens >= PREFILL_TOKENS };
  }

  private active(): Batch["answers"] {
    return [...this.batches.values()].flatMap((batch) => batch.answers);
  }

  private fits(jobs: readonly Job[]): boolean {
    const active = this.active();
    const added = jobs.reduce((sum, job) => sum + job.answers.length, 0);
    if (active.length === 0 && jobs.length === 1) return true;
    if (active.length + added > this.options.maxBatch) return false;
    const { layers, kvHeads, headDim } = this.model.config;
    const longest = Math.max(...jobs.map((job) => job.positions), ...active.map(({ job }) => job.positions));
    return (active.length + added) * longest * layers * kvHeads * headDim * 8 <= this.options.cacheBytes;
  }

  /** Gives each answer of the jobs, whose prompts are in the last slots, a slot and its first token. */
  private open(batch: Batch, jobs: readonly Job[], logits: Float32Array): void {
    const { cache, answers } = batch;
    const { vocabSize } = this.model.config;
    const first = answers.length;
    const extra = jobs.reduce((sum, job) => sum + job.answers.length - 1, 0);
    cache.reserve(cache.slots + extra, Math.max(...cache.lengths) + 1);
    for (const job of jobs) answers.push({ sequence: job.answers[0]!, job });
    jobs.forEach((job, i) => {
      for (const sequence of job.answers.slice(1)) {
        cache.copy(first + i);
        answers.push({ sequence, job });
      }
    });
    jobs.forEach((job, i) => {
      for (const sequence of job.answers) this.advance(sequence, job, logits.slice(i * vocabSize, (i + 1) * vocabSize));
    });
    this.retire(batch);
  }

  private async step(batch: Batch): Promise<void> {
    const { cache, answers, adapter } = batch;
    if (answers.length > 0) {
      const { vocabSize } = this.model.config;
      const guess = this.guess(batch);
      const tokens = [...answers.map(({ sequence }) => sequence.last), ...guess];
      const logits = await this.decoder.step(cache, tokens, adapter);
      const row = (i: number): Float32Array => logits.subarray(i * vocabSize, (i + 1) * vocabSize);
      answers.forEach(({ sequence, job }, slot) => void this.advance(sequence, job, row(slot)));
      if (guess.length > 0) this.acceptGuess(batch, guess, row);
      this.retire(batch);
    }
    if (answers.length === 0) this.batches.delete(adapter);
  }

  /**
   * What an answer that is written alone probably goes on with. In company there is none: weights that come from memory
   * for one token serve a few more at little cost, but not for many.
   */
  private guess({ answers }: Batch): number[] {
    const [only, ...others] = answers;
    const { draftTokens } = this.options;
    if (draftTokens === 0 || !only || others.length > 0 || this.batches.size > 1) return [];
    const { sequence, job } = only;
    const lookup = (only.lookup ??= new PromptLookup());
    const { prompt } = job;
    for (let i = lookup.length; i < prompt.length; i++) lookup.add(prompt[i]!);
    for (let i = lookup.length - prompt.length; i < sequence.tokens.length; i++) lookup.add(sequence.tokens[i]!);
    return lookup.guess(Math.min(draftTokens, sequence.left - 1));
  }

  /** Goes on with the only answer as long as its tokens are the guessed ones; the rest of the guess leaves the cache. */
  private acceptGuess({ cache, answers }: Batch, guess: readonly number[], row: (i: number) => Float32Array): void {
    const { sequence, job } = answers[0]!;
    let right = 0;
    while (right < guess.length && sequence.finishReason === undefined && sequence.last === guess[right])
      this.advance(sequence, job, row(++right));
    cache.drop(0, guess.length - right);
  }

  private advance(sequence: Sequence, job: Job, logits: Float32Array): void {
    try {
      sequence.advance(logits);
    } catch (error) {
      // A listener of one request failed: that ends this request only.
      for (const answer of job.answers) answer.finishReason ??= "stop";
      job.reject(error);
    }
  }

  /** Closes the slots of finished answers and reports the jobs that are complete. */
  private retire(batch: Batch): void {
    for (let slot = batch.answers.length - 1; slot >= 0; slot--) {
      const { sequence, job } = batch.answers[slot]!;
      if (sequence.finishReason === undefined) continue;
      this.close(batch, slot);
      if (job.answers.every((answer) => answer.finishReason !== undefined)) job.resolve();
    }
  }

  private close(batch: Batch, slot: number): void {
    batch.cache.remove(slot);
    const last = batch.answers.pop()!;
    if (slot < batch.answers.length) batch.answers[slot] = last;
  }
}
