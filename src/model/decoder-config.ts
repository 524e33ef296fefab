/** What a decoder-only transformer is, independent of whose checkpoint it came from. */
import { UsageError } from "../errors.js";
import type { RopeScaling } from "./rope.js";

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
  rope: { theta: number; scaling?: RopeScaling };
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

/** Typed access to config.json with errors that name the field. */
export class ConfigFields {
  constructor(
    private readonly fields: Readonly<Record<string, unknown>>,
    private readonly source: string,
  ) {}

  has(name: string): boolean {
    return this.fields[name] !== undefined && this.fields[name] !== null;
  }

  number(name: string, fallback?: number): number {
    const value = this.has(name) ? this.fields[name] : fallback;
    if (typeof value !== "number" || !Number.isFinite(value))
      throw new UsageError(`${this.source}: config field "${name}" must be a number, found ${JSON.stringify(value)}`);
    return value;
  }

  /** A positive whole number, bounded so that a damaged file cannot ask for absurd sizes. */
  size(name: string, fallback?: number): number {
    const value = this.number(name, fallback);
    if (!Number.isInteger(value) || value < 1 || value > 1e9)
      throw new UsageError(
        `${this.source}: config field "${name}" must be a whole number from 1 to 1e9, found ${value}`,
      );
    return value;
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.has(name) ? this.fields[name] : fallback;
    if (typeof value !== "boolean")
      throw new UsageError(
        `${this.source}: config field "${name}" must be true or false, found ${JSON.stringify(value)}`,
      );
    return value;
  }

  raw(name: string): unknown {
    return this.fields[name];
  }

  fail(message: string): never {
    throw new UsageError(`${this.source}: ${message}`);
  }
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
    rope: ropeOf(c),
    attentionScale: 1 / Math.sqrt(headDim),
    embeddingScale: 1,
    bias: { qkv: false, output: false, mlp: false },
    qkNorm: "none",
    slidingWindow: new Array(layers).fill(undefined),
  };
}

/** Rope settings: `rope_theta` and `rope_scaling`, or the newer `rope_parameters` that holds both. */
function ropeOf(c: ConfigFields): DecoderConfig["rope"] {
  const parameters = (c.raw("rope_parameters") ?? {}) as Record<string, unknown>;
  const theta = c.number("rope_theta", typeof parameters.rope_theta === "number" ? parameters.rope_theta : 10_000);
  const scaling = (c.raw("rope_scaling") ?? c.raw("rope_parameters") ?? undefined) as
    | Record<string, unknown>
    | undefined;
  const type = scaling && String(scaling.rope_type ?? scaling.type ?? "default");
  if (!scaling || type === "default") return { theta };
  const number = (name: string): number =>
    typeof scaling[name] === "number" ? (scaling[name] as number) : c.fail(`rope_scaling.${name} must be a number`);
  if (type === "linear") return { theta, scaling: { type, factor: number("factor") } };
  if (type === "llama3")
    return {
      theta,
      scaling: {
        type,
        factor: number("factor"),
        lowFrequencyFactor: number("low_freq_factor"),
        highFrequencyFactor: number("high_freq_factor"),
        originalPositions: number("original_max_position_embeddings"),
      },
    };
  return c.fail(`rope scaling "${type}" is not supported (default, linear and llama3 are)`);
}
