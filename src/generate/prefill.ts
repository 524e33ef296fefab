/** Runs prompts through the model, several in one packed row, and fills the cache with their keys and values. */
import type { Adapter } from "../model/adapter.js";
import type { PackedModel } from "../model/packed-model.js";
import { packRow } from "../model/packed-row.js";
import type { KvCache } from "./kv-cache.js";

/** Tokens of prompts that go through the model together. */
export const PREFILL_TOKENS = 512;

/** Row lengths: few of them, so that compiled graphs are used again; at most a third is padding. */
const LENGTHS = [32, 48, 64, 96, 128, 192, 256, 384, 512];

function prefillLength(tokens: number): number {
  return LENGTHS.find((length) => length >= tokens) ?? Math.ceil(tokens / 256) * 256;
}

/**
 * Opens one slot per prompt, in order.
 * @param prompts token ids, each at least one; together about PREFILL_TOKENS, or a single longer one.
 * @returns logits after each prompt's last token, [prompts, vocab].
 */
export async function prefill(
  model: PackedModel,
  cache: KvCache,
  prompts: readonly (readonly number[])[],
  adapter?: Adapter,
): Promise<Float32Array> {
  const total = prompts.reduce((sum, prompt) => sum + prompt.length, 0);
  const row = packRow(prompts, prefillLength(total));
  const longest = Math.max(...prompts.map((prompt) => prompt.length), ...cache.lengths);
  cache.reserve(cache.slots + prompts.length, longest + 1);
  const first = cache.slots;
  for (const prompt of prompts) cache.add(prompt.length);
  const hidden = await model.hidden(row, {
    adapter,
    onKeysValues(layer, kv) {
      let start = 0;
      prompts.forEach((prompt, i) => {
        cache.fill(first + i, layer, kv, start, prompt.length);
        start += prompt.length;
      });
    },
  });
  let end = -1;
  return model.logits(
    hidden,
    prompts.map((prompt) => (end += prompt.length)),
  );
}
