/** What a new training can be made of: recipes, rows and models that lie in the given folders. */
import { readFileSync, statSync } from "node:fs";
import type { ChatModels } from "./chat-models.js";
import type { Places } from "./places.js";
import type { TrainingChoices } from "./wire.js";

const LARGEST_RECIPE = 1 << 18;
/** Files that runs, evaluations and models leave: no data to train on. */
const RECORDS =
  /(^|\/)(metrics\.jsonl|journal[^/]*\.jsonl|(run|results|report|experiment|lock|step|package|config|adapter_config|generation_config|special_tokens_map|tokenizer|tokenizer_config)\.json)$/;

export async function trainingChoices(places: Places, models: ChatModels): Promise<TrainingChoices> {
  const [yaml, data] = await Promise.all([places.find([".yaml", ".yml"]), places.find([".jsonl", ".json"])]);
  return {
    // A run's own copy of its recipe is used to resume it.
    recipes: yaml.filter(({ id }) => !id.endsWith("/recipe.yaml") && looksLikeRecipe(places.resolve(id))),
    data: data.filter(({ id }) => !RECORDS.test(id)),
    models: models.choices().filter(({ kind }) => kind === "base"),
  };
}

/** A training recipe names one model and its data; experiments and pipelines name other things. Errors are told later. */
function looksLikeRecipe(path: string): boolean {
  try {
    if (statSync(path).size > LARGEST_RECIPE) return false;
    const text = readFileSync(path, "utf8");
    return /^["']?model["']?\s*:/m.test(text) && /^["']?data["']?\s*:/m.test(text);
  } catch {
    return false; // gone, or not ours to read
  }
}
