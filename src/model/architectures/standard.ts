/** Llama's way of naming and arranging things, which most families share but for a few settings. */
import type { Activation, BlockSpec, LinearSpec, NormSpec } from "../block-spec.js";
import type { ConfigFields } from "../config-fields.js";
import type { DecoderConfig } from "../decoder-config.js";
import type { Rope } from "../rope.js";
import { ropeFields, ropeOf } from "../rope-config.js";

/** Where a block normalises: before attention and MLP (Llama), after them (OLMo 2), or both (Gemma 2). */
export type NormPlacement = "before" | "after" | "both";

/** Names of a block's parts. */
export interface BlockNames {
  qkv: readonly string[];
  output: string;
  mlpInput: readonly string[];
  down: string;
  queryNorm?: string;
  keyNorm?: string;
  norms: Partial<Record<NormPlacement, BlockNormNames>>;
}

type BlockNormNames = Partial<Record<keyof BlockSpec["norms"], string>>;

export const LLAMA_NAMES: BlockNames = {
  qkv: ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
  output: "self_attn.o_proj",
  mlpInput: ["mlp.gate_proj", "mlp.up_proj"],
  down: "mlp.down_proj",
  queryNorm: "self_attn.q_norm",
  keyNorm: "self_attn.k_norm",
  norms: {
    before: { beforeAttention: "input_layernorm", beforeMlp: "post_attention_layernorm" },
    after: { afterAttention: "post_attention_layernorm", afterMlp: "post_feedforward_layernorm" },
    both: {
      beforeAttention: "input_layernorm",
      afterAttention: "post_attention_layernorm",
      beforeMlp: "pre_feedforward_layernorm",
      afterMlp: "post_feedforward_layernorm",
    },
  },
};

/** A family's settings, from which its blocks follow. */
export interface StandardSettings extends Omit<DecoderConfig, "block" | "finalNorm"> {
  intermediateSize: number;
  activation: Activation;
  gated: boolean;
  norm: {
    kind: "rms" | "layer";
    epsilon: number;
    weighted: boolean;
    bias: boolean;
    offset: 0 | 1;
    placement: NormPlacement;
  };
  bias: { qkv: boolean; output: boolean; mlp: boolean };
  /** Norm of queries and keys: of each head (Qwen 3), or of the whole projection (OLMo 2). */
  qkNorm: "none" | "head" | "projection";
  /** Queries, keys and values are limited to ±this (OLMo). */
  clipQkv?: number;
  residual: BlockSpec["residual"];
  residualScale: number;
  blockNames: BlockNames;
  finalNormName: string;
  /** One layer for queries, keys and values has them in turn for each head. */
  byHead: boolean;
  /** Linear layers lie transposed in checkpoints. */
  transposed: boolean;
}

/** The fields that nearly all families share, with Llama's meaning and defaults. */
export function standardSettings(
  architecture: string,
  c: ConfigFields,
  fallback: { intermediate_size?: number } = {},
): StandardSettings {
  const hiddenSize = c.size("hidden_size", undefined, 1 << 20);
  const layers = c.size("num_hidden_layers", undefined, 10_000);
  const heads = c.size("num_attention_heads", undefined, 1 << 16);
  const kvHeads = c.size("num_key_value_heads", heads);
  if (!c.has("head_dim") && hiddenSize % heads) c.fail(`hidden_size ${hiddenSize} is not a multiple of ${heads} heads`);
  if (heads % kvHeads) c.fail(`${heads} attention heads are not a multiple of ${kvHeads} key/value heads`);
  const headDim = c.size("head_dim", hiddenSize / heads, 1 << 16);
  const fields = ropeFields(c);
  return {
    architecture,
    vocabSize: c.size("vocab_size", undefined, 1 << 26),
    hiddenSize,
    layers,
    heads,
    kvHeads,
    headDim,
    intermediateSize: c.size("intermediate_size", fallback.intermediate_size, 1 << 24),
    maxPositions: c.size("max_position_embeddings", 2048),
    tiedEmbeddings: c.boolean("tie_word_embeddings", false),
    activation: activationOf(c, c.raw("hidden_activation") ?? c.raw("hidden_act") ?? "silu"),
    gated: true,
    norm: {
      kind: "rms",
      epsilon: c.number("rms_norm_eps", 1e-6),
      weighted: true,
      bias: false,
      offset: 0,
      placement: "before",
    },
    rope: new Array<Rope>(layers).fill(ropeOf(c, headDim, fields)),
    attentionScale: 1 / Math.sqrt(headDim),
    embeddingScale: 1,
    logitScale: 1,
    bias: { qkv: false, output: false, mlp: false },
    qkNorm: "none",
    slidingWindow: new Array(layers).fill(undefined),
    residual: "sequential",
    residualScale: 1,
    blockNames: LLAMA_NAMES,
    byHead: false,
    transposed: false,
    finalNormName: "model.norm",
    names: { blocks: "model.layers", embedding: "model.embed_tokens.weight", head: "lm_head.weight" },
  };
}

