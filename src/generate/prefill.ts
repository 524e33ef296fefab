/** Runs prompts through the model and keeps their keys and values, several in one packed row. */
import type { Adapter } from "../model/adapter.js";
import type { LayerKeysValues, PackedModel } from "../model/packed-model.js";
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
      found[i] = await readOn(model, prompt, { cache: begun.cache, length }, options);
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

/** Reads the rest of a prompt whose beginning is cached. */
async function readOn(
  model: PackedModel,
  prompt: readonly number[],
  begun: { cache: KvCache; length: number },
  options: PrefillOptions,
): Promise<ReadPrompt> {
  const { adapter, memory, signal } = options;
  const { length: from } = begun;
  const count = Math.min(PREFILL_TOKENS, prompt.length - from);
  const row = packRow([prompt.slice(from, from + count)], continuedLength(count));
  // Padding stays within the model's positions.
  for (let i = 0; i < row.positions.length; i++) row.positions[i] = from + Math.min(i, count - 1);
  const width = model.config.kvHeads * model.config.headDim;
  const own: LayerKeysValues[] = [];
  const hidden = await model.hidden(row, {
    adapter,
    signal,
    past: begun.cache.past(0, from),
    onKeysValues: (_, { k, v }) => void own.push({ k: k.slice(0, count * width), v: v.slice(0, count * width) }),
  });
  const whole = (): KvCache => {
    const cache = begun.cache.extract(0, from, prompt.length + 1);
    own.forEach((kv, layer) => void cache.fill(0, layer, kv, 0, count, from));
    cache.advance(count);
    return cache;
  };
  if (from + count < prompt.length) return readOn(model, prompt, { cache: whole(), length: from + count }, options);
  const logits = await model.logits(hidden, [count - 1]);
  // The first token needs the logits alone: what it goes on from is copied when it is out.
  let cache: KvCache | undefined;
  return {
    length: prompt.length,
    logits,
    get cache() {
      if (!cache) memory?.put(prompt, adapter, (cache = whole()), logits);
      return cache!;
    },
  };
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
