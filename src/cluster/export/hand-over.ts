/** `evoke.json` in an exported folder: by it what another trainer leaves there becomes a run of evoke's again. */
import { z } from "zod";
import { sha256OfFile } from "../../files/sha256.js";
import { hubSource } from "../../hub/hub.js";
import { versions } from "../../train/identity.js";
import type { TrainingPlan } from "./training-plan.js";

export const HAND_OVER = "evoke.json";

export const handOverSchema = z.object({
  trainer: z.enum(["trl", "axolotl"]),
  /** As `recipe.yaml` of a run has it. */
  recipe: z.looseObject({
    model: z.string(),
    method: z.enum(["lora", "qlora", "full"]),
    mode: z.string(),
    template: z.string(),
    seed: z.number(),
  }),
  modelPath: z.string(),
  modelSource: z.string().optional(),
  templateTime: z.string().optional(),
  steps: z.int(),
  stepsPerEpoch: z.int(),
  data: z.object({
    files: z.record(z.string(), z.string()),
    examples: z.int(),
    validation: z.int(),
    truncated: z.int(),
    dropped: z.int(),
  }),
  /** Of the adapter, as PEFT names them; absent where all weights are trained. */
  adapter: z.object({ r: z.int(), lora_alpha: z.number() }).optional(),
  versions: z.record(z.string(), z.string()),
});

export type HandOver = z.output<typeof handOverSchema>;

export function handOver(plan: TrainingPlan, trainer: HandOver["trainer"]): HandOver {
  const { recipe, modelPath, train, validation, truncated, dropped, steps, stepsPerEpoch, adapter } = plan;
  const { cluster: _, ...own } = recipe;
  const source = hubSource(modelPath);
  return {
    trainer,
    recipe: own,
    modelPath,
    ...(source === undefined ? {} : { modelSource: source }),
    ...(plan.templateTime === undefined ? {} : { templateTime: plan.templateTime }),
    steps,
    stepsPerEpoch,
    data: {
      files: Object.fromEntries(recipe.data.path.map((path) => [path, sha256OfFile(path)])),
      examples: train.length,
      validation: validation.length,
      truncated,
      dropped,
    },
    ...(adapter ? { adapter: { r: adapter.settings.r, lora_alpha: adapter.settings.lora_alpha } } : {}),
    versions: versions(),
  };
}
