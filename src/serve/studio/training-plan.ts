/** Turns a checked request for a training into a job: finds its files, tries its recipe, and writes the short form's. */
import { existsSync } from "node:fs";
import { stringify } from "yaml";
import { UsageError } from "../../errors.js";
import { writeFileAtomically } from "../../files/atomic-write.js";
import { loadRecipe, parseRecipe } from "../../recipe/load.js";
import { type Layer, mergeLayers, overrideLayer, parseOverride } from "../../recipe/overrides.js";
import { HttpError } from "../http-error.js";
import type { ChatModels } from "./chat-models.js";
import type { Folder } from "./folder.js";
import type { Places } from "./places.js";
import { withoutSecrets } from "./secrets.js";
import type { TrainingJob } from "./trainings.js";
import type { TrainingRequest } from "./wire.js";

export interface TrainingSources {
  runs: Folder;
  places: Places;
  models: ChatModels;
}

/** @throws HttpError 400 with the recipe's own message, 404 for files that are not there, 409 when the name is taken. */
export async function planTraining(request: TrainingRequest, sources: TrainingSources): Promise<TrainingJob> {
  const { runs, places, models } = sources;
  const { name, settings } = request;
  const out = runs.place(name);
  if (existsSync(out)) throw new HttpError(409, `there is a folder ${name} already; choose another name`);
  const sets = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
  // Steps in all win over passes; whoever gives passes means them.
  if (settings.epochs !== undefined && settings.max_steps !== undefined)
    throw new HttpError(400, "give either epochs or max_steps");
  if ("recipe" in request) {
    const path = places.resolve(request.recipe);
    const recipe = await explained(() => loadRecipe(path, sets), path, request.recipe);
    const { model, method, mode } = recipe;
    const args = [path, "--out", out, ...sets.flatMap((set) => ["--set", set])];
    return { id: name, args, about: { model, method, mode } };
  }
  let layer: Layer = { model: models.reference(request.model), data: { path: [places.resolve(request.data)] } };
  for (const set of sets) layer = mergeLayers(layer, overrideLayer(parseOverride(set)));
  const { model, method, mode } = await explained(async () => parseRecipe(layer));
  const path = runs.place(`${name}.recipe.yaml`);
  writeFileAtomically(path, stringify(layer));
  return { id: name, args: [path, "--out", out], about: { model, method, mode } };
}

/** A recipe's problem as an answer; the recipe goes by the name that the page knows it by. */
async function explained<T>(read: () => Promise<T>, path = "", shown = ""): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new HttpError(400, withoutSecrets(path === "" ? error.message : error.message.replaceAll(path, shown)));
  }
}
