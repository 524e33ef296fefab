/**
 * The answers being written with one adapter: they join and leave at any step. A batch owns its caches, one for each group
 * of answers of about the same length, and its failures: what goes wrong for one answer ends that one.
 */
import type { Adapter } from "../model/adapter.js";
import type { DecoderConfig } from "../model/decoder-config.js";
import { cheapestGroups, groupCost } from "./cache-groups.js";
import type { Job } from "./job.js";
import { KvCache, roundedPositions } from "./kv-cache.js";
import type { ReadPrompt } from "./prefix-cache.js";
import type { Sequence } from "./sequence.js";
import type { StepDecoder } from "./step-decoder.js";
import type { TokenPredictor } from "./token-predictor.js";

interface Answer {
  sequence: Sequence;
  job: Job;
  predictor?: TokenPredictor;
}

/** Answers that take their steps together; answer i is in slot i of the cache. */
interface Group {
  cache: KvCache;
  answers: Answer[];
}

export interface BatchOptions {
  config: DecoderConfig;
  decoder: StepDecoder;
  adapter?: Adapter;
  /** Cached positions that are read in the time that a step takes whatever its answers. */
  perStep: number;
  /** Takes what an answer leaves: its text with the prompt, and a cache with one slot that holds all of it. */
  remember?: (tokens: readonly number[], cache: KvCache) => void;
}

/** Draft tokens for an answer that is written alone. */
export interface Drafts {
  most: number;
  predictor: () => TokenPredictor;
}

/** Groups are made anew when that saves this share of what a step reads. */
const WORTH_MOVING = 0.1;

export class Batch {
  private groups: Group[] = [];

  constructor(private readonly options: BatchOptions) {}

  get adapter(): Adapter | undefined {
    return this.options.adapter;
  }

  /** The requests whose answers are here, one for each answer. */
  get jobs(): Job[] {
    return this.groups.flatMap(({ answers }) => answers.map(({ job }) => job));
  }

  /** Bytes of cached keys and values. */
  get cacheBytes(): number {
    return this.groups.reduce((sum, { cache }) => sum + cache.bytes, 0);
  }

  /** Lets answers to a prompt in, and draws their first tokens. */
  open(job: Job, sequences: readonly Sequence[], read: ReadPrompt): void {
    for (const sequence of sequences) {
      job.advance(sequence, read.logits.slice());
      // Made and remembered once the first token is out, also where the answer ends with it.
      const { cache, length } = read;
      if (job.over) return;
      if (sequence.finishReason !== undefined) continue;
      const group = this.groupFor(length + 1);
      group.cache.reserve(group.cache.slots + 1, Math.max(length + 1, ...group.cache.lengths));
      group.cache.adopt(cache, 0, length);
      group.answers.push({ sequence, job });
    }
    this.regroup();
  }

  /** The group in which one more sequence costs least, which may be a new one. */
  private groupFor(length: number): Group {
    const { perStep } = this.options;
    let best: Group | undefined;
    let least = groupCost(1, length, perStep);
    for (const group of this.groups) {
      const longest = Math.max(...group.cache.lengths);
      const { slots } = group.cache;
      const added = groupCost(slots + 1, Math.max(longest, length), perStep) - groupCost(slots, longest, perStep);
      if (added > least) continue;
      best = group;
      least = added;
    }
    if (best) return best;
    const group = { cache: new KvCache(this.options.config), answers: [] };
    this.groups.push(group);
    return group;
  }

  /** Takes a step for every answer. */
  async step(drafts?: Drafts): Promise<void> {
    for (const group of [...this.groups]) await this.stepGroup(group, drafts);
    this.retire();
  }

