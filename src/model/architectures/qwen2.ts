import type { Architecture } from "../decoder-config.js";
import { standardDecoder, standardSettings } from "./standard.js";

/** Qwen 2 and 2.5: Llama with biases on queries, keys and values; optionally windowed upper layers. */
export const qwen2: Architecture = {
  modelTypes: ["qwen2"],
  configure: (c) => {
    const config = standardSettings("qwen2", c);
    const windowed = c.boolean("use_sliding_window", false) && c.has("sliding_window");
    const window = windowed ? c.size("sliding_window") : undefined;
    const from = windowed ? c.number("max_window_layers", config.layers) : config.layers;
    return standardDecoder({
      ...config,
      bias: { qkv: true, output: false, mlp: false },
      slidingWindow: config.slidingWindow.map((_, layer) => (layer >= from ? window : undefined)),
    });
  },
};
