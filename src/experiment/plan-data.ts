import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { z } from "zod";
import { REFINE_PROMPT, REFINE_SOURCE } from "../data/refine-template.js";
import { UsageError } from "../errors.js";
import type { DataEntry, Experiment } from "../recipe/experiment-schema.js";
import { suggestName } from "../recipe/experiment-sweep.js";
import type { Layer } from "../recipe/overrides.js";
import { parseYaml } from "../recipe/yaml-source.js";
import { SELF_INSTRUCT_SOURCES } from "../self-instruct/originals.js";
import { anchorSelfInstruct, selfInstructSchema } from "../self-instruct/recipe.js";
import type { Draft, PlanContext } from "./draft.js";
import { FINETUNING_FILE, type FileRef, type RefineJob, ROWS_FILE, type SourceRef } from "./step.js";

const KINDS = ["path", "prepare", "refine", "mix", "self_instruct"] as const;
type Kind = (typeof KINDS)[number];

/** Fields that an entry of each kind may have beside the one that makes it this kind. */
const FIELDS: Readonly<Record<Kind, readonly (keyof DataEntry)[]>> = {
  path: [],
  prepare: ["max_examples", "max_characters", "skip", "seed", "columns", "skip_invalid"],
  refine: ["refiner", "prompt", "marker", "max_new_tokens", "temperature", "original_prompts", "weights", "seed"],
  mix: ["safety", "count", "seed"],
  self_instruct: ["model", "original_prompts"],
};

const STARTER_SEEDS = fileURLToPath(new URL("../../examples/self-instruct/seed_tasks.jsonl", import.meta.url));

/** Id of the step that makes a data entry. */
export const dataStep = (name: string): string => `data.${name}`;

/** Plans the steps that make data, and tells where each entry's rows will be. */
export async function planData(experiment: Experiment, context: PlanContext): Promise<DataPlan> {
  const drafts: Draft[] = [];
  const kinds = new Map(Object.entries(experiment.data).map(([name, entry]) => [name, kindOf(name, entry, context)]));
  const names = [...kinds.keys()];
  const rowsOf = (name: string, at: readonly PropertyKey[]): FileRef[] => {
    const kind = kinds.get(name);
    if (kind === undefined)
      return context.fail(at, `${at.join(".")}: no such data entry as "${name}"; ${suggestName(name, names)}`);
    if (kind !== "path")
      return [{ step: dataStep(name), path: kind === "self_instruct" ? FINETUNING_FILE : ROWS_FILE }];
    const { path } = experiment.data[name]!;
    return [path!].flat().map((file) => ({ file }));
  };
  const oneFile = (name: string, at: readonly PropertyKey[]): FileRef => {
    const [rows, ...more] = rowsOf(name, at);
    if (more.length > 0) context.fail(at, `${at.join(".")}: "${name}" has several files; one is expected here`);
    return rows!;
  };
  const sourceOf = async (text: string, at: readonly PropertyKey[]): Promise<SourceRef | FileRef> => {
    const isOther = kinds.has(text) && at[1] !== text; // `lima: {prepare: lima}` means the source
    if (isOther) return oneFile(text, at);
    if (/^[A-Za-z]:[\\/]|^[\\/]/.test(text)) return { file: text };
    return context.inputs.source(text);
  };

  for (const [name, entry] of Object.entries(experiment.data)) {
    const kind = kinds.get(name)!;
    const at = ["data", name, kind];
    const id = dataStep(name);
    if (kind === "prepare") {
      const { max_examples: maxExamples, max_characters: maxCharacters, skip, columns } = entry;
      const { skip_invalid: skipInvalid = false, seed = experiment.seeds[0]! } = entry;
      const source = await sourceOf(entry.prepare!, at);
      const some = maxExamples === undefined ? "" : `, ${maxExamples} rows`;
      drafts.push({
        id,
        title: `prepare ${shortText(entry.prepare!)}${some}`,
        lane: "local",
        job: { kind, source, maxExamples, maxCharacters, skip, seed, columns, skipInvalid },
      });
    } else if (kind === "refine") {
      const refinerName = entry.refiner;
      if (refinerName === undefined)
        return context.fail(at, `data.${name}: refine needs a refiner (the model that rewrites)`);
      const refiner = context.model(refinerName);
      const { temperature = 0, seed = experiment.seeds[0]! } = entry;
      drafts.push({
        id,
        title: `refine ${entry.refine} with ${refinerName}`,
        lane: context.isRemote(refiner) ? "remote" : "local",
        job: {
          kind,
          rows: oneFile(entry.refine!, at),
          refiner,
          ...(await refinePrompt(entry, experiment, `data.${name}`, context)),
          marker: entry.marker ?? "Refined response:",
          maxNewTokens: entry.max_new_tokens ?? 8192,
          temperature,
          ...(temperature > 0 ? { seed } : {}),
          weights: entry.weights ?? "float32",
        },
      });
    } else if (kind === "mix") {
      if (entry.count === undefined) context.fail(at, `data.${name}: mix needs a count (refusals to append)`);
      drafts.push({
        id,
        title: `mix ${entry.count} refusals into ${entry.mix}`,
        lane: "local",
        job: {
          kind,
          rows: oneFile(entry.mix!, at),
          safety: await sourceOf(entry.safety ?? "safety", ["data", name, "safety"]),
          count: entry.count!,
          seed: entry.seed ?? experiment.seeds[0]!,
        },
      });
    } else if (kind === "self_instruct")
      drafts.push(await selfInstructDraft(name, entry, experiment, context, (seeds) => sourceOf(seeds, at)));
  }
  return { drafts, rowsOf };
}

