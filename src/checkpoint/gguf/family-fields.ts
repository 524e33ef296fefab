/** Fields of config.json that only some families have, from GGUF metadata. */
import { type Fields, shortest } from "./fields.js";
import type { GgufFile } from "./parse.js";

type Config = Record<string, unknown>;

/** What only some families have. @param share hidden size ÷ heads. */
export function familyFields(
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
    // llama.cpp's own scale where the file has none.
    added.attention_multiplier = shortest(fields.number("attention.scale") || 1 / Math.sqrt(headDim));
    added.logits_scaling = factor("logit_scale");
  }
  return added;
}

/** Files of GPT-NeoX and GPT-2: the fields of config.json have other names, or other places in the metadata. */
export const GPT_CONFIGS: Readonly<Record<string, (fields: Fields, tensors: GgufFile["tensors"]) => Config>> = {
  gptneox: (fields, tensors) => {
    const headDim = fields.required("embedding_length") / fields.required("attention.head_count");
    return {
      model_type: "gpt_neox",
      hidden_size: fields.required("embedding_length"),
      intermediate_size: fields.required("feed_forward_length"),
      num_hidden_layers: fields.required("block_count"),
      num_attention_heads: fields.required("attention.head_count"),
      max_position_embeddings: fields.number("context_length"),
      layer_norm_eps: shortest(fields.required("attention.layer_norm_epsilon")),
      // llama.cpp computes this form whatever the model was trained with.
      hidden_act: "gelu_fast",
      rotary_pct: (fields.number("rope.dimension_count") ?? headDim) / headDim,
      rotary_emb_base: fields.number("rope.freq_base") ?? 10_000,
      use_parallel_residual: fields.flag("use_parallel_residual") ?? true,
      attention_bias: tensors.has("blk.0.attn_qkv.bias"),
    };
  },
  gpt2: (fields) => ({
    model_type: "gpt2",
    n_embd: fields.required("embedding_length"),
    n_inner: fields.required("feed_forward_length"),
    n_layer: fields.required("block_count"),
    n_head: fields.required("attention.head_count"),
    n_positions: fields.required("context_length"),
    layer_norm_epsilon: shortest(fields.required("attention.layer_norm_epsilon")),
    activation_function: "gelu_new",
  }),
};
