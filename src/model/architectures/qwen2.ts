import type { Architecture } from "../decoder-config.js";
import { layerTypes } from "../layer-types.js";
import { standardDecoder, standardSettings } from "./standard.js";

/** Qwen 2 and 2.5: Llama with biases on queries, keys and values; optionally windowed upper layers. */
export const qwen2: Architecture = {
  modelTypes: ["qwen2"],
  withoutEffect: ["attention_bias", "max_window_layers", "sliding_window", "use_mrope"],
  configure: (c) => {
    const config = standardSettings("qwen2", c);
    const windowed = c.boolean("use_sliding_window", false) && c.has("sliding_window");
    const window = windowed ? c.size("sliding_window") : undefined;
    const from = windowed ? c.number("max_window_layers", config.layers) : config.layers;
    const types = layerTypes(c, config.layers, (layer) => (layer >= from ? "sliding_attention" : "full_attention"));
    return standardDecoder({
      ...config,
      bias: { qkv: true, output: false, mlp: false },
      slidingWindow: types.map((type) => (type === "sliding_attention" ? window : undefined)),
    });
  },
};
