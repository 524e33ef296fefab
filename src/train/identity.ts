/** What a run is made of: what must be the same for a checkpoint to continue it, and the versions that made it. */
import { createHash } from "node:crypto";
import type { TrainingExample } from "../data/encode.js";
import { UsageError } from "../errors.js";
import { canonicalJson } from "../files/canonical-json.js";
import { sha256 } from "../files/sha256.js";
import { type IdentityOptions, identifyContent } from "../hub/content-identity.js";
import type { TrainingRecipe } from "../recipe/schema.js";
import { runtimeVersion } from "../runtime/onnxruntime.js";
import { evokeVersion } from "../version.js";

/**
 * By name: settings of the recipe as JSON (`lora.r`), and hashes of contents (`model/model.safetensors`, `adapter/…`,
 * `data.train`, `data.validation`).
 */
export type IdentityFields = Readonly<Record<string, string>>;

export interface RunIdentity {
  /** Hex SHA-256 over the fields. */
  id: string;
  fields: IdentityFields;
}

export interface IdentitySource {
  recipe: TrainingRecipe;
  /** Folder or file of the base model; or its name and revision, where only a cluster has its weights. */
  model: { path: string } | { name: string };
  train: readonly TrainingExample[];
  validation: readonly TrainingExample[];
}

/**
 * Fields of the recipe that do not decide what is learnt in the steps that both runs make: where files lie, how long the
 * run goes on, how it is logged, saved and computed. What the paths lead to is in the identity by content.
 */
const LEFT_OUT = new Set(
  ["out", "cluster", "checkpoint", "memory", "device", "threads", "epochs", "max_steps", "model", "adapter", "preset", "report_to"], // biome-ignore format: a list
);

/** Whether masks are drawn in training; an adapter that is continued may bring a dropout of its own. */
export const hasDropout = ({ method, lora }: TrainingRecipe): boolean => method !== "full" && lora.dropout !== 0;

/** Reads all of the base model, and of the adapter to start from; large files once (hub/content-identity.ts). */
export async function runIdentity(source: IdentitySource, options: IdentityOptions = {}): Promise<RunIdentity> {
  const { recipe, model, train, validation } = source;
  const fields: Record<string, string> = {};
  const { path: _path, validation: heldOut, ...data } = recipe.data;
  for (const [name, value] of Object.entries({ ...recipe, data }))
    if (!LEFT_OUT.has(name)) flatten(name, value, fields);
  // Rows that are held out by number are those of `data.validation`; a file of them is known by what is in it.
  if (typeof heldOut === "number") fields["data.validation"] = String(heldOut);
  // They were drawn otherwise once; a run must not have both kinds.
  if (hasDropout(recipe)) fields["dropout masks"] = "by counter";
  // What a template wrote of the day and hour is among the tokens; a clock that it never asked for changes nothing.
  fields["training rows"] = digest(train);
  fields["validation rows"] = digest(validation);
  const parts: Record<string, string> = recipe.adapter ? { adapter: recipe.adapter } : {};
  if ("path" in model) parts.model = model.path;
  else fields["base model"] = model.name;
  Object.assign(fields, (await identifyContent(parts, options)).files);
  return { id: sha256(canonicalJson(fields)), fields };
}

function flatten(name: string, value: unknown, into: Record<string, string>): void {
  if (value === undefined) return;
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    for (const [key, inner] of Object.entries(value)) flatten(`${name}.${key}`, inner, into);
  else into[name] = JSON.stringify(value);
}

/** Row by row, as all rows in one text would take gigabytes. */
function digest(examples: readonly TrainingExample[]): string {
  const hash = createHash("sha256");
  for (const { tokens, mask } of examples)
    hash
      .update(new Int32Array([tokens.length]))
      .update(tokens)
      .update(mask);
  return hash.digest("hex");
}

/** Longest value that is shown in a difference. */
const SHOWN = 40;

/** What differs, in words, such as `lora.r was 64 and is 8`; at most three differences are named. Empty when nothing does. */
function differences(before: IdentityFields, after: IdentityFields): string {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((n) => before[n] !== after[n]);
  const words = names.map((name) => {
    const [was, is] = [before[name], after[name]];
    if (/^(model|adapter)(\/|$)/.test(name)) {
      const file = name.replace("/", ": ");
      return was === undefined ? `${file} is new` : is === undefined ? `${file} is gone` : `${file} has changed`;
    }
    if (name.endsWith(" rows")) return `the ${name} have changed`;
    const shown = (value = "not set"): string => (value.length > SHOWN ? `${value.slice(0, SHOWN)}…` : value);
    return `${name} was ${shown(was)} and is ${shown(is)}`;
  });
  const more = words.length > 3 ? `, and ${words.length - 3} more` : "";
  return words.slice(0, 3).join(", ") + more;
}

/** @throws UsageError naming the difference when the run in a folder is not the one that is asked for. */
export function checkSameRun(
  before: { identity: string; identityFields?: IdentityFields },
  now: RunIdentity,
  out: string,
): void {
  if (before.identity === now.id) return;
  const found = before.identityFields && differences(before.identityFields, now.fields);
  throw new UsageError(
    `${out}: holds another run: ${found || "it was begun by an earlier version of evoke"}; use another --out`,
  );
}

/** Versions of evoke and what it runs on. */
export function versions(): Record<string, string> {
  return { evoke: evokeVersion(), "onnxruntime-node": runtimeVersion(), node: process.versions.node };
}
