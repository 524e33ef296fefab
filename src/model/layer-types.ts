/** Which layers of a model look back on a window only. */
import { type ConfigFields, shown } from "./config-fields.js";

export type LayerType = "full_attention" | "sliding_attention";

/**
 * `layer_types` of config.json, one entry a layer.
 * @param fallback the type of a layer where the file has no list.
 */
export function layerTypes(c: ConfigFields, layers: number, fallback: (layer: number) => LayerType): LayerType[] {
  if (!c.has("layer_types")) return Array.from({ length: layers }, (_, layer) => fallback(layer));
  const types = c.raw("layer_types");
  if (!Array.isArray(types) || types.length !== layers)
    return c.fail(`config field "layer_types" must list ${layers} layers`);
  const strange = types.find((type) => type !== "full_attention" && type !== "sliding_attention");
  if (strange !== undefined)
    c.fail(`layers of type ${shown(strange)} are not supported (full_attention and sliding_attention are)`);
  return types as LayerType[];
}
