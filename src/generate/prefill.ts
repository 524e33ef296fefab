/** Runs prompts through the model and keeps their keys and values, several in one packed row. */
import type { Adapter } from "../model/adapter.js";
import type { PackedModel } from "../model/packed-model.js";
import { packRow } from "../model/packed-row.js";
import { KvCache } from "./kv-cache.js";
import type { PrefixCache, ReadPrompt } from "./prefix-cache.js";
import { type PlacedSequence, planRows } from "./score-plan.js";

/** Tokens of prompts that go through the model together, what prompts share counted once. */
export const PREFILL_TOKENS = 512;

/** Row lengths: no more of them than compiled graphs are kept, so that none is compiled twice. */
const LENGTHS = [32, 64, 128, 192, 320, PREFILL_TOKENS];

/** Row lengths of texts that go on, which are often short. */
const CONTINUED_LENGTHS = [16, 32, 48, 64, 96, 128, 192, 320, PREFILL_TOKENS];
/** Tokens read before from which on it is worth a row of its own to go on from them. */
const LEAST_PAST = 32;

const continuedLength = (tokens: number): number => CONTINUED_LENGTHS.find((length) => length >= tokens)!;

function prefillLength(tokens: number): number {
  return LENGTHS.find((length) => length >= tokens) ?? Math.ceil(tokens / 256) * 256;
}

export interface PrefillOptions {
  adapter?: Adapter;
  /** Prompts read before; those read now are added. */
  memory?: PrefixCache;
  /** Go on from what was read before where a prompt begins so, in place of knowing whole prompts only. */
  continues?: boolean;
  /** Ends the reading between two layers. */
  signal?: Pick<AbortSignal, "throwIfAborted">;
}

/**
 * Reads prompts. What they have in common at their beginnings (a system message) is computed once for each row, and what is
 * remembered is not computed at all.
 * @param prompts token ids, each at least one; together about PREFILL_TOKENS, or a single longer one.
 */
export async function prefill(
  model: PackedModel,
  prompts: readonly (readonly number[])[],
  options: PrefillOptions = {},
): Promise<ReadPrompt[]> {
  const { adapter, memory, signal } = options;
  const { vocabSize } = model.config;
  const found = prompts.map((prompt) => memory?.get(prompt, adapter));
  if (memory && options.continues)
    for (const [i, prompt] of prompts.entries()) {
      if (found[i]) continue;
      const begun = memory.longest(prompt, adapter);
      const length = Math.min(begun?.length ?? 0, prompt.length - 1);
      if (!begun || length < LEAST_PAST) continue;
      const cache = begun.cache.extract(0, length, prompt.length + 1);
      const logits = await readOn(model, prompt, cache, options);
      found[i] = { cache, length: prompt.length, logits };
      memory.put(prompt, adapter, cache, logits);
    }
  const unknown = prompts.map((_, i) => i).filter((i) => !found[i]);
  const rows = planRows(
    unknown.map((i) => prompts[i]!),
    { rowTokens: PREFILL_TOKENS, length: prefillLength },
  );
  for (const { row, sequences } of rows) {
    const placed = sequences.map((sequence) => {
      const index = unknown[sequence.index]!;
      const prompt = prompts[index]!;
      const cache = KvCache.single(model.config, prompt.length);
      return { index, prompt, cache, runs: runs(sequence, prompt.length), end: sequence.at(prompt.length - 1) };
    });
    const hidden = await model.hidden(row, {
      adapter,
      signal,
      onKeysValues(layer, kv) {
        for (const { cache, runs } of placed)
          for (const { position, start, length } of runs) cache.fill(0, layer, kv, start, length, position);
      },
    });
    const logits = await model.logits(
      hidden,
      placed.map(({ end }) => end),
    );
    placed.forEach(({ index, prompt, cache }, i) => {
      cache.advance(prompt.length);
      const own = logits.slice(i * vocabSize, (i + 1) * vocabSize);
      found[index] = { cache, length: prompt.length, logits: own };
      memory?.put(prompt, adapter, cache, own);
    });
  }
  return found as ReadPrompt[];
}

/** Reads the rest of a prompt into the cache that holds its beginning. @returns the logits after it. */
async function readOn(
  model: PackedModel,
  prompt: readonly number[],
  cache: KvCache,
  { adapter, signal }: PrefillOptions,
): Promise<Float32Array> {
  for (;;) {
    const from = cache.lengths[0]!;
    const count = Math.min(PREFILL_TOKENS, prompt.length - from);
    const row = packRow([prompt.slice(from, from + count)], continuedLength(count));
    for (let i = 0; i < row.positions.length; i++) row.positions[i] = from + i;
    const hidden = await model.hidden(row, {
      adapter,
      signal,
      past: cache.past(0),
      onKeysValues: (layer, kv) => cache.fill(0, layer, kv, 0, count, from),
    });
    cache.advance(count);
    if (from + count === prompt.length) return model.logits(hidden, [count - 1]);
  }
}

interface Run {
  /** Place in the prompt, and in the row. */
  position: number;
  start: number;
  length: number;
}

/** A sequence as stretches that lie without gaps in the row. */
function runs({ at }: PlacedSequence, count: number): Run[] {
  const found: Run[] = [];
  for (let i = 0; i < count; i++) {
    const last = found.at(-1);
    if (last && at(i) === last.start + last.length) last.length++;
    else found.push({ position: i, start: at(i), length: 1 });
  }
  return found;
}