async function selfInstructDraft(
  name: string,
  entry: DataEntry,
  experiment: Experiment,
  context: PlanContext,
  seedsAt: (reference: string) => Promise<SourceRef | FileRef>,
): Promise<Draft> {
  const recipe = selfInstructRecipe(entry.self_instruct!);
  const given = entry.model ?? recipe.model;
  const model = context.model(typeof given === "string" ? given : experiment.model!);
  const seeds = typeof recipe.seed_tasks === "string" ? recipe.seed_tasks : STARTER_SEEDS;
  const parsed = selfInstructSchema.safeParse({ ...recipe, model: "model", seed_tasks: "tasks" });
  if (!parsed.success) {
    const [{ path, message }] = parsed.error.issues as [z.core.$ZodIssue];
    return context.fail(
      ["data", name, "self_instruct"],
      `data.${name}.self_instruct: ${[...path, message].join(": ")}`,
    );
  }
  const { model: _, seed_tasks: __, out: ___, train: ____, original_prompts: asked, ...settings } = parsed.data;
  const wanted = entry.original_prompts ?? asked ?? experiment.original_prompts;
  const originals = await context.inputs.prompts.originals(wanted, SELF_INSTRUCT_SOURCES, `data.${name}`);
  return {
    id: dataStep(name),
    title: `self-instruct: ${settings.num_instructions} instructions by ${String(given ?? experiment.model)}`,
    lane: context.isRemote(model) ? "remote" : "local",
    job: {
      kind: "self-instruct",
      recipe: settings,
      seedTasks: await seedsAt(seeds),
      model,
      ...(originals ? { originals: originals.map((file) => ({ file })) } : {}),
    },
  };
}

/** The file named, Response Tuning's prompt where it is wanted and can be had, or evoke's own. */
async function refinePrompt(
  entry: DataEntry,
  experiment: Experiment,
  what: string,
  { inputs }: PlanContext,
): Promise<Pick<RefineJob, "template" | "prompts">> {
  if (entry.prompt !== undefined) return { template: { file: entry.prompt } };
  const wanted = entry.original_prompts ?? experiment.original_prompts;
  const originals = await inputs.prompts.originals(wanted, [REFINE_SOURCE], what);
  if (originals === undefined) return { template: { file: REFINE_PROMPT }, prompts: "own" };
  return { template: { file: originals[0] ?? REFINE_PROMPT }, prompts: "original" };
}

export interface DataPlan {
  drafts: Draft[];
  /** The files that hold an entry's rows. @param at key path of the mention, for messages. */
  rowsOf: (name: string, at: readonly PropertyKey[]) => FileRef[];
}

function kindOf(name: string, entry: DataEntry, { fail }: PlanContext): Kind {
  const given = KINDS.filter((kind) => entry[kind] !== undefined);
  const [kind, other] = given;
  if (kind === undefined)
    return fail(["data", name], `data.${name}: says not where rows are from; give one of ${KINDS.join(", ")}`);
  if (other !== undefined) return fail(["data", name, other], `data.${name}: has both ${kind} and ${other}; give one`);
  const stray = Object.keys(entry).find(
    (key) =>
      key !== kind && !(FIELDS[kind] as readonly string[]).includes(key) && entry[key as keyof DataEntry] !== undefined,
  );
  if (stray !== undefined)
    return fail(
      ["data", name, stray],
      `data.${name}.${stray}: has no meaning beside ${kind}${FIELDS[kind].length ? `, which takes ${FIELDS[kind].join(", ")}` : ""}`,
    );
  return kind;
}

/** A Self-Instruct recipe given as a file or in place; paths count from the file's folder. */
function selfInstructRecipe(given: string | Layer): Layer {
  if (typeof given !== "string") return given;
  let text: string;
  try {
    text = readFileSync(given, "utf8");
  } catch {
    throw new UsageError(`${given}: no such Self-Instruct recipe`);
  }
  return anchorSelfInstruct(parseYaml(text, given).data, dirname(given));
}

/** The last part of a path, or a reference as it is. */
const shortText = (text: string): string =>
  text.replace(/^.*[\\/](?=[^\\/]+$)/, (lead) => (lead.includes(":") ? lead : ""));