const ACTIVATIONS: Record<string, Activation> = {
  silu: "silu",
  swish: "silu",
  gelu: "gelu",
  gelu_new: "gelu-tanh",
  gelu_fast: "gelu-tanh",
  gelu_pytorch_tanh: "gelu-tanh",
};

export function activationOf(c: ConfigFields, name: unknown): Activation {
  return ACTIVATIONS[String(name)] ?? c.fail(`activation "${name}" is not supported`);
}

/** The model that the settings describe. */
export function standardDecoder(settings: StandardSettings): DecoderConfig {
  const { intermediateSize, activation, gated, norm, bias, qkNorm, clipQkv, residual, residualScale, ...rest } =
    settings;
  const { blockNames, finalNormName, byHead, transposed, ...config } = rest;
  const { hiddenSize, heads, kvHeads, headDim } = config;
  const normOf = (name: string, size: number): NormSpec => ({
    kind: norm.kind,
    size,
    epsilon: norm.epsilon,
    offset: norm.offset,
    ...(norm.weighted ? { weight: `${name}.weight` } : {}),
    ...(norm.bias ? { bias: `${name}.bias` } : {}),
  });
  const names = blockNames.norms[norm.placement]!;
  const norms = Object.fromEntries(
    Object.entries(names).map(([place, name]) => [place, normOf(name, hiddenSize)]),
  ) as BlockSpec["norms"];
  const qkNormOf = (name: string | undefined, count: number): NormSpec | undefined =>
    qkNorm === "none" || name === undefined ? undefined : normOf(name, qkNorm === "head" ? headDim : count * headDim);

  const parts = (layers: readonly string[], sizes: readonly number[]): (readonly [string, number])[] =>
    layers.length === sizes.length
      ? layers.map((name, i) => [name, sizes[i]!] as const)
      : [[layers[0]!, sizes.reduce((a, b) => a + b, 0)]];
  const linear = (name: string, out: number, width: number, withBias: boolean, reads?: NormSpec): LinearSpec => ({
    name,
    shape: [out, width],
    bias: withBias,
    transposed,
    ...(reads ? { reads } : {}),
  });
  const { qkv, output, mlpInput, down } = blockNames;
  const linears = [
    ...parts(qkv, [heads * headDim, kvHeads * headDim, kvHeads * headDim]).map(([name, size]) =>
      linear(name, size, hiddenSize, bias.qkv, norms.beforeAttention),
    ),
    linear(output, hiddenSize, heads * headDim, bias.output),
    ...parts(mlpInput, gated ? [intermediateSize, intermediateSize] : [intermediateSize]).map(([name, size]) =>
      linear(name, size, hiddenSize, bias.mlp, norms.beforeMlp),
    ),
    linear(down, hiddenSize, intermediateSize, bias.mlp),
  ];
  const limits = config.rope.flatMap(({ limit }) => limit ?? []);
  return {
    ...config,
    maxPositions: Math.min(config.maxPositions, ...limits),
    finalNorm: normOf(finalNormName, hiddenSize),
    block: {
      linears,
      attention: {
        qkv,
        byHead,
        output,
        queryNorm: qkNormOf(blockNames.queryNorm, heads),
        keyNorm: qkNormOf(blockNames.keyNorm, kvHeads),
        clip: clipQkv,
      },
      mlp: { activation, gated, input: mlpInput, down, width: intermediateSize },
      norms,
      residual,
      residualScale,
    },
  };
}
