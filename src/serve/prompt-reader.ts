/** Log-probabilities of a prompt's own tokens, for completions that echo their prompt. */
import { ContextLengthError, UsageError } from "../errors.js";
import type { Generator } from "../generate/generator.js";
import { encodePrompt } from "../generate/prompt.js";
import { logProbabilities } from "../generate/sampler.js";
import { Graph } from "../graph/index.js";
import { finalNormed, PackedModel } from "../model/packed-model.js";
import { packRow } from "../model/packed-row.js";
import type { Tensor } from "../runtime/device.js";
import { spellToken } from "../tokenizer/token-bytes.js";
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

  read(input: PromptInput, top: number, signal?: AbortSignal): Promise<ReadPrompt> {
    return this.inTurn(() => this.logprobs(input, top, signal));
  }

  /** The mean of the hidden states after the final norm, brought to length 1. */
  embed(input: PromptInput, signal?: AbortSignal): Promise<{ vector: Float32Array; tokens: number }> {
    return this.inTurn(() => this.mean(input, signal));
  }

  /** One prompt at a time: the forward pass uses all threads anyway. */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.last.then(work);
    this.last = result.catch(() => {});
    return result;
  }

  private async hidden(input: PromptInput, signal?: AbortSignal): Promise<{ tokens: number[]; hidden: Tensor }> {
    signal?.throwIfAborted();
    const { tokenizer, model } = this.generator;
    const { vocabSize, maxPositions } = model.config;
    const tokens = input.tokens ? [...input.tokens] : await encodePrompt(tokenizer, input.prompt ?? "");
    if (tokens.length === 0) tokens.push(tokenizer.bosId ?? tokenizer.eosId ?? 0);
    if (tokens.length > maxPositions)
      throw new ContextLengthError(`the prompt has ${tokens.length} tokens, the model reads ${maxPositions}`);
    const strange = tokens.find((token) => !(token >= 0 && token < vocabSize));
    if (strange !== undefined)
      throw new UsageError(`token ${strange} of the prompt is outside the model's vocabulary of ${vocabSize}`);
    const chosen = model.adapters.find(({ name }) => name === input.adapter);
    return { tokens, hidden: await this.packed.hidden(packRow([tokens]), { adapter: chosen?.adapter }) };
  }

  private async mean(input: PromptInput, signal?: AbortSignal): Promise<{ vector: Float32Array; tokens: number }> {
    const { tokens, hidden } = await this.hidden(input, signal);
    const { config } = this.generator.model;
    const { device } = this.generator;
    const graph = new Graph();
    graph.output("y", finalNormed(config, graph.input("x", "float32", hidden.dims)).y);
    const executable = await device.compile(graph, { outputsOn: "host" });
    const { head: _, ...vectors } = await this.packed.headFeeds();
    const feeds: Record<string, Tensor> = { ...vectors, x: hidden };
    // The row is padded behind its tokens.
    const states = ((await executable.run(feeds)).y!.data as Float32Array).subarray(
      0,
      tokens.length * config.hiddenSize,
    );
    await executable.dispose();
    const vector = new Float32Array(config.hiddenSize);
    for (const [i, value] of states.entries()) vector[i % config.hiddenSize]! += value;
    const length = Math.hypot(...vector) || 1;
    return { vector: vector.map((value) => value / length), tokens: tokens.length };
  }

  private async logprobs(input: PromptInput, top: number, signal?: AbortSignal): Promise<ReadPrompt> {
    const { tokens, hidden } = await this.hidden(input, signal);
    const { tokenizer, model } = this.generator;
    const { vocabSize } = model.config;
    const logprobs: ReadPrompt["logprobs"] = [];
    for (let from = 0; from < tokens.length - 1; from += BLOCK) {
      signal?.throwIfAborted();
      const positions = Array.from({ length: Math.min(BLOCK, tokens.length - 1 - from) }, (_, i) => from + i);
      const logits = await this.packed.logits(hidden, positions);
      for (const [i, position] of positions.entries()) {
        const token = tokens[position + 1]!;
        const found = logProbabilities(logits.subarray(i * vocabSize, (i + 1) * vocabSize), token, top);
        logprobs.push({
          ...spellToken(tokenizer, token),
          logprob: found.logprob,
          top: found.top.map((entry) => ({ ...spellToken(tokenizer, entry.token), logprob: entry.logprob })),
        });
      }
    }
    return { tokens, logprobs };
  }
}
