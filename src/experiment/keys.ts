import { canonicalJson } from "../files/canonical-json.js";
import { sha256 } from "../files/sha256.js";
import { isOpenAiReference } from "../llm/openai-reference.js";
import type { ClusterSettings } from "../recipe/cluster.js";
import type { LlmSettings } from "../recipe/experiment-schema.js";
import type { TrainingRecipe } from "../recipe/schema.js";
import { promptFiles } from "../self-instruct/prompts.js";
import { hasDropout } from "../train/identity.js";
import type { Inputs } from "./inputs.js";
import type { StepKind } from "./record.js";
import type { Job, ModelRef, SelfInstructJob } from "./step.js";

/**
 * Raised when a kind of step would give another result for the same inputs: its finished steps are then done again. Not the
 * package's version, so that an update repeats nothing that it did not change.
 */
const VERSIONS: Readonly<Record<StepKind, number>> = {
  prepare: 1,
  refine: 2,
  mix: 1,
  "self-instruct": 1,
  train: 1,
  answers: 2,
  eval: 3,
};

/** Changes that gave some jobs of a kind another result; those that they do not reach stay as they were. */
const CHANGES: readonly ((job: Job) => boolean)[] = [
  // A model's own template had a BOS too many with some tokenizers.
  (job) => job.kind === "eval" && job.template === "model",
  // Choices of runs were scored without the run's template.
  (job) => job.kind === "eval" && isRun(job.model) && !job.template && !job.prompt,
  // Judges' replies of more shapes are read, and the length-controlled figure holds out AlpacaEval's rows.
  (job) => job.kind === "eval" && job.judge !== undefined,
  // Dropout masks of our own trainer are drawn by another function.
  (job) => job.kind === "train" && hasDropout(job.recipe) && job.recipe.cluster?.address === undefined,
];

const versionOf = (job: Job): number => VERSIONS[job.kind] + CHANGES.filter((reaches) => reaches(job)).length;

const isRun = (model: ModelRef | undefined): boolean => model !== undefined && "run" in model;

export interface KeyContext {
  inputs: Inputs;
  /** Key of an earlier step. */
  keyOf: (step: string) => string;
  /** Endpoint of servers for plain prompts. */
  api: LlmSettings["api"];
}

/**
 * Key of a step: SHA-256 over the kind's version, its settings, the content of the files and models it reads, and the
 * keys of the steps it needs. Where files lie and what steps are called does not matter. docs/guides/experiments.md has the
 * table of what is in and what is not.
 */
export async function stepKey(job: Job, context: KeyContext): Promise<string> {
  const settings = await content(effective(job), context);
  const api = asksServer(job) && context.api !== "auto" ? context.api : undefined;
  return sha256(canonicalJson([versionOf(job), settings, ...(api === undefined ? [] : [{ api }])]));
}

/** A job without what changes how its result is reached or what it is called, not what it is. */
function effective(job: Job): object {
  switch (job.kind) {
    case "train":
      return { ...job, recipe: trainingSettings(job.recipe) };
    case "self-instruct":
      return { ...job, recipe: selfInstructSettings(job) };
    case "refine": {
      const { prompts, weights, ...rest } = job;
      return {
        ...rest,
        ...(prompts === "original" ? { prompts } : {}),
        ...(asksServer(job) ? {} : { weights }),
      };
    }
    case "answers":
    case "eval": {
      const { generator: _, ...rest } = job;
      return rest;
    }
    default:
      return job;
  }
}

/**
 * Fields of a training recipe that change how a result is reached, not what it is; or, as model and files, stand in the job; or, as
 * a preset, in the recipe's other fields.
 */
const WITHOUT_EFFECT = [
  "out",
  "report_to",
  "checkpoint",
  "memory",
  "device",
  "threads",
  "model",
  "preset",
  "adapter",
  "cluster",
  "data",
];

function trainingSettings(recipe: TrainingRecipe): object {
  const { validation, path: _, ...data } = recipe.data;
  return {
    ...Object.fromEntries(Object.entries(recipe).filter(([key]) => !WITHOUT_EFFECT.includes(key))),
    data: { ...data, ...(typeof validation === "number" ? { validation } : {}) },
    ...(recipe.adapter === undefined ? {} : { adapter: { folder: recipe.adapter } }),
    ...(recipe.cluster?.address === undefined ? {} : { cluster: clusterSettings(recipe.cluster) }),
  };
}

/** What of a cluster changes the arithmetic. */
function clusterSettings({ workers, gpus_per_worker, precision, model, pip, runtime_env }: ClusterSettings): object {
  const other = model?.startsWith("hf:") ? { model: { model } } : {};
  return {
    workers,
    isGpu: gpus_per_worker === undefined ? "default" : gpus_per_worker > 0,
    precision,
    pip,
    runtime_env,
    ...other,
  };
}

function selfInstructSettings(job: SelfInstructJob): object {
  const { llm, prompts, adapter, weights, ...rest } = job.recipe;
  return {
    ...rest,
    ...(asksServer(job) ? {} : { weights }),
    prompts: Object.values(promptFiles(prompts)).map((file) => ({ file })),
    ...(adapter === undefined ? {} : { adapter: { folder: adapter } }),
    ...(llm.api === undefined || llm.api === "auto" ? {} : { api: llm.api }),
  };
}

/** Whether one of a job's models is a server's. */
function asksServer(job: Job): boolean {
  return Object.values(job).some(
    (value: unknown) =>
      typeof value === "object" && value !== null && "model" in value && isOpenAiReference(String(value.model)),
  );
}

/** A value with every reference replaced by what it refers to. */
async function content(value: unknown, context: KeyContext): Promise<unknown> {
  if (Array.isArray(value)) return Promise.all(value.map((item) => content(item, context)));
  if (typeof value !== "object" || value === null) return value;
  const { inputs, keyOf } = context;
  const given = value as Record<string, unknown>;
  const isOnly = (name: string): boolean => typeof given[name] === "string" && Object.keys(given).length === 1;
  if (isOnly("file")) return { sha256: await inputs.fileHash(given.file as string) };
  if (isOnly("folder")) return { sha256: await inputs.folderId(given.folder as string) };
  if (isOnly("model")) return { model: await inputs.modelId(given.model as string) };
  if (isOnly("run")) return { run: keyOf(given.run as string) };
  const parts = await Promise.all(
    Object.entries(given).map(async ([name, item]) => [
      name,
      name === "step" && typeof item === "string" ? keyOf(item) : await content(item, context),
    ]),
  );
  return Object.fromEntries(parts);
}
