import { existsSync } from "node:fs";
import { join } from "node:path";
import { EvokeError, FailureError, UsageError } from "../errors.js";
import { canonicalJson } from "../files/canonical-json.js";
import { sha256 } from "../files/sha256.js";
import { pinnedReference } from "../hub/hub.js";
import { resolveModel } from "../hub/resolve-model.js";
import { type LoadedExperiment, loadExperiment } from "../recipe/experiment-load.js";
import { Inputs } from "./inputs.js";
import { planExperiment } from "./plan.js";
import { type ExperimentRecord, readExperiment } from "./record.js";
import type { Step } from "./step.js";

export interface OpenOptions {
  file: string;
  sets: readonly string[];
  smoke: boolean;
  /** Default: runs/NAME, with "-smoke" behind it for the smoke variant. */
  out?: string;
  dataDir?: string;
  /** Only look: fetch nothing, and take the first source of each model. */
  dryRun: boolean;
  say: (line: string) => void;
  signal?: AbortSignal;
}

/** An experiment with its plan, ready to run. */
export interface OpenExperiment {
  loaded: LoadedExperiment;
  smoke: boolean;
  out: string;
  steps: Step[];
  models: ExperimentRecord["models"];
  /** Why own prompts are used where the originals were to be. */
  promptNotes: string[];
  /** Hex SHA-256 of the experiment with all defaults and overrides. */
  hash: string;
  /** The record that the folder holds from before. */
  before?: ExperimentRecord;
}

/**
 * Reads an experiment, settles which sources its models come from, and plans its steps. A choice made by an earlier run in the
 * same folder holds, so that nothing is done twice because a network came or went.
 */
export async function openExperiment(options: OpenOptions): Promise<OpenExperiment> {
  const { file, sets, say, dryRun, signal } = options;
  let { smoke } = options;
  let loaded = loadExperiment(file, { sets, smoke });
  const outOf = (): string => options.out ?? `runs/${loaded.experiment.name}${smoke ? "-smoke" : ""}`;
  let before = readExperiment(outOf());
  refuseOther(outOf(), before, loaded.experiment.name);
  let models = await chooseModels(loaded, before, { dryRun, say, signal });
  const { model } = loaded.experiment;
  if (
    !smoke &&
    loaded.hasSmoke &&
    models[model]!.chosen === "bundled:mini" &&
    models[model]!.reference !== "bundled:mini"
  ) {
    const variant = loadExperiment(file, { sets: [...sets, `models.${model}=bundled:mini`], smoke: true });
    if (variant.experiment.models[model] === "bundled:mini") {
      say("no other model can be reached: taking the smoke variant, which is made for the bundled one");
      const out = outOf();
      smoke = true;
      loaded = variant;
      before = readExperiment(out);
      models = await chooseModels(loaded, before, { dryRun, say, signal });
    }
  }
  const chosen = Object.fromEntries(Object.entries(models).map(([name, each]) => [name, each.chosen]));
  const inputs = new Inputs({ dataDir: options.dataDir, fetchMissing: !dryRun, say, signal });
  const steps = await planExperiment(loaded, chosen, inputs);
  const hash = sha256(canonicalJson([loaded.experiment, chosen]));
  const promptNotes = inputs.prompts.notes;
  for (const note of promptNotes) say(note);
  return { loaded, smoke, out: outOf(), steps, models, promptNotes, hash, before };
}

/** @throws UsageError when a folder holds something else. */
function refuseOther(out: string, before: ExperimentRecord | undefined, name: string): void {
  if (before && before.name !== name)
    throw new UsageError(`${out}: holds the experiment "${before.name}", this one is "${name}"; use another --out`);
  const other = ["run.json", "results.json"].find((file) => existsSync(join(out, file)));
  if (!before && other) throw new UsageError(`${out}: holds another kind of run (${other}); use another --out`);
}

async function chooseModels(
  { experiment, fail }: LoadedExperiment,
  before: ExperimentRecord | undefined,
  { dryRun, say, signal }: Pick<OpenOptions, "dryRun" | "say" | "signal">,
): Promise<ExperimentRecord["models"]> {
  const models: ExperimentRecord["models"] = {};
  for (const [name, reference] of Object.entries(experiment.models)) {
    const known = before?.models[name];
    const isList = !reference.startsWith("openai:") && reference.includes(",") && !existsSync(reference);
    if (known?.reference === reference) models[name] = known;
    else if (!isList) {
      if (!/^[a-z]{2,}:/.test(reference) && !existsSync(reference))
        fail(["models", name], `models.${name}: ${reference}: no such model folder or file`);
      models[name] = { reference, chosen: dryRun ? reference : await pinnedReference(reference, { say, signal }) };
    } else if (dryRun) models[name] = { reference, chosen: reference.split(",")[0]!.trim() };
    else models[name] = { reference, chosen: await firstReachable(reference, say, signal) };
  }
  return models;
}

/**
 * The first of several references, separated by commas, that can be had; why the ones before it cannot is said aloud.
 *
 * @throws FailureError when there is none.
 */
async function firstReachable(references: string, say: (line: string) => void, signal?: AbortSignal): Promise<string> {
  const parts = references.split(",").map((part) => part.trim());
  for (const [i, reference] of parts.entries()) {
    try {
      await resolveModel(reference, { say, signal });
      if (i > 0) say(`using ${reference} instead`);
      return await pinnedReference(reference, { say, signal });
    } catch (error) {
      if (!(error instanceof EvokeError)) throw error;
      say(`${reference} cannot be had: ${error.message}`);
    }
  }
  const message = `no model of ${references} could be reached; name another one`;
  throw references.includes(":") ? new FailureError(message) : new UsageError(message);
}
