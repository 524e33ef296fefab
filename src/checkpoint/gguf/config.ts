import { FailureError } from "../../errors.js";
import { ropeFrequencies } from "../../model/rope.js";
import type { GgufFile, GgufValue } from "./parse.js";

type Config = Record<string, unknown>;

/** Hugging Face `model_type` → class name, for the architectures that GGUF files name. */
const ARCHITECTURES: Record<string, string> = {
  llama: "LlamaForCausalLM",
  mistral: "MistralForCausalLM",
  qwen2: "Qwen2ForCausalLM",
  qwen3: "Qwen3ForCausalLM",
  gemma2: "Gemma2ForCausalLM",
  gemma3_text: "Gemma3ForCausalLM",
  olmo: "OlmoForCausalLM",
  olmo2: "Olmo2ForCausalLM",
  olmo3: "Olmo3ForCausalLM",
  smollm3: "SmolLM3ForCausalLM",
  granite: "GraniteForCausalLM",
  phi3: "Phi3ForCausalLM",
};

/** Looks up metadata with the architecture's prefix and checks types. */
class Fields {
  constructor(
    readonly path: string,
    readonly metadata: Map<string, GgufValue>,
    readonly architecture: string,
  ) {}

  number(key: string): number | undefined {
    const value = this.metadata.get(`${this.architecture}.${key}`);
    if (value === undefined) return undefined;
    // Some converters store one number a layer; equal ones are one number.
    if (Array.isArray(value) && value.length && value.every((v) => v === value[0]))
      return this.#checked(key, value[0]!);
    return this.#checked(key, value);
  }

  #checked(key: string, value: GgufValue): number {
    if (typeof value !== "number" || !Number.isFinite(value)) {
      throw new FailureError(`${this.path}: metadata ${this.architecture}.${key} is not one number`);
    }
    return value;
  }

  required(key: string): number {
    const value = this.number(key);
    if (value === undefined) throw new FailureError(`${this.path}: metadata ${this.architecture}.${key} is missing`);
    return value;
  }
}

/** The architecture a GGUF file names, as written there. */
export function ggufArchitecture(gguf: GgufFile): string {
  const name = gguf.metadata.get("general.architecture");
  if (typeof name !== "string" || !/^[\w.-]{1,64}$/.test(name)) {
    throw new FailureError(`${gguf.file.path}: metadata general.architecture is missing or not a name`);
  }
  return name;
}

/** Rebuilds config.json's fields from GGUF metadata and tensor shapes. Unknown architectures keep their name as `model_type`. */
export function ggufConfig(gguf: GgufFile, readFactors: (name: string) => Float32Array): Config {
  const architecture = ggufArchitecture(gguf);
  const { metadata, tensors } = gguf;
  const fields = new Fields(gguf.file.path, metadata, architecture);
  const heads = fields.required("attention.head_count");
  const hidden = fields.required("embedding_length");
  const window = fields.number("attention.sliding_window");
  // Mistral is stored as llama and OLMo 3 as olmo2; only the window tells them apart.
  const windowed: Record<string, string> = { llama: "mistral", olmo2: "olmo3" };
  const modelType =
    (window ? windowed[architecture] : undefined) ?? (architecture === "gemma3" ? "gemma3_text" : architecture);
  const vocabulary = metadata.get("tokenizer.ggml.tokens");
  const headDim = fields.number("attention.key_length") ?? hidden / heads;
  const theta = fields.number("rope.freq_base") ?? 10_000;
  const config: Config = {
    model_type: modelType,
    architectures: [ARCHITECTURES[modelType] ?? modelType],
    hidden_size: hidden,
    intermediate_size: fields.required("feed_forward_length"),
    num_hidden_layers: fields.required("block_count"),
    num_attention_heads: heads,
    num_key_value_heads: fields.number("attention.head_count_kv") ?? heads,
    head_dim: headDim,
    max_position_embeddings: fields.number("context_length"),
    vocab_size:
      tensors.get("token_embd.weight")?.shape[0] ??
      fields.number("vocab_size") ??
      (Array.isArray(vocabulary) ? vocabulary.length : undefined),
    hidden_act: architecture.startsWith("gemma") ? "gelu_pytorch_tanh" : "silu",
    rope_theta: theta,
    tie_word_embeddings: !tensors.has("output.weight"),
    attention_bias: tensors.has("blk.0.attn_q.bias"),
    mlp_bias: tensors.has("blk.0.ffn_up.bias"),
    torch_dtype: "float32",
    ...tokenIds(metadata),
  };
  const rmsEpsilon = fields.number("attention.layer_norm_rms_epsilon");
  if (rmsEpsilon !== undefined) config.rms_norm_eps = shortest(rmsEpsilon);
  const layerEpsilon = fields.number("attention.layer_norm_epsilon");
  if (layerEpsilon !== undefined) config.layer_norm_eps = shortest(layerEpsilon);
  if (window) config.sliding_window = window;
  const clip = fields.number("attention.clamp_kqv");
  if (clip) config.clip_qkv = clip;
  Object.assign(
    config,
    familyFields(fields, architecture, { layers: config.num_hidden_layers as number, share: hidden / heads, headDim }),
  );
  const rotated = fields.number("rope.dimension_count") ?? headDim;
  if (rotated !== headDim) config.partial_rotary_factor = rotated / headDim;
  return { ...config, ...ropeScaling(gguf, fields, config, readFactors) };
}

