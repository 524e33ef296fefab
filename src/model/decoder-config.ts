/** What a decoder-only transformer is, independent of whose checkpoint it came from. */
import type { BlockSpec, NormSpec } from "./block-spec.js";
import type { ConfigFields } from "./config-fields.js";
import type { Rope } from "./rope.js";

/** Where a checkpoint has the weights outside of its blocks, and what its blocks are called. */
export interface CheckpointNames {
  /** Block i is `BLOCKS.i.`; so PEFT has it as well. */
  blocks: string;
  embedding: string;
  /** Learned positions [maxPositions, hidden], added to the embeddings (GPT-2). */
  positions?: string;
  /** As the family calls it; in loaded weights as its checkpoint does. */
  head: string;
}

export interface DecoderConfig {
  architecture: string;
  vocabSize: number;
  hiddenSize: number;
  layers: number;
  heads: number;
  /** Key/value heads; each serves heads / kvHeads query heads (grouped-query attention). */
  kvHeads: number;
  headDim: number;
  /** Tokens of the longest text that is read. */
  maxPositions: number;
  /** Output projection shares the embedding matrix. */
  tiedEmbeddings: boolean;
  /** Every block: one graph serves them all. What differs between layers comes in as their inputs, the two lists below. */
  block: BlockSpec;
  /** Rotary positions of each layer; layers with the same settings share one object. */
  rope: readonly Rope[];
  /** Tokens each layer looks back on, itself included; undefined where it sees all. One entry a layer. */
  slidingWindow: readonly (number | undefined)[];
  /** Factor of the attention scores, usually 1/√headDim. */
  attentionScale: number;
  attentionSoftCap?: number;
  finalNorm: NormSpec;
  finalSoftCap?: number;
  /** Factor of the logits (Granite), before the soft cap. */
  logitScale: number;
  /** Factor of the embeddings (Gemma: √hiddenSize). */
  embeddingScale: number;
  names: CheckpointNames;
}

/** How one family's config.json becomes a DecoderConfig. One file in architectures/ each. */
export interface Architecture {
  /** Values of `model_type` in config.json. */
  modelTypes: readonly string[];
  /** Fields of its config.json that it does not read because they change nothing here. */
  withoutEffect?: readonly string[];
  configure(fields: ConfigFields): DecoderConfig;
}
