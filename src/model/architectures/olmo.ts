import { type Architecture, commonConfig } from "../decoder-config.js";

/** OLMo 1: layer norm without weights, projections optionally clipped. */
export const olmo: Architecture = {
  modelTypes: ["olmo"],
  configure: (c) => {
    const config = commonConfig("olmo", c);
    const attention = c.boolean("attention_bias", false);
    return {
      ...config,
      norm: { kind: "layer", epsilon: 1e-5, weighted: false, offset: 0, placement: "before" },
      bias: { qkv: attention, output: attention, mlp: false },
      clipQkv: c.has("clip_qkv") ? c.number("clip_qkv") : undefined,
    };
  },
};
