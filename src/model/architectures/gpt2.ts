import type { Architecture } from "../decoder-config.js";
import { NO_ROPE } from "../rope.js";
import { activationOf, type BlockNames, standardDecoder, standardSettings } from "./standard.js";

const NAMES: BlockNames = {
  qkv: ["attn.c_attn"],
  output: "attn.c_proj",
  mlpInput: ["mlp.c_fc"],
  down: "mlp.c_proj",
  norms: { before: { beforeAttention: "ln_1", beforeMlp: "ln_2" } },
};

/** GPT-2: learned positions, layer norms and linear layers with biases, the latter transposed in checkpoints. */
export const gpt2: Architecture = {
  modelTypes: ["gpt2"],
  withoutEffect: ["n_ctx", "n_special", "predict_special_tokens", "output_past", "reorder_and_upcast_attn"],
  configure: (file) => {
    const c = file.renamed({
      hidden_size: "n_embd",
      num_hidden_layers: "n_layer",
      num_attention_heads: "n_head",
      intermediate_size: "n_inner",
      max_position_embeddings: "n_positions",
      layer_norm_eps: "layer_norm_epsilon",
      hidden_act: "activation_function",
    });
    const settings = standardSettings("gpt2", c, { intermediate_size: 4 * c.size("hidden_size") });
    if (c.boolean("add_cross_attention", false)) c.fail("cross attention is not supported");
    if (c.boolean("scale_attn_by_inverse_layer_idx", false))
      c.fail('config field "scale_attn_by_inverse_layer_idx": true is not supported');
    const none = NO_ROPE(settings.headDim);
    return standardDecoder({
      ...settings,
      maxPositions: c.size("max_position_embeddings", 1024),
      tiedEmbeddings: c.boolean("tie_word_embeddings", true),
      activation: activationOf(c, c.raw("hidden_act") ?? "gelu_new"),
      gated: false,
      norm: { ...settings.norm, kind: "layer", epsilon: c.number("layer_norm_eps", 1e-5), bias: true },
      bias: { qkv: true, output: true, mlp: true },
      rope: settings.rope.map(() => none),
      attentionScale: c.boolean("scale_attn_weights", true) ? settings.attentionScale : 1,
      transposed: true,
      blockNames: NAMES,
      finalNormName: "transformer.ln_f",
      names: {
        blocks: "transformer.h",
        embedding: "transformer.wte.weight",
        positions: "transformer.wpe.weight",
        head: "lm_head.weight",
      },
    });
  },
};
