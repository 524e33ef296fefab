import { canonicalJson } from "../files/canonical-json.js";
import { sha256 } from "../files/sha256.js";
import type { Inputs } from "./inputs.js";
import type { StepKind } from "./record.js";
import type { Job } from "./step.js";

/**
 * Raised when a kind of step would give another result for the same inputs: its finished steps are then done again. Not the
 * package's version, so that an update repeats nothing that it did not change.
 */
const VERSIONS: Readonly<Record<StepKind, number>> = {
  prepare: 1,
  refine: 1,
  mix: 1,
  "self-instruct": 1,
  train: 1,
  answers: 1,
  eval: 2,
};

/** Fields of a training recipe that change how a result is reached, not what it is. */
const WITHOUT_EFFECT = ["out", "cluster", "checkpoint", "memory", "device", "threads", "model"] as const;

/**
 * Key of a step: SHA-256 over the kind's version, its settings, the content of the files and models it reads, and the
 * keys of the steps it needs. Where files lie and what steps are called does not matter.
 */
export async function stepKey(job: Job, keyOf: (step: string) => string, inputs: Inputs): Promise<string> {
  const plain = job.kind === "train" ? { ...job, recipe: withoutEffect(job.recipe) } : job;
  return sha256(canonicalJson([VERSIONS[job.kind], await content(plain, keyOf, inputs)]));
}

function withoutEffect(recipe: object): object {
  const entries = Object.entries(recipe).filter(([key]) => !(WITHOUT_EFFECT as readonly string[]).includes(key));
  const { path: _, validation, ...data } = (recipe as { data: Record<string, unknown> }).data;
  return {
    ...Object.fromEntries(entries),
    data: { ...data, ...(typeof validation === "number" ? { validation } : {}) },
  };
}

/** A job with every reference replaced by what it refers to. */
async function content(value: unknown, keyOf: (step: string) => string, inputs: Inputs): Promise<unknown> {
  if (Array.isArray(value)) return Promise.all(value.map((item) => content(item, keyOf, inputs)));
  if (typeof value !== "object" || value === null) return value;
  const given = value as Record<string, unknown>;
  if (typeof given.file === "string" && Object.keys(given).length === 1)
    return { sha256: await inputs.fileHash(given.file) };
  if (typeof given.model === "string" && Object.keys(given).length === 1)
    return { model: await inputs.modelId(given.model) };
  if (typeof given.run === "string" && Object.keys(given).length === 1) return { run: keyOf(given.run) };
  const parts = await Promise.all(
    Object.entries(given).map(async ([name, item]) => [
      name,
      name === "step" && typeof item === "string" ? keyOf(item) : await content(item, keyOf, inputs),
    ]),
  );
  return Object.fromEntries(parts);
}
