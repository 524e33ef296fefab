/** Runs prompts through the model, several in one packed row, and fills the cache with their keys and values. */
import type { Adapter } from "../model/adapter.js";
import type { PackedModel } from "../model/packed-model.js";
import type { KvCache } from "./kv-cache.js";
import { type PlacedSequence, planRows } from "./score-plan.js";

/** Tokens of prompts that go through the model together, what prompts share counted once. */
export const PREFILL_TOKENS = 512;

/** Row lengths: no more of them than compiled graphs are kept, so that none is compiled twice. */
const LENGTHS = [32, 64, 128, 192, 320, PREFILL_TOKENS];

function prefillLength(tokens: number): number {
  return LENGTHS.find((length) => length >= tokens) ?? Math.ceil(tokens / 256) * 256;
}

/**
 * Opens one slot per prompt, in order. What prompts have in common at their beginnings (a system message) is computed
 * once for each row.
 * @param prompts token ids, each at least one; together about PREFILL_TOKENS, or a single longer one.
 * @returns logits after each prompt's last token, [prompts, vocab].
 */
export async function prefill(
  model: PackedModel,
  cache: KvCache,
  prompts: readonly (readonly number[])[],
  adapter?: Adapter,
): Promise<Float32Array> {
  const longest = Math.max(...prompts.map((prompt) => prompt.length), ...cache.lengths);
  cache.reserve(cache.slots + prompts.length, longest + 1);
  const first = cache.slots;
  for (const prompt of prompts) cache.add(prompt.length);
  const { vocabSize } = model.config;
  const logits = new Float32Array(prompts.length * vocabSize);
  for (const { row, sequences } of planRows(prompts, { rowTokens: PREFILL_TOKENS, length: prefillLength })) {
    const placed = sequences.map((sequence) => ({
      slot: first + sequence.index,
      runs: runs(sequence, prompts[sequence.index]!.length),
    }));
    const hidden = await model.hidden(row, {
      adapter,
      onKeysValues(layer, kv) {
        for (const { slot, runs } of placed)
          for (const { position, start, length } of runs) cache.fill(slot, layer, kv, start, length, position);
      },
    });
    const ends = sequences.map(({ index, at }) => at(prompts[index]!.length - 1));
    const found = await model.logits(hidden, ends);
    sequences.forEach(({ index }, i) => {
      logits.set(found.subarray(i * vocabSize, (i + 1) * vocabSize), index * vocabSize);
    });
  }
  return logits;
}

/** A sequence as stretches that lie without gaps in the row. */
function runs({ at }: PlacedSequence, count: number): { position: number; start: number; length: number }[] {
  const found: { position: number; start: number; length: number }[] = [];
  for (let i = 0; i < count; i++) {
    const last = found.at(-1);
    if (last && at(i) === last.start + last.length) last.length++;
    else found.push({ position: i, start: at(i), length: 1 });
  }
  return found;
}
