import type { Architecture } from "../decoder-config.js";
import { layerTypes } from "../layer-types.js";
import { ropeFields, ropeFieldsOf, ropeOf } from "../rope-config.js";
import { standardDecoder, standardSettings } from "./standard.js";

/** OLMo 3: OLMo 2, with three of four layers looking back on a window; rotary settings may differ between the two kinds. */
export const olmo3: Architecture = {
  modelTypes: ["olmo3"],
  configure: (c) => {
    const settings = standardSettings("olmo3", c);
    const attention = c.boolean("attention_bias", false);
    const window = c.has("sliding_window") ? c.size("sliding_window") : undefined;
    const types = layerTypes(c, settings.layers, (layer) => ((layer + 1) % 4 ? "sliding_attention" : "full_attention"));
    const slides = (layer: number): boolean => types[layer] === "sliding_attention";
    const theta = c.number("rope_theta", 500_000);
    const scaling = c.has("rope_scaling") ? ropeFields(c) : {};
    const full = ropeOf(c, settings.headDim, { ...ropeFieldsOf(c, "full_attention"), ...scaling }, theta);
    const local = ropeOf(c, settings.headDim, ropeFieldsOf(c, "sliding_attention"), theta);
    return standardDecoder({
      ...settings,
      norm: { ...settings.norm, epsilon: c.number("rms_norm_eps", 1e-5), placement: "after" },
      bias: { qkv: attention, output: attention, mlp: false },
      qkNorm: "projection",
      rope: types.map((_, layer) => (slides(layer) ? local : full)),
      slidingWindow: types.map((_, layer) => (slides(layer) ? window : undefined)),
    });
  },
};
