import type { Architecture } from "../decoder-config.js";
import { standardDecoder, standardSettings } from "./standard.js";

/** OLMo 2: norms after attention and MLP instead of before, whole query and key projections normalised. */
export const olmo2: Architecture = {
  modelTypes: ["olmo2"],
  configure: (c) => {
    const config = standardSettings("olmo2", c);
    const attention = c.boolean("attention_bias", false);
    return standardDecoder({
      ...config,
      norm: { ...config.norm, epsilon: c.number("rms_norm_eps", 1e-5), placement: "after" },
      bias: { qkv: attention, output: attention, mlp: false },
      qkNorm: "projection",
    });
  },
};
