import type { Architecture } from "../decoder-config.js";
import { LLAMA_NAMES, standardDecoder, standardSettings } from "./standard.js";

/** Phi-3, 3.5 and Phi-4: Llama with one layer for queries, keys and values and one for gate and up; long contexts by LongRoPE. */
export const phi3: Architecture = {
  modelTypes: ["phi3"],
  withoutEffect: ["embd_pdrop", "original_max_position_embeddings", "full_attn_mod", "interpolation_factor"],
  configure: (c) => {
    const settings = standardSettings("phi3", c);
    const window = c.has("sliding_window") ? c.size("sliding_window") : undefined;
    return standardDecoder({
      ...settings,
      norm: { ...settings.norm, epsilon: c.number("rms_norm_eps", 1e-5) },
      slidingWindow: settings.slidingWindow.map(() => window),
      blockNames: { ...LLAMA_NAMES, qkv: ["self_attn.qkv_proj"], mlpInput: ["mlp.gate_up_proj"] },
    });
  },
};