  private async stepGroup(group: Group, drafts?: Drafts): Promise<void> {
    const { cache, answers } = group;
    const { config, decoder, adapter } = this.options;
    const guess = drafts ? draft(answers, drafts) : [];
    const tokens = [...answers.map(({ sequence }) => sequence.last), ...guess];
    let logits: Float32Array;
    try {
      logits = await decoder.step(cache, tokens, adapter);
    } catch (error) {
      if (answers.length === 1) answers[0]!.job.fail(error);
      else await this.stepApart(group);
      return;
    }
    const row = (i: number): Float32Array => logits.subarray(i * config.vocabSize, (i + 1) * config.vocabSize);
    answers.forEach(({ sequence, job }, slot) => void job.advance(sequence, row(slot)));
    if (guess.length > 0) acceptDraft(group, guess, row);
  }

  /** After a step that failed: one for each answer, of which some may succeed. */
  private async stepApart(group: Group): Promise<void> {
    const apart = group.answers.map((answer, slot) => ({ cache: group.cache.extract(slot), answers: [answer] }));
    this.groups = [...this.groups.filter((each) => each !== group), ...apart];
    for (const each of apart) await this.stepGroup(each);
  }

  /** Closes the slots of answers that are finished, and of requests that ended otherwise. */
  retire(): void {
    for (const group of this.groups)
      for (let slot = group.answers.length - 1; slot >= 0; slot--) {
        const { sequence, job } = group.answers[slot]!;
        if (job.ended() || sequence.finishReason !== undefined) this.close(group, slot);
      }
    this.groups = this.groups.filter(({ answers }) => answers.length > 0);
    this.regroup();
  }

  private close({ cache, answers }: Group, slot: number): void {
    const { sequence, job } = answers[slot]!;
    const { remember } = this.options;
    const last = answers.pop()!;
    // With the last answer its group is gone, and the cache may be had as it is.
    const kept = remember && (cache.room === 1 ? cache : cache.extract(slot));
    if (kept) remember([...job.prompt, ...sequence.tokens].slice(0, kept.lengths[0]), kept);
    if (answers.length === 0) return;
    cache.remove(slot);
    if (slot < answers.length) answers[slot] = last;
  }

  /** Moves answers between groups where that makes steps much cheaper. */
  private regroup(): void {
    const { config, perStep } = this.options;
    const places = this.groups.flatMap(({ cache, answers }) =>
      answers.map((answer, slot) => ({ answer, cache, slot })),
    );
    if (places.length < 2) return;
    const lengths = places.map(({ cache, slot }) => cache.lengths[slot]! + 1);
    const present = this.groups.reduce((sum, { cache }) => sum + perStep + cache.slots * cache.capacity, 0);
    const { groups, cost } = cheapestGroups(lengths, perStep);
    if (cost > (1 - WORTH_MOVING) * present) return;
    this.groups = groups.map((members) => {
      const cache = new KvCache(config);
      cache.reserve(members.length, roundedPositions(Math.max(...members.map((i) => lengths[i]!))));
      for (const i of members) cache.adopt(places[i]!.cache, places[i]!.slot);
      return { cache, answers: members.map((i) => places[i]!.answer) };
    });
  }
}

/**
 * What an answer that is written alone probably goes on with. In company there is none: weights that come from memory for
 * one token serve a few more at little cost, but not for many.
 */
function draft([only]: readonly Answer[], { most, predictor }: Drafts): number[] {
  if (!only) return [];
  const { sequence, job } = only;
  const text = (only.predictor ??= predictor());
  const { prompt } = job;
  for (let i = text.length; i < prompt.length; i++) text.add(prompt[i]!);
  for (let i = text.length - prompt.length; i < sequence.tokens.length; i++) text.add(sequence.tokens[i]!);
  return text.guess(Math.min(most, sequence.left - 1));
}

/** Goes on with the only answer as long as its tokens are the drafted ones; the rest of the draft leaves the cache. */
function acceptDraft({ cache, answers }: Group, guess: readonly number[], row: (i: number) => Float32Array): void {
  const { sequence, job } = answers[0]!;
  let right = 0;
  while (right < guess.length && !job.over && sequence.finishReason === undefined && sequence.last === guess[right])
    job.advance(sequence, row(++right));
  cache.drop(0, guess.length - right);
}
