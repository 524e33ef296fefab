/** Runs prompts through the model and keeps their keys and values, several in one packed row. */
import type { Adapter } from "../model/adapter.js";
import type { PackedModel } from "../model/packed-model.js";
import { KvCache } from "./kv-cache.js";
import type { PrefixCache, ReadPrompt } from "./prefix-cache.js";
import { type PlacedSequence, planRows } from "./score-plan.js";

/** Tokens of prompts that go through the model together, what prompts share counted once. */
export const PREFILL_TOKENS = 512;

/** Row lengths: no more of them than compiled graphs are kept, so that none is compiled twice. */
const LENGTHS = [32, 64, 128, 192, 320, PREFILL_TOKENS];

function prefillLength(tokens: number): number {
  return LENGTHS.find((length) => length >= tokens) ?? Math.ceil(tokens / 256) * 256;
}

export interface PrefillOptions {
  adapter?: Adapter;
  /** Prompts read before; those read now are added. */
  memory?: PrefixCache;
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
  { adapter, memory, signal }: PrefillOptions = {},
): Promise<ReadPrompt[]> {
  const { vocabSize } = model.config;
  const found = prompts.map((prompt) => memory?.get(prompt, adapter));
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
