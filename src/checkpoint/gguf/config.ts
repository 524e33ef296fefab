import { familyFields, GPT_CONFIGS } from "./family-fields.js";
import { Fields, ggufArchitecture, shortest } from "./fields.js";
import type { GgufFile, GgufValue } from "./parse.js";
import { ropeScaling } from "./rope-scaling.js";
import type { HeadCounts } from "./row-order.js";

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
  gpt_neox: "GPTNeoXForCausalLM",
  gpt2: "GPT2LMHeadModel",
};

/** Rebuilds config.json's fields from GGUF metadata and tensor shapes. Unknown architectures keep their name as `model_type`. */
export function ggufConfig(gguf: GgufFile, readFactors: (name: string) => Float32Array): Config {
  const architecture = ggufArchitecture(gguf);
  const { metadata, tensors } = gguf;
  const fields = new Fields(gguf.file.path, metadata, architecture);
  const vocabulary = metadata.get("tokenizer.ggml.tokens");
  const shared = {
    vocab_size:
      tensors.get("token_embd.weight")?.shape[0] ??
      fields.number("vocab_size") ??
      (Array.isArray(vocabulary) ? vocabulary.length : undefined),
    tie_word_embeddings: !tensors.has("output.weight"),
    torch_dtype: "float32",
    ...tokenIds(metadata),
  };
  const gpt = Object.hasOwn(GPT_CONFIGS, architecture) ? GPT_CONFIGS[architecture] : undefined;
  const config = gpt ? gpt(fields, tensors) : standardConfig(fields, tensors);
  const named = { ...config, architectures: [ARCHITECTURES[config.model_type as string] ?? config.model_type] };
  return { ...named, ...shared, ...ropeScaling(gguf, fields, config, readFactors) };
}

function standardConfig(fields: Fields, tensors: GgufFile["tensors"]): Config {
  const { architecture } = fields;
  const { heads, kvHeads } = headCounts(fields);
  const hidden = fields.required("embedding_length");
  const window = fields.number("attention.sliding_window");
  // Mistral is stored as llama and OLMo 3 as olmo2; only the window tells them apart.
  const windowed: Record<string, string> = { llama: "mistral", olmo2: "olmo3" };
  const modelType =
    (window ? windowed[architecture] : undefined) ?? (architecture === "gemma3" ? "gemma3_text" : architecture);
  const headDim = fields.number("attention.key_length") ?? hidden / heads;
  const config: Config = {
    model_type: modelType,
    hidden_size: hidden,
    intermediate_size: fields.required("feed_forward_length"),
    num_hidden_layers: fields.required("block_count"),
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    head_dim: headDim,
    max_position_embeddings: fields.number("context_length"),
    hidden_act: architecture.startsWith("gemma") ? "gelu_pytorch_tanh" : "silu",
    rope_theta: fields.number("rope.freq_base") ?? 10_000,
    attention_bias: tensors.has("blk.0.attn_q.bias"),
    mlp_bias: tensors.has("blk.0.ffn_up.bias"),
  };
  const rmsEpsilon = fields.number("attention.layer_norm_rms_epsilon");
  if (rmsEpsilon !== undefined) config.rms_norm_eps = shortest(rmsEpsilon);
  const layerEpsilon = fields.number("attention.layer_norm_epsilon");
  if (layerEpsilon !== undefined) config.layer_norm_eps = shortest(layerEpsilon);
  if (window) config.sliding_window = window;
  const clip = fields.number("attention.clamp_kqv");
  if (clip) config.clip_qkv = clip;
  const rotated = fields.number("rope.dimension_count") ?? headDim;
  if (rotated !== headDim) config.partial_rotary_factor = rotated / headDim;
  const layers = config.num_hidden_layers as number;
  return { ...config, ...familyFields(fields, architecture, { layers, share: hidden / heads, headDim }) };
}

function headCounts(fields: Fields): HeadCounts {
  const heads = fields.required("attention.head_count");
  return { heads, kvHeads: fields.number("attention.head_count_kv") ?? heads };
}

/** Heads of queries and of keys. */
export function ggufHeads(gguf: GgufFile): HeadCounts {
  return headCounts(new Fields(gguf.file.path, gguf.metadata, ggufArchitecture(gguf)));
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
