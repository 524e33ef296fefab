/** config.json as today's popular models have it, by family: read as it is meant, or refused in one line that names what stands in the way. */
import { describe, expect, it } from "vitest";
import { decoderConfig } from "./index.js";

type Fields = Record<string, unknown>;
const read = (fields: Fields) => decoderConfig(fields, "model");

const llama: Fields = {
  architectures: ["LlamaForCausalLM"],
  attention_bias: false,
  attention_dropout: 0.0,
  bos_token_id: 128000,
  eos_token_id: [128001, 128008, 128009],
  hidden_act: "silu",
  hidden_size: 2048,
  initializer_range: 0.02,
  intermediate_size: 8192,
  max_position_embeddings: 131072,
  mlp_bias: false,
  model_type: "llama",
  num_attention_heads: 32,
  num_hidden_layers: 16,
  num_key_value_heads: 8,
  pretraining_tp: 1,
  rms_norm_eps: 1e-5,
  rope_scaling: null,
  rope_theta: 500000.0,
  tie_word_embeddings: true,
  torch_dtype: "bfloat16",
  transformers_version: "4.45.0",
  use_cache: true,
  vocab_size: 128256,
};
const llama3 = {
  factor: 32,
  high_freq_factor: 4,
  low_freq_factor: 1,
  original_max_position_embeddings: 8192,
  rope_type: "llama3",
};
const factors = new Array(48).fill(1);

const readable: [name: string, fields: Fields, expected: object][] = [
  [
    "Llama 3.2",
    { ...llama, head_dim: 64, rope_scaling: llama3 },
    { maxPositions: 131072, tiedEmbeddings: true, headDim: 64 },
  ],
  [
    "Llama 3.1 as transformers 5 writes it",
    {
      ...llama,
      rope_scaling: undefined,
      rope_theta: undefined,
      torch_dtype: undefined,
      dtype: "bfloat16",
      rope_parameters: { ...llama3, rope_theta: 5e5 },
    },
    { architecture: "llama" },
  ],
  [
    "SmolLM2",
    { ...llama, is_llama_config: true, rope_interleaved: false, "transformers.js_config": { dtype: "q4" } },
    { architecture: "llama" },
  ],
  ["TinyLlama", { ...llama, vocab_size: 32000, tie_word_embeddings: false, num_key_value_heads: 4 }, { kvHeads: 4 }],
  ["Falcon 3", { ...llama, head_dim: 256, attention_dropout: 0 }, { headDim: 256 }],
  [
    "Mistral 7B v0.1",
    { ...llama, model_type: "mistral", sliding_window: 4096 },
    { slidingWindow: new Array(16).fill(4096) },
  ],
  ["Mistral Nemo", { ...llama, model_type: "mistral", sliding_window: null, head_dim: 128 }, { headDim: 128 }],
  [
    "Qwen 2.5",
    {
      ...llama,
      model_type: "qwen2",
      attention_bias: undefined,
      mlp_bias: undefined,
      sliding_window: 131072,
      max_window_layers: 28,
      use_sliding_window: false,
      use_mrope: false,
    },
    { slidingWindow: new Array(16).fill(undefined) },
  ],
  [
    "Qwen 3",
    {
      ...llama,
      model_type: "qwen3",
      mlp_bias: undefined,
      head_dim: 128,
      max_window_layers: 36,
      sliding_window: null,
      use_sliding_window: false,
    },
    { headDim: 128 },
  ],
  [
    "Gemma 2",
    {
      ...llama,
      model_type: "gemma2",
      mlp_bias: undefined,
      head_dim: 256,
      hidden_act: "gelu_pytorch_tanh",
      hidden_activation: "gelu_pytorch_tanh",
      query_pre_attn_scalar: 256,
      attn_logit_softcapping: 50.0,
      final_logit_softcapping: 30.0,
      sliding_window: 4096,
      cache_implementation: "hybrid",
    },
    { attentionSoftCap: 50 },
  ],
  [
    "Gemma 3 1B",
    {
      ...llama,
      model_type: "gemma3_text",
      mlp_bias: undefined,
      hidden_act: undefined,
      head_dim: 256,
      hidden_activation: "gelu_pytorch_tanh",
      query_pre_attn_scalar: 256,
      attn_logit_softcapping: null,
      final_logit_softcapping: null,
      rope_local_base_freq: 10000,
      rope_theta: 1e6,
      sliding_window: 512,
      sliding_window_pattern: 6,
      cache_implementation: "hybrid",
      use_bidirectional_attention: false,
    },
    { attentionScale: 1 / 16 },
  ],
  [
    "Phi-4-mini",
    {
      ...llama,
      model_type: "phi3",
      hidden_size: 3072,
      num_attention_heads: 24,
      num_key_value_heads: 8,
      partial_rotary_factor: 0.75,
      original_max_position_embeddings: 4096,
      rope_scaling: { type: "longrope", long_factor: factors, short_factor: factors },
      sliding_window: 262144,
      full_attn_mod: 1,
      interpolation_factor: 1,
      lm_head_bias: false,
      embd_pdrop: 0.0,
      resid_pdrop: 0.0,
      auto_map: { AutoConfig: "configuration_phi3.Phi3Config" },
    },
    { maxPositions: 4096 },
  ],
  [
    "Phi-4",
    {
      ...llama,
      model_type: "phi3",
      mlp_bias: undefined,
      original_max_position_embeddings: 16384,
      max_position_embeddings: 16384,
      sliding_window: null,
      embd_pdrop: 0,
      resid_pdrop: 0,
    },
    { maxPositions: 16384 },
  ],
  [
    "SmolLM3",
    {
      ...llama,
      model_type: "smollm3",
      layer_types: new Array(16).fill("full_attention"),
      max_window_layers: 28,
      no_rope_layer_interval: 4,
      no_rope_layers: Array.from({ length: 16 }, (_, i) => ((i + 1) % 4 ? 1 : 0)),
      pretraining_tp: 2,
      sliding_window: null,
      use_sliding_window: false,
    },
    { architecture: "smollm3" },
  ],
  ["OLMo 2", { ...llama, model_type: "olmo2", mlp_bias: undefined }, { architecture: "olmo2" }],
  [
    "OLMo 3",
    {
      ...llama,
      model_type: "olmo3",
      mlp_bias: undefined,
      sliding_window: 4096,
      layer_types: Array.from({ length: 16 }, (_, i) => ((i + 1) % 4 ? "sliding_attention" : "full_attention")),
      rope_scaling: {
        attention_factor: 1.2079441541679836,
        beta_fast: 32.0,
        beta_slow: 1.0,
        factor: 8.0,
        original_max_position_embeddings: 8192,
        rope_type: "yarn",
      },
    },
    { architecture: "olmo3" },
  ],
  [
    "Granite 3.3",
    {
      ...llama,
      model_type: "granite",
      attention_multiplier: 0.015625,
      embedding_multiplier: 12.0,
      logits_scaling: 8.0,
      residual_multiplier: 0.22,
    },
    { logitScale: 1 / 8 },
  ],
  [
    "Pythia",
    {
      architectures: ["GPTNeoXForCausalLM"],
      model_type: "gpt_neox",
      bos_token_id: 0,
      eos_token_id: 0,
      hidden_act: "gelu",
      hidden_size: 768,
      initializer_range: 0.02,
      intermediate_size: 3072,
      layer_norm_eps: 1e-5,
      max_position_embeddings: 2048,
      num_attention_heads: 12,
      num_hidden_layers: 12,
      rotary_emb_base: 10000,
      rotary_pct: 0.25,
      tie_word_embeddings: false,
      torch_dtype: "float16",
      use_cache: true,
      use_parallel_residual: true,
      vocab_size: 50304,
    },
    { architecture: "gpt_neox" },
  ],
  [
    "GPT-2",
    {
      architectures: ["GPT2LMHeadModel"],
      model_type: "gpt2",
      activation_function: "gelu_new",
      attn_pdrop: 0.1,
      embd_pdrop: 0.1,
      resid_pdrop: 0.1,
      bos_token_id: 50256,
      eos_token_id: 50256,
      initializer_range: 0.02,
      layer_norm_epsilon: 1e-5,
      n_ctx: 1024,
      n_special: 0,
      predict_special_tokens: true,
      output_past: true,
      n_embd: 768,
      n_head: 12,
      n_layer: 12,
      n_positions: 1024,
      summary_activation: null,
      summary_first_dropout: 0.1,
      summary_proj_to_labels: true,
      summary_type: "cls_index",
      summary_use_proj: true,
      task_specific_params: { "text-generation": { do_sample: true, max_length: 50 } },
      vocab_size: 50257,
    },
    { architecture: "gpt2", maxPositions: 1024 },
  ],
];

