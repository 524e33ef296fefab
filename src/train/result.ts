/** What a run leaves: its adapter, or the whole model where all weights were trained. */
import { mkdir, rename, rm } from "node:fs/promises";
import { chatFiles } from "../export/hf-files.js";
import type { DecoderWeights } from "../model/weights.js";
import { saveAdapter } from "../peft/adapter-io.js";
import { peftBase } from "../peft/base-model.js";
import { readAdapter } from "./parameter-store.js";
import type { RunSetup } from "./setup.js";
import { saveTrainedModel } from "./trained-model.js";
import type { TrainingModel } from "./training-model.js";

/** Writes the current values to a folder, which is there whole or not at all. */
export async function saveResult(
  setup: RunSetup,
  model: TrainingModel,
  weights: DecoderWeights,
  target: string,
): Promise<void> {
  const { recipe, shape, config, device, tokenizer, checkpoint, modelPath } = setup;
  const temporary = `${target}.tmp`;
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true });
  if (shape) {
    const values = await readAdapter(device, model.groups.slice(0, config.layers), shape);
    await saveAdapter(temporary, values, { base: peftBase(recipe.model, modelPath) });
  } else {
    const chat = chatFiles(tokenizer, recipe.template);
    await saveTrainedModel(temporary, checkpoint, modelPath, weights, model, device, chat);
  }
  await rm(target, { recursive: true, force: true });
  await rename(temporary, target);
}
