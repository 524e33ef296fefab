/** The adapter that a recipe trains: a new one as its `lora` block says, or a given one going on in its own shape. */
import { UsageError } from "../errors.js";
import type { AdapterShape, PeftSettings } from "../model/adapter.js";
import type { DecoderConfig } from "../model/decoder-config.js";
import { readAdapterConfig } from "./adapter-io.js";
import { type AdapterSettings, peftSettings, shapeOf, targetNames } from "./targets.js";

export interface AdapterRecipe {
  /** Folder of the adapter to go on with. */
  adapter?: string;
  /** All settings, or with `adapter` those that the recipe names. */
  lora: Partial<AdapterSettings>;
}

export interface TrainedSettings {
  settings: PeftSettings;
  dropout: number;
}

/** @throws UsageError when the recipe contradicts the adapter it goes on with. */
export function trainedSettings(config: DecoderConfig, { adapter, lora }: AdapterRecipe): TrainedSettings {
  if (adapter === undefined) {
    const full = lora as AdapterSettings;
    return { settings: peftSettings(config, full), dropout: full.dropout };
  }
  const { settings, dropout } = readAdapterConfig(adapter);
  const own: Partial<Record<keyof AdapterSettings, unknown>> = {
    r: settings.r,
    alpha: settings.lora_alpha,
    use_rslora: settings.use_rslora,
    use_dora: settings.use_dora,
  };
  for (const [key, value] of Object.entries(own))
    contradiction(key, lora[key as keyof AdapterSettings], value, adapter);
  return { settings, dropout: lora.dropout ?? dropout };
}

function contradiction(key: string, given: unknown, own: unknown, adapter: string): void {
  if (given === undefined || given === own) return;
  throw new UsageError(
    `lora.${key}: ${JSON.stringify(given)} contradicts the adapter that is continued (${adapter}), whose own is ` +
      `${JSON.stringify(own)}; leave it out, or train a new adapter`,
  );
}

/** The shape of the adapter that a recipe trains on a model. @throws as `trainedSettings`. */
export function trainedShape(config: DecoderConfig, recipe: AdapterRecipe): AdapterShape {
  const { settings, dropout } = trainedSettings(config, recipe);
  const shape = shapeOf(config, settings, dropout, recipe.adapter ?? "lora");
  const { target_modules } = recipe.lora;
  if (recipe.adapter === undefined || target_modules === undefined) return shape;
  const given = shapeOf(config, { ...settings, target_modules: targetNames(config, { target_modules }) }, dropout);
  const modules = ({ layers }: AdapterShape): string => layers.map((layer) => [...layer.keys()].join()).join(";");
  if (modules(given) !== modules(shape))
    contradiction("target_modules", target_modules, settings.target_modules, recipe.adapter);
  return shape;
}
