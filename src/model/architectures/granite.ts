import type { Architecture } from "../decoder-config.js";
import { standardDecoder, standardSettings } from "./standard.js";

/** Granite 3 (dense): Llama with factors on embeddings, attention scores, what the blocks add, and logits. */
export const granite: Architecture = {
  modelTypes: ["granite"],
  configure: (c) => {
    const attention = c.boolean("attention_bias", false);
    return standardDecoder({
      ...standardSettings("granite", c),
      bias: { qkv: attention, output: attention, mlp: c.boolean("mlp_bias", false) },
      embeddingScale: c.number("embedding_multiplier", 1),
      attentionScale: c.number("attention_multiplier", 1),
      residualScale: c.number("residual_multiplier", 1),
      logitScale: 1 / c.number("logits_scaling", 1),
    });
  },
};
