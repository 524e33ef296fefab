import { type Architecture, commonConfig } from "../decoder-config.js";

/** Mistral: Llama with a sliding window over all layers (none in later versions). */
export const mistral: Architecture = {
  modelTypes: ["mistral"],
  configure: (c) => {
    const config = commonConfig("mistral", c);
    const window = c.has("sliding_window") ? c.size("sliding_window") : undefined;
    return { ...config, slidingWindow: config.slidingWindow.map(() => window) };
  },
};