const part = { text_config: { ...llama, model_type: "gemma3_text" }, vision_config: { hidden_size: 1152 } };
const refused: [name: string, fields: Fields, what: string][] = [
  ["Gemma 3 4B", { model_type: "gemma3", ...part }, 'model_type "gemma3" is a model of several parts'],
  ["Mistral Small 3.2", { model_type: "mistral3", ...part }, 'model_type "mistral3" is a model of several parts'],
  ["Llama 4", { model_type: "llama4", ...part }, 'model_type "llama4" is a model of several parts'],
  ["Gemma 3n", { model_type: "gemma3n", ...part }, 'model_type "gemma3n" is a model of several parts'],
  [
    "Qwen 2.5 1M",
    { ...readable.find(([name]) => name === "Qwen 2.5")![1], dual_chunk_attention_config: { chunk_size: 262144 } },
    "dual_chunk_attention_config",
  ],
  ["Llama with experts", { ...llama, num_local_experts: 8 }, "num_local_experts"],
  ["a Phi-3 small", { ...llama, model_type: "phi3small" }, 'unknown architecture "phi3small"'],
  ...[
    ...["granitemoehybrid", "qwen3_moe", "qwen3_next", "deepseek_v3", "mixtral", "gpt_oss", "gemma", "glm4", "cohere2"],
    ...[
      "exaone4",
      "lfm2",
      "ernie4_5",
      "hunyuan_v1_dense",
      "seed_oss",
      "nemotron",
      "starcoder2",
      "internlm3",
      "minicpm",
    ],
    ...["falcon", "bloom", "mamba", "phi", "stablelm", "t5", "bert"],
  ].map((type): [string, Fields, string] => [type, { ...llama, model_type: type }, `unknown architecture "${type}"`]),
  ["a folder without a type", { hidden_size: 64 }, 'unknown architecture ""'],
];

describe("config.json of a published model", () => {
  it.each(readable)("%s is read", (_, fields, expected) => {
    expect(read(fields)).toMatchObject(expected);
  });

  it.each(refused)("%s is refused by name", (_, fields, what) => {
    let message = "";
    try {
      read(fields);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toContain(what);
    expect(message).toMatch(/^model: [^\n]+$/);
  });
});
