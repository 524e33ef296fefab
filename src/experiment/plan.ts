import { UsageError } from "../errors.js";
import { checkReference, isOpenAiReference } from "../llm/openai-reference.js";
import type { LoadedExperiment } from "../recipe/experiment-load.js";
import { parseRecipe } from "../recipe/load.js";
import { type Layer, mergeLayers } from "../recipe/overrides.js";
import type { TrainingRecipe } from "../recipe/schema.js";
import { checkPublished } from "./check-published.js";
import { armId, type Draft, type PlanContext, type PlannedArm } from "./draft.js";
import type { Inputs } from "./inputs.js";
import { type KeyContext, stepKey } from "./keys.js";
import { planData } from "./plan-data.js";
import { planEvaluations } from "./plan-evaluations.js";
import type { FileRef, Step } from "./step.js";

/**
 * The steps of an experiment, each after those it needs.
 *
 * @param chosen the source taken for each entry of `models`.
 * @throws UsageError for names that are not there and fields that contradict each other, with the line of the file.
 */
export async function planExperiment(
  { experiment, fail }: LoadedExperiment,
  chosen: Readonly<Record<string, string>>,
  inputs: Inputs,
): Promise<Step[]> {
  const context: PlanContext = {
    fail,
    inputs,
    model: (name) => {
      const model = chosen[name] ?? name;
      checkReference(model);
      return { model };
    },
    isRemote: (model) => "model" in model && isOpenAiReference(model.model),
  };
  checkPublished(experiment, fail);
  const data = await planData(experiment, context);
  const drafts = [...data.drafts];
  const arms: PlannedArm[] = [];
  for (const [name, arm] of Object.entries(experiment.arms)) {
    const at = ["arms", name];
    const model = context.model(arm.model ?? experiment.model);
    const planned: PlannedArm = {
      name,
      models: [{ model }],
      prompt: arm.prompt,
      template: arm.chat_template,
      rules: arm.rules,
    };
    arms.push(planned);
    if (arm.mode === undefined) {
      if (arm.data !== undefined)
        fail([...at, "data"], `arms.${name}.data: is for tuning; say how with mode: it, rt or text`);
      if (arm.set !== undefined)
        fail([...at, "set"], `arms.${name}.set: is for tuning; say how with mode: it, rt or text`);
      continue;
    }
    if (arm.prompt !== undefined)
      fail([...at, "prompt"], `arms.${name}.prompt: in-context learning tunes nothing; leave mode or prompt out`);
    if (context.isRemote(model)) fail([...at, "mode"], `arms.${name}: a server's model cannot be tuned`);
    if (arm.data === undefined) fail([...at, "mode"], `arms.${name}: tuning needs data`);
    const rows = [arm.data!].flat().flatMap((entry) => data.rowsOf(entry, [...at, "data"]));
    planned.models = experiment.seeds.map((seed) => {
      const shown = experiment.seeds.length > 1 ? seed : undefined;
      const id = armId("train", name, shown);
      const recipe = armRecipe(commonRecipe(experiment), arm.set ?? {}, { mode: arm.mode!, seed }, (message) =>
        fail(arm.set ? [...at, "set"] : ["recipe"], `arms.${name}: ${message}`),
      );
      const { validation } = recipe.data;
      drafts.push({
        id,
        title: `tune ${name} (${recipe.method}, ${recipe.mode.toUpperCase()}) on ${[arm.data!].flat().join(" + ")}${shown === undefined ? "" : `, seed ${seed}`}`,
        lane: "local",
        arm: name,
        seed,
        job: {
          kind: "train",
          model,
          rows,
          recipe,
          ...(typeof validation === "string" ? { validation: { file: validation } satisfies FileRef } : {}),
        },
      });
      return { model: { run: id }, seed: shown };
    });
  }
  drafts.push(...(await planEvaluations(experiment, arms, context, data.rowsOf)));
  return withKeys(drafts, { inputs, api: experiment.llm.api });
}

/** What all arms share: the experiment's recipe, and its cluster. */
function commonRecipe({ recipe, cluster }: LoadedExperiment["experiment"]): Layer {
  return cluster === undefined ? recipe : { ...recipe, cluster };
}

/** The arm's whole recipe. Model and data files are placeholders: the step knows them. */
function armRecipe(
  common: Layer,
  changes: Layer,
  fixed: { mode: "it" | "rt" | "text"; seed: number },
  fail: (message: string) => never,
): TrainingRecipe {
  const merged = mergeLayers(common, changes);
  for (const key of ["model", "mode", "seed", "out"])
    if (Object.hasOwn(merged, key)) fail(`recipe field ${key} is set by the experiment itself`);
  const data = mergeLayers((merged.data as Layer | undefined) ?? {}, { path: "rows.jsonl" });
  try {
    return parseRecipe({ ...merged, ...fixed, model: "model", data }, "recipe");
  } catch (error) {
    if (error instanceof UsageError) fail(error.message);
    throw error;
  }
}

async function withKeys(drafts: readonly Draft[], context: Omit<KeyContext, "keyOf">): Promise<Step[]> {
  const steps = new Map<string, Step>();
  const waiting = [...drafts];
  while (waiting.length > 0) {
    const at = waiting.findIndex((draft) => neededBy(draft.job).every((id) => steps.has(id)));
    const draft = waiting[at];
    if (draft === undefined)
      throw new UsageError(
        `data entries need each other in a circle: ${waiting
          .map(({ id }) => id)
          .filter((id) => id.startsWith("data."))
          .join(", ")}; look at refine and mix`,
      );
    waiting.splice(at, 1);
    const key = await stepKey(draft.job, { ...context, keyOf: (id) => steps.get(id)!.key });
    const { id, ...rest } = draft;
    // Two steps of one key are one piece of work in one folder: the second waits for the first, and finds it done.
    const twin = [...steps.values()].find((step) => step.key === key);
    const needs = [...new Set([...neededBy(draft.job), ...(twin ? [twin.id] : [])])];
    const { kind } = draft.job;
    steps.set(id, { id, kind, needs, key, folder: `steps/${kind}-${key.slice(0, 16)}`, ...rest });
  }
  return [...steps.values()];
}

/** Ids of the steps whose results a job reads. */
function neededBy(job: unknown): string[] {
  if (Array.isArray(job)) return job.flatMap(neededBy);
  if (typeof job !== "object" || job === null) return [];
  return Object.entries(job).flatMap(([name, value]) =>
    (name === "step" || name === "run") && typeof value === "string" ? [value] : neededBy(value),
  );
}
