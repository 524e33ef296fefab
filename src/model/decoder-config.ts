/** What a decoder-only transformer is, independent of whose checkpoint it came from. */
import type { ConfigFields } from "./config-fields.js";
import type { Rope } from "./rope.js";
import { ropeFields, ropeOf } from "./rope-config.js";

export type Activation = "silu" | "gelu-tanh" | "gelu";

/** Where a block normalises: before attention and MLP (Llama), after them (OLMo 2), or both (Gemma 2). */
export type NormPlacement = "before" | "after" | "both";

export interface DecoderConfig {
  architecture: string;
  vocabSize: number;
  hiddenSize: number;
  layers: number;
  heads: number;
  /** Key/value heads; each serves heads / kvHeads query heads (grouped-query attention). */
  kvHeads: number;
  headDim: number;
  intermediateSize: number;
  maxPositions: number;
  /** Output projection shares the embedding matrix. */
  tiedEmbeddings: boolean;
  activation: Activation;
  norm: { kind: "rms" | "layer"; epsilon: number; weighted: boolean; offset: 0 | 1; placement: NormPlacement };
  /** Rotary positions of each layer; layers with the same settings share one object. */
  rope: readonly Rope[];
  /** Factor of the attention scores, usually 1/√headDim. */
  attentionScale: number;
  attentionSoftCap?: number;
  finalSoftCap?: number;
  /** Factor of the embeddings (Gemma: √hiddenSize). */
  embeddingScale: number;
  bias: { qkv: boolean; output: boolean; mlp: boolean };
  /** Norm of queries and keys: of each head (Qwen 3), or of the whole projection (OLMo 2). */
  qkNorm: "none" | "head" | "projection";
  /** Queries, keys and values are limited to ±this (OLMo). */
  clipQkv?: number;
  /** Tokens each layer looks back on, itself included; undefined where it sees all. One entry a layer. */
  slidingWindow: (number | undefined)[];
}

/** How one family's config.json becomes a DecoderConfig. One file in architectures/ each. */
export interface Architecture {
  /** Values of `model_type` in config.json. */
  modelTypes: readonly string[];
  configure(fields: ConfigFields): DecoderConfig;
}

const ACTIVATIONS: Record<string, Activation> = {
  silu: "silu",
  swish: "silu",
  gelu: "gelu",
  gelu_new: "gelu-tanh",
  gelu_fast: "gelu-tanh",
  gelu_pytorch_tanh: "gelu-tanh",
};

/** The fields that nearly all families share, with Llama's meaning and defaults. */
export function commonConfig(architecture: string, c: ConfigFields): DecoderConfig {
  const hiddenSize = c.size("hidden_size");
  const layers = c.size("num_hidden_layers");
  const heads = c.size("num_attention_heads");
  const kvHeads = c.size("num_key_value_heads", heads);
  if (!c.has("head_dim") && hiddenSize % heads) c.fail(`hidden_size ${hiddenSize} is not a multiple of ${heads} heads`);
  if (heads % kvHeads) c.fail(`${heads} attention heads are not a multiple of ${kvHeads} key/value heads`);
  const headDim = c.size("head_dim", hiddenSize / heads);
  const activationName = String(c.raw("hidden_activation") ?? c.raw("hidden_act") ?? "silu");
  const activation = ACTIVATIONS[activationName] ?? c.fail(`activation "${activationName}" is not supported`);
  return {
    architecture,
    vocabSize: c.size("vocab_size"),
    hiddenSize,
    layers,
    heads,
    kvHeads,
    headDim,
    intermediateSize: c.size("intermediate_size"),
    maxPositions: c.size("max_position_embeddings", 2048),
    tiedEmbeddings: c.boolean("tie_word_embeddings", false),
    activation,
    norm: { kind: "rms", epsilon: c.number("rms_norm_eps", 1e-6), weighted: true, offset: 0, placement: "before" },
    rope: new Array<Rope>(layers).fill(ropeOf(c, headDim, ropeFields(c))),
    attentionScale: 1 / Math.sqrt(headDim),
    embeddingScale: 1,
    bias: { qkv: false, output: false, mlp: false },
    qkNorm: "none",
    slidingWindow: new Array(layers).fill(undefined),
  };
}