/** What only some families have. @param share hidden size ÷ heads. */
function familyFields(
  fields: Fields,
  architecture: string,
  { layers, share, headDim }: { layers: number; share: number; headDim: number },
): Config {
  const added: Config = {};
  if (architecture === "gemma2") {
    added.hidden_activation = "gelu_pytorch_tanh";
    added.attn_logit_softcapping = fields.number("attn_logit_softcapping") ?? 50;
    added.final_logit_softcapping = fields.number("final_logit_softcapping") ?? 30;
    // The 27B model alone divides by hidden/heads instead of the head's size; the metadata does not say so.
    added.query_pre_attn_scalar = layers === 46 ? share : headDim;
  }
  if (architecture === "gemma3") {
    added.hidden_activation = "gelu_pytorch_tanh";
    added.final_logit_softcapping = fields.number("final_logit_softcapping") || undefined;
    // As with Gemma 2, the 27B model alone, of 62 layers.
    added.query_pre_attn_scalar = layers === 62 ? share : headDim;
    added.rope_local_base_freq = fields.number("rope.freq_base_swa") ?? 10_000;
    added.sliding_window_pattern = fields.number("attention.sliding_window_pattern") ?? 6;
  }
  if (architecture === "granite") {
    const factor = (key: string): number => shortest(fields.number(key) ?? 1);
    added.embedding_multiplier = factor("embedding_scale");
    added.residual_multiplier = factor("residual_scale");
    added.attention_multiplier = factor("attention.scale");
    added.logits_scaling = factor("logit_scale");
  }
  return added;
}

/** How rotary frequencies are scaled, from the metadata and the factors that lie among the tensors. */
function ropeScaling(
  gguf: GgufFile,
  fields: Fields,
  config: Config,
  readFactors: (name: string) => Float32Array,
): Config {
  const { metadata, tensors } = gguf;
  if (tensors.has("rope_factors_short.weight")) {
    const numbers = (name: string): number[] => Array.from(readFactors(name), shortest);
    const original = fields.number("rope.scaling.original_context_length");
    return {
      original_max_position_embeddings: original ?? config.max_position_embeddings,
      rope_scaling: {
        rope_type: "longrope",
        short_factor: numbers("rope_factors_short.weight"),
        long_factor: tensors.has("rope_factors_long.weight") ? numbers("rope_factors_long.weight") : undefined,
        attention_factor: fields.number("rope.scaling.attn_factor"),
      },
    };
  }
  const { head_dim: headDim, rope_theta: theta } = config as { head_dim: number; rope_theta: number };
  if (tensors.has("rope_freqs.weight"))
    return { rope_scaling: llama3Scaling(gguf.file.path, readFactors("rope_freqs.weight"), headDim, theta) };
  const type = metadata.get(`${ggufArchitecture(gguf)}.rope.scaling.type`);
  if (typeof type !== "string" || type === "none") return {};
  if (type === "linear") {
    if ((fields.number("rope.scaling.factor") ?? 1) === 1) return {};
    return { rope_scaling: { rope_type: "linear", factor: fields.required("rope.scaling.factor") } };
  }
  return {
    rope_scaling: {
      rope_type: type,
      factor: fields.number("rope.scaling.factor"),
      original_max_position_embeddings: fields.number("rope.scaling.original_context_length"),
    },
  };
}

/** generation_config.json's fields; `eos_token_id` lists every id that ends a turn. */
export function ggufGenerationConfig(metadata: Map<string, GgufValue>): Config {
  const ids = tokenIds(metadata);
  const ends = [
    ids.eos_token_id,
    metadata.get("tokenizer.ggml.eot_token_id"),
    metadata.get("tokenizer.ggml.eom_token_id"),
  ];
  const unique = [...new Set(ends.filter((id) => typeof id === "number"))];
  return unique.length > 1 ? { ...ids, eos_token_id: unique } : ids;
}

function tokenIds(metadata: Map<string, GgufValue>): Config {
  const ids: Config = {};
  for (const [key, name] of [
    ["bos_token_id", "bos"],
    ["eos_token_id", "eos"],
    ["pad_token_id", "padding"],
  ] as const) {
    const id = metadata.get(`tokenizer.ggml.${name}_token_id`);
    if (typeof id === "number") ids[key] = id;
  }
  return ids;
}

/** The shortest decimal that has this fp32 value: 9.999999747378752e-06 was written as 1e-5. */
function shortest(value: number): number {
  for (let digits = 1; digits < 10; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === Math.fround(value)) return candidate;
  }
  return value;
}

/**
 * Finds Llama 3's four rope parameters from the divisors that GGUF stores instead. Published models share low and high
 * frequency factors 1 and 4 and have a power of two as original length; divisors made otherwise are refused.
 */
function llama3Scaling(path: string, divisors: Float32Array, headDim: number, theta: number): Config {
  const factor = Math.max(...divisors);
  for (let originalPositions = 16; originalPositions <= 1 << 20; originalPositions *= 2) {
    const scaling = {
      type: "llama3" as const,
      factor,
      lowFrequencyFactor: 1,
      highFrequencyFactor: 4,
      originalPositions,
    };
    const plain = ropeFrequencies(headDim, theta);
    const scaled = ropeFrequencies(headDim, theta, scaling);
    if (divisors.length === plain.length && divisors.every((d, i) => Math.abs(plain[i]! / scaled[i]! / d - 1) < 1e-4)) {
      return {
        rope_type: "llama3",
        factor,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: originalPositions,
      };
    }
  }
  throw new FailureError(
    `${path}: the rope divisors in rope_freqs.weight are not those of Llama 3; use the model's Hugging Face folder`,
  );
}
