import type { Architecture } from "../decoder-config.js";
import { layerTypes } from "../layer-types.js";
import { ropeFields, ropeFieldsOf, ropeOf } from "../rope-config.js";
import { standardDecoder, standardSettings } from "./standard.js";

/**
 * Gemma 3 (text): as Gemma 2 without its soft caps, with the queries and keys of each head normalised. Five of six layers
 * look back on a window, and rotate by a base of their own.
 */
export const gemma3: Architecture = {
  modelTypes: ["gemma3_text"],
  withoutEffect: ["hidden_act", "sliding_window_pattern", "rope_local_base_freq"],
  configure: (c) => {
    const config = standardSettings("gemma3", c);
    const window = c.size("sliding_window", 4096);
    const attention = c.boolean("attention_bias", false);
    const every = c.size("sliding_window_pattern", 6);
    const types = layerTypes(c, config.layers, (layer) =>
      (layer + 1) % every ? "sliding_attention" : "full_attention",
    );
    if (c.boolean("use_bidirectional_attention", false)) c.fail("attention in both directions is not supported");
    const scaling = c.has("rope_scaling") ? ropeFields(c) : {};
    const full = ropeOf(
      c,
      config.headDim,
      { ...ropeFieldsOf(c, "full_attention"), ...scaling },
      c.number("rope_theta", 1_000_000),
    );
    const local = ropeOf(
      c,
      config.headDim,
      ropeFieldsOf(c, "sliding_attention"),
      c.number("rope_local_base_freq", 10_000),
    );
    const slides = (layer: number): boolean => types[layer] === "sliding_attention";
    return standardDecoder({
      ...config,
      tiedEmbeddings: c.boolean("tie_word_embeddings", true),
      activation: c.has("hidden_activation") || c.has("hidden_act") ? config.activation : "gelu-tanh",
      norm: { ...config.norm, offset: 1, placement: "both" },
      rope: types.map((_, layer) => (slides(layer) ? local : full)),
      attentionScale: c.number("query_pre_attn_scalar", 256) ** -0.5,
      attentionSoftCap: c.has("attn_logit_softcapping") ? c.number("attn_logit_softcapping") : undefined,
      finalSoftCap: c.has("final_logit_softcapping") ? c.number("final_logit_softcapping") : undefined,
      embeddingScale: Math.sqrt(config.hiddenSize),
      bias: { qkv: attention, output: attention, mlp: false },
      qkNorm: "head",
      slidingWindow: types.map((_, layer) => (slides(layer) ? window : undefined)),
    });
  },
};
