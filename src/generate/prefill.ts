/** Runs prompts through the model, several in one packed row, and fills the cache with their keys and values. */
import type { Adapter } from "../model/adapter.js";
import type { PackedModel } from "../model/packed-model.js";
import type { KvCache } from "./kv-cache.js";
import type { PromptMemory, ReadPrompt } from "./prompt-memory.js";
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
 * once for each row, and what is remembered is not computed at all.
 * @param prompts token ids, each at least one; together about PREFILL_TOKENS, or a single longer one.
 * @returns logits after each prompt's last token, [prompts, vocab].
 */
export async function prefill(
  model: PackedModel,
  cache: KvCache,
  prompts: readonly (readonly number[])[],
  adapter?: Adapter,
  memory?: PromptMemory,
): Promise<Float32Array> {
  const { vocabSize, kvHeads, headDim, layers } = model.config;
  const width = kvHeads * headDim;
  const longest = Math.max(...prompts.map((prompt) => prompt.length), ...cache.lengths);
  cache.reserve(cache.slots + prompts.length, longest + 1);
  const first = cache.slots;
  for (const prompt of prompts) cache.add(prompt.length);
  const logits = new Float32Array(prompts.length * vocabSize);
  const known = prompts.map((prompt) => memory?.get(prompt, adapter));
  known.forEach((read, i) => {
    read?.layers.forEach((kv, layer) => void cache.fill(first + i, layer, kv, 0, prompts[i]!.length));
    if (read) logits.set(read.logits, i * vocabSize);
  });
  const unknown = prompts.map((_, i) => i).filter((i) => !known[i]);
  const rows = planRows(
    unknown.map((i) => prompts[i]!),
    { rowTokens: PREFILL_TOKENS, length: prefillLength },
  );
  for (const { row, sequences } of rows) {
    const placed = sequences.map((sequence) => {
      const index = unknown[sequence.index]!;
      const prompt = prompts[index]!;
      const kept: ReadPrompt | undefined = memory?.takes(4 * (2 * layers * width * prompt.length + vocabSize))
        ? { layers: [], logits: new Float32Array(vocabSize) }
        : undefined;
      return { index, prompt, kept, runs: runs(sequence, prompt.length), end: sequence.at(prompt.length - 1) };
    });
    const hidden = await model.hidden(row, {
      adapter,
      onKeysValues(layer, kv) {
        for (const { index, prompt, kept, runs } of placed) {
          for (const { position, start, length } of runs) cache.fill(first + index, layer, kv, start, length, position);
          kept?.layers.push({
            k: gathered(kv.k, runs, prompt.length, width),
            v: gathered(kv.v, runs, prompt.length, width),
          });
        }
      },
    });
    const found = await model.logits(
      hidden,
      placed.map(({ end }) => end),
    );
    placed.forEach(({ index, prompt, kept }, i) => {
      const own = found.subarray(i * vocabSize, (i + 1) * vocabSize);
      logits.set(own, index * vocabSize);
      if (!kept) return;
      kept.logits.set(own);
      memory?.put(prompt, adapter, kept);
    });
  }
  return logits;
}

interface Run {
  /** Place in the prompt, and in the row. */
  position: number;
  start: number;
  length: number;
}

/** The lines of a row that belong to a prompt, in its order. */
function gathered(lines: Float32Array, runs: readonly Run[], count: number, width: number): Float32Array {
  const out = new Float32Array(count * width);
  for (const { position, start, length } of runs)
    out.set(lines.subarray(start * width, (start + length) * width), position * width);
  return out;
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
