/** Log-probabilities of a prompt's own tokens, for completions that echo their prompt. */
import { UsageError } from "../errors.js";
import type { Generator } from "../generate/generator.js";
import { encodePrompt } from "../generate/prompt.js";
import { logProbabilities } from "../generate/sampler.js";
import { PackedModel } from "../model/packed-model.js";
import { packRow } from "../model/packed-row.js";
import type { PromptInput, ReadPrompt } from "./backend.js";

/** Positions whose logits are held at once. */
const BLOCK = 64;

export class PromptReader {
  private readonly packed: PackedModel;
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly generator: Generator) {
    // Shares the weights with the generator and has graphs of its own, so it may run beside it.
    this.packed = new PackedModel(generator.model.weights, generator.device);
  }

  /** One prompt at a time: the forward pass uses all threads anyway. */
  read(input: PromptInput, top: number, signal?: AbortSignal): Promise<ReadPrompt> {
    const result = this.last.then(() => this.compute(input, top, signal));
    this.last = result.catch(() => {});
    return result;
  }

  private async compute(input: PromptInput, top: number, signal?: AbortSignal): Promise<ReadPrompt> {
    signal?.throwIfAborted();
    const { tokenizer, model } = this.generator;
    const { vocabSize, maxPositions } = model.config;
    const tokens = input.tokens ? [...input.tokens] : encodePrompt(tokenizer, input.prompt ?? "");
    if (tokens.length === 0) tokens.push(tokenizer.bosId ?? tokenizer.eosId ?? 0);
    if (tokens.length > maxPositions)
      throw new UsageError(`the prompt has ${tokens.length} tokens, the model reads ${maxPositions}`);
    const strange = tokens.find((token) => !(token >= 0 && token < vocabSize));
    if (strange !== undefined)
      throw new UsageError(`token ${strange} of the prompt is outside the model's vocabulary of ${vocabSize}`);
    const chosen = model.adapters.find(({ name }) => name === input.adapter);
    const hidden = await this.packed.hidden(packRow([tokens]), { adapter: chosen?.adapter });
    const text = (id: number): string => tokenizer.decode([id]);
    const logprobs: ReadPrompt["logprobs"] = [];
    for (let from = 0; from < tokens.length - 1; from += BLOCK) {
      signal?.throwIfAborted();
      const positions = Array.from({ length: Math.min(BLOCK, tokens.length - 1 - from) }, (_, i) => from + i);
      const logits = await this.packed.logits(hidden, positions);
      for (const [i, position] of positions.entries()) {
        const token = tokens[position + 1]!;
        const found = logProbabilities(logits.subarray(i * vocabSize, (i + 1) * vocabSize), token, top);
        logprobs.push({
          token: text(token),
          logprob: found.logprob,
          top: found.top.map((entry) => ({ token: text(entry.token), logprob: entry.logprob })),
        });
      }
    }
    return { tokens, logprobs };
  }
}
