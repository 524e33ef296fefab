import { UsageError } from "../errors.js";
import { Random } from "../random/counter.js";

/** What decides the order of an epoch. */
export interface PlanOptions {
  seed: number;
  /** 0-based. */
  epoch: number;
  /** Examples in a micro-batch, packed or not. */
  microBatch: number;
  /** Micro-batches in an optimiser step. Default 1. */
  accumulation?: number;
  /** Whether the examples of a micro-batch are laid one behind the other, without padding. */
  packing: boolean;
  /** Longest example in tokens. */
  maxLength: number;
}

/**
 * The micro-batches of one epoch: lists of indices into `lengths`, each index once.
 *
 * The order is a shuffle that depends on seed and epoch alone. Examples of one optimiser step (microBatch ×
 * accumulation, consecutive in the shuffle) stay together whatever the split, so that settings with the same product
 * give the same steps. Within a step they are dealt out to save arithmetic: unpacked, examples of like length go
 * together (less padding); packed, each micro-batch gets about as many tokens as any other (fewer shapes, less
 * memory). The last step of an epoch may be smaller.
 * @throws UsageError when an example is longer than `maxLength`.
 */
export function planEpoch(lengths: readonly number[], options: PlanOptions): number[][] {
  const { seed, epoch, microBatch, accumulation = 1, packing, maxLength } = options;
  const long = lengths.findIndex((length) => length > maxLength);
  if (long >= 0) throw new UsageError(`example ${long} has ${lengths[long]} tokens, more than max_length ${maxLength}`);
  const order = new Random("order", seed, epoch).shuffled(Array.from(lengths.keys()));
  const plan: number[][] = [];
  for (let at = 0; at < order.length; at += microBatch * accumulation) {
    const step = order.slice(at, at + microBatch * accumulation);
    plan.push(...(packing ? dealEvenly(step, lengths, microBatch) : dealByLength(step, lengths, microBatch)));
  }
  return plan;
}

/** Longest first; equal lengths in the order given. */
function longestFirst(examples: readonly number[], lengths: readonly number[]): number[] {
  return [...examples].sort((a, b) => lengths[b]! - lengths[a]!);
}

function dealByLength(step: readonly number[], lengths: readonly number[], size: number): number[][] {
  const sorted = longestFirst(step, lengths);
  const batches: number[][] = [];
  for (let at = 0; at < sorted.length; at += size) batches.push(sorted.slice(at, at + size));
  return batches;
}

/** Longest first, each into the micro-batch with the fewest tokens that still has room. */
function dealEvenly(step: readonly number[], lengths: readonly number[], size: number): number[][] {
  const batches = Array.from({ length: Math.ceil(step.length / size) }, () => ({
    tokens: 0,
    examples: [] as number[],
  }));
  for (const example of longestFirst(step, lengths)) {
    const open = batches.filter((batch) => batch.examples.length < size);
    const least = open.reduce((a, b) => (b.tokens < a.tokens ? b : a));
    least.examples.push(example);
    least.tokens += lengths[example]!;
  }
  return batches.map((batch) => batch.examples);
}
