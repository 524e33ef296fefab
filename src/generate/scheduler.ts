/**
 * Continuous batching: answers join the batch when there is room and leave it when they end, at any step. Each adapter has
 * a batch of its own; what a prompt's answer is does not depend on its company.
 */
import type { Adapter } from "../model/adapter.js";
import type { PackedModel } from "../model/packed-model.js";
import { Admission, type AdmissionPlan } from "./admission.js";
import { Batch } from "./batch.js";
import type { Job } from "./job.js";
import { type KvCache, positionBytes } from "./kv-cache.js";
import { prefill } from "./prefill.js";
import { PrefixCache } from "./prefix-cache.js";
import { PromptLookup } from "./prompt-lookup.js";
import type { StepDecoder } from "./step-decoder.js";

export interface SchedulerOptions {
  /** Most answers written at once. */
  maxBatch: number;
  /** Most bytes of keys and values, of the answers being written and of what was read before; one answer is always let in. */
  cacheBytes: number;
  /** Read each prompt in a row of its own, and from its beginning. */
  promptsApart?: boolean;
  /** Most tokens guessed for an answer that is written alone; the decoder must be one for several. */
  draftTokens: number;
}

/** The share of the cache's bytes that is for texts read before. */
const REMEMBERED = 1 / 4;
/** What caches hold beyond the positions in use (kv-cache.ts). */
const CACHE_SLACK = 1.2;
/** Cached bytes that are read in the time in which a byte of the step's weights is. */
const CACHED_PER_WEIGHT = 0.6;

export class Scheduler {
  private readonly admission: Admission;
  private readonly memory: PrefixCache;
  private readonly batches = new Map<Adapter | undefined, Batch>();
  private running?: Promise<void>;

  constructor(
    private readonly model: PackedModel,
    private readonly decoder: StepDecoder,
    private readonly options: SchedulerOptions,
  ) {
    const { cacheBytes, maxBatch, promptsApart } = options;
    this.memory = new PrefixCache(cacheBytes * REMEMBERED);
    const positions = (cacheBytes * (1 - REMEMBERED)) / (CACHE_SLACK * positionBytes(model.config));
    this.admission = new Admission({ maxBatch, positions, promptsApart });
  }

  /** Writes a request's answers. Rejects with what made it fail, or with the signal's reason when it is aborted. */
  submit(job: Job): Promise<void> {
    this.admission.add(job);
    this.running ??= this.run();
    return job.done;
  }

  /** Settles when nothing is left to do. */
  async idle(): Promise<void> {
    await this.running;
  }

  private async run(): Promise<void> {
    // Requests made in the same turn of the event loop start together.
    await new Promise((resolve) => setImmediate(resolve));
    while (!this.admission.empty || this.batches.size > 0) {
      await this.begin(this.admission.next(this.active()));
      await this.step();
    }
    // In the same turn as the last look at the queue: a job that comes later starts a new run.
    this.running = undefined;
  }

  private active(): Job[] {
    return [...this.batches.values()].flatMap(({ jobs }) => jobs);
  }

  /** Reads prompts and lets their answers in, as long as there are some. */
  private async begin(plan: AdmissionPlan): Promise<void> {
    for (let next = plan; next.open.length > 0; next = this.admission.next(this.active())) {
      await this.read(next.read);
      for (const { job, answers } of next.open) {
        if (job.ended() || !job.read) continue;
        const { read } = job;
        const sequences = job.waiting.splice(0, answers);
        if (job.waiting.length === 0) job.read = undefined;
        try {
          this.batchOf(job.adapter).open(job, sequences, read);
        } catch (error) {
          job.fail(error);
        }
      }
    }
  }

  /** Reads prompts together or, where that fails, each by itself. */
  private async read(jobs: readonly Job[]): Promise<void> {
    if (jobs.length === 0) return;
    try {
      const found = await prefill(
        this.model,
        jobs.map(({ prompt }) => prompt),
        {
          adapter: jobs[0]!.adapter,
          memory: this.memory,
          continues: !this.options.promptsApart,
          signal: { throwIfAborted: () => throwIfEnded(jobs) },
        },
      );
      jobs.forEach((job, i) => {
        if (!job.over) job.read = found[i]!;
      });
    } catch (error) {
      if (jobs.length === 1) jobs[0]!.fail(error);
      else for (const job of jobs) await this.read([job]);
    }
  }

  private batchOf(adapter: Adapter | undefined): Batch {
    let batch = this.batches.get(adapter);
    if (!batch) {
      const { config } = this.model;
      const perStep = (CACHED_PER_WEIGHT * this.decoder.weightBytes) / positionBytes(config);
      const { promptsApart } = this.options;
      // Their keys are those of decoding steps, so an answer that goes on from them depends on what was asked before.
      const remember = promptsApart
        ? undefined
        : (tokens: readonly number[], cache: KvCache) => this.memory.put(tokens, adapter, cache);
      batch = new Batch({ config, decoder: this.decoder, adapter, perStep, remember });
      this.batches.set(adapter, batch);
    }
    return batch;
  }

  private async step(): Promise<void> {
    const { draftTokens: most } = this.options;
    const drafts = most > 0 && this.active().length === 1 ? { most, predictor: () => new PromptLookup() } : undefined;
    for (const batch of [...this.batches.values()]) {
      try {
        batch.retire();
        await batch.step(drafts);
      } catch (error) {
        for (const job of batch.jobs) job.fail(error);
        this.batches.delete(batch.adapter);
      }
      if (batch.jobs.length === 0) this.batches.delete(batch.adapter);
    }
  }
}

/** Ends a read that no request waits for any more. */
function throwIfEnded(jobs: readonly Job[]): void {
  if (jobs.every((job) => job.ended())) throw new Error("all these requests have ended");
}
