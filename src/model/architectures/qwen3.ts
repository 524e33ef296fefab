import type { Architecture } from "../decoder-config.js";
import { layerTypes } from "../layer-types.js";
import { standardDecoder, standardSettings } from "./standard.js";

/** Qwen 3: no biases, queries and keys normalised in each head, head size given explicitly. */
export const qwen3: Architecture = {
  modelTypes: ["qwen3"],
  withoutEffect: ["max_window_layers", "sliding_window"],
  configure: (c) => {
    const config = standardSettings("qwen3", c);
    const attention = c.boolean("attention_bias", false);
    const windowed = c.boolean("use_sliding_window", false) && c.has("sliding_window");
    const window = windowed ? c.size("sliding_window") : undefined;
    const from = windowed ? c.number("max_window_layers", config.layers) : config.layers;
    const types = layerTypes(c, config.layers, (layer) => (layer >= from ? "sliding_attention" : "full_attention"));
    return standardDecoder({
      ...config,
      bias: { qkv: attention, output: attention, mlp: false },
      qkNorm: "head",
      slidingWindow: types.map((type) => (type === "sliding_attention" ? window : undefined)),
    });
  },
};
