import type { Architecture } from "../decoder-config.js";
import { layerTypes } from "../layer-types.js";
import { standardDecoder, standardSettings } from "./standard.js";

/**
 * Gemma 2: norms before and after each part with weights stored as (w − 1), scaled embeddings, soft-capped scores and
 * logits, and a sliding window on every other layer, starting with the first.
 */
export const gemma2: Architecture = {
  modelTypes: ["gemma2"],
  withoutEffect: ["hidden_act"],
  configure: (c) => {
    const config = standardSettings("gemma2", c);
    const window = c.size("sliding_window", 4096);
    const attention = c.boolean("attention_bias", false);
    const types = layerTypes(c, config.layers, (layer) => (layer % 2 ? "full_attention" : "sliding_attention"));
    return standardDecoder({
      ...config,
      tiedEmbeddings: c.boolean("tie_word_embeddings", true),
      activation: c.has("hidden_activation") || c.has("hidden_act") ? config.activation : "gelu-tanh",
      norm: { ...config.norm, offset: 1, placement: "both" },
      attentionScale: c.number("query_pre_attn_scalar", 256) ** -0.5,
      attentionSoftCap: c.has("attn_logit_softcapping") ? c.number("attn_logit_softcapping") : undefined,
      finalSoftCap: c.has("final_logit_softcapping") ? c.number("final_logit_softcapping") : undefined,
      // The reference rounds the factor to the precision of the weights; in float32 this is the square root itself.
      embeddingScale: Math.sqrt(config.hiddenSize),
      bias: { qkv: attention, output: attention, mlp: false },
      slidingWindow: types.map((type) => (type === "sliding_attention" ? window : undefined)),
    });
  },
};
