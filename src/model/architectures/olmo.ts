import type { Architecture } from "../decoder-config.js";
import { standardDecoder, standardSettings } from "./standard.js";

/** OLMo 1: layer norm without weights, projections optionally clipped. */
export const olmo: Architecture = {
  modelTypes: ["olmo"],
  withoutEffect: ["rms_norm_eps", "layer_norm_eps"],
  configure: (c) => {
    const config = standardSettings("olmo", c);
    const attention = c.boolean("attention_bias", false);
    return standardDecoder({
      ...config,
      norm: { kind: "layer", epsilon: 1e-5, weighted: false, bias: false, offset: 0, placement: "before" },
      bias: { qkv: attention, output: attention, mlp: false },
      clipQkv: c.has("clip_qkv") ? c.number("clip_qkv") : undefined,
    });
  },
};
