import type { Architecture } from "../decoder-config.js";
import { standardDecoder, standardSettings } from "./standard.js";

/** Mistral: Llama with a sliding window over all layers (none in later versions). */
export const mistral: Architecture = {
  modelTypes: ["mistral"],
  configure: (c) => {
    const settings = standardSettings("mistral", c);
    const window = c.has("sliding_window") ? c.size("sliding_window") : undefined;
    return standardDecoder({ ...settings, slidingWindow: settings.slidingWindow.map(() => window) });
  },
};
