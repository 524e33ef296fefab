import type { Architecture } from "../decoder-config.js";
import { standardDecoder, standardSettings } from "./standard.js";

/** Llama 1–3.x and checkpoints of the same shape (SmolLM2, TinyLlama, Yi). */
export const llama: Architecture = {
  modelTypes: ["llama"],
  configure: (c) => {
    const attention = c.boolean("attention_bias", false);
    return standardDecoder({
      ...standardSettings("llama", c),
      bias: { qkv: attention, output: attention, mlp: c.boolean("mlp_bias", false) },
    });
  },
};
