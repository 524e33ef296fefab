import type { Architecture } from "../decoder-config.js";
import { layerTypes } from "../layer-types.js";
import { NO_ROPE } from "../rope.js";
import { ropeFields, ropeOf } from "../rope-config.js";
import { standardDecoder, standardSettings } from "./standard.js";

/** SmolLM3: Llama, but every fourth layer has no rotary positions. */
export const smollm3: Architecture = {
  modelTypes: ["smollm3"],
  withoutEffect: ["max_window_layers"],
  configure: (c) => {
    const settings = standardSettings("smollm3", c);
    const attention = c.boolean("attention_bias", false);
    const every = c.size("no_rope_layer_interval", 4);
    const given = c.raw("no_rope_layers");
    const rotates = (layer: number): boolean =>
      Array.isArray(given) ? Boolean(given[layer]) : (layer + 1) % every !== 0;
    const window =
      c.boolean("use_sliding_window", false) && c.has("sliding_window") ? c.size("sliding_window") : undefined;
    const types = layerTypes(c, settings.layers, (layer) =>
      window !== undefined && !rotates(layer) ? "sliding_attention" : "full_attention",
    );
    const rope = ropeOf(c, settings.headDim, ropeFields(c), c.number("rope_theta", 2_000_000));
    const none = NO_ROPE(settings.headDim);
    return standardDecoder({
      ...settings,
      tiedEmbeddings: c.boolean("tie_word_embeddings", true),
      rope: settings.rope.map((_, layer) => (rotates(layer) ? rope : none)),
      slidingWindow: types.map((type) => (type === "sliding_attention" ? window : undefined)),
      bias: { qkv: attention, output: attention, mlp: c.boolean("mlp_bias", false) },
    });
  },
};
