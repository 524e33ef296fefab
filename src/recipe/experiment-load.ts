import { basename, dirname, isAbsolute, resolve } from "node:path";
import { type Experiment, experimentJsonSchema, experimentSchema } from "./experiment-schema.js";
import { expandSweep, failAt, suggestName } from "./experiment-sweep.js";
import { type Layer, mergeLayers, type Override, overrideLayer, parseOverride, valueAt } from "./overrides.js";
import { describeIssues } from "./problems.js";
import { readYaml } from "./yaml-source.js";

export interface LoadedExperiment {
  /** With `name` and `model` filled in, sweeps expanded and file names absolute. */
  experiment: Experiment & { name: string; model: string };
  /** The sweep's values that made an arm, by arm. */
  sweptArms: Readonly<Record<string, Record<string, unknown>>>;
  /** Ends with a message that names the line of the file (or the `--set`) where a key path was given. */
  fail: (path: readonly PropertyKey[], message: string) => never;
  hasSmoke: boolean;
}

/**
 * Reads an experiment file: the file's values, over them its `smoke` block when asked for, over them `--set a.b=v` in
 * order; then sweeps are expanded. File names count from the experiment's folder, those of `--set` from the current one.
 *
 * @throws UsageError naming file and line (or the `--set`), what was expected, and the nearest valid name.
 */
export function loadExperiment(
  path: string,
  { sets = [], smoke = false }: { sets?: readonly string[]; smoke?: boolean } = {},
): LoadedExperiment {
  const file = readYaml(path);
  const overrides = sets.map(parseOverride);
  const { smoke: block, ...rest } = file.data;
  const home = resolve(dirname(path));
  let merged = anchorExperiment(rest, home);
  if (smoke) {
    if (!isMap(block)) failAt(`${path}: `, "has no smoke block, which --smoke asks for");
    merged = withoutNulls(mergeLayers(merged, anchorExperiment(block as Layer, home)), block as Layer);
  }
  for (const override of overrides)
    merged = mergeLayers(merged, anchorExperiment(overrideLayer(override), resolve(".")));

  let origin = (keys: readonly PropertyKey[]): readonly PropertyKey[] => keys;
  const fail = (keys: readonly PropertyKey[], message: string): never => {
    const at = origin(keys);
    const set = overrides.findLast((each) => touches(each, at) || touches(each, keys));
    if (set) return failAt(`--set ${set.text}: `, message);
    const inSmoke = smoke && valueAt(block, at) !== undefined;
    const line = inSmoke ? file.lineOf(["smoke", ...at]) : file.lineOf(at);
    return failAt(line === undefined ? `${path}: ` : `${path}:${line}: `, message);
  };

  const expanded = expandSweep(openEntries(merged), fail);
  origin = expanded.originOf;
  const parsed = experimentSchema.safeParse(expanded.layer);
  if (!parsed.success) {
    const problems = describeIssues(parsed.error.issues, experimentJsonSchema(), (keys) =>
      valueAt(expanded.layer, keys),
    );
    // A mistyped key explains a missing one, so it is told first.
    problems.sort((a, b) => Number(b.message.startsWith("unknown")) - Number(a.message.startsWith("unknown")));
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
    fail(problems[0]!.path, problems[0]!.message + more);
  }
  const experiment = parsed.data!;
  const names = Object.keys(experiment.models);
  if (names.length === 0) fail(["models"], "models: name at least one model");
  if (experiment.model !== undefined && !names.includes(experiment.model))
    fail(["model"], `model: no such entry of models as "${experiment.model}"; ${suggestName(experiment.model, names)}`);
  return {
    experiment: {
      ...experiment,
      name: experiment.name ?? fileName(path),
      model: experiment.model ?? names[0]!,
    },
    sweptArms: expanded.sweptArms,
    fail,
    hasSmoke: isMap(block),
  };
}

function fileName(path: string): string {
  const plain = basename(path).replace(/\.ya?ml$/i, "");
  return plain.replace(/[^A-Za-z0-9_+-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "") || "experiment";
}

function isMap(value: unknown): value is Layer {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const NAMED = ["data", "arms", "evaluations"] as const;

/** `base:` without a value is an entry with all defaults. */
function openEntries(layer: Layer): Layer {
  const result: Layer = { ...layer };
  for (const block of NAMED) {
    const entries = layer[block];
    if (isMap(entries))
      result[block] = Object.fromEntries(Object.entries(entries).map(([key, entry]) => [key, entry ?? {}]));
  }
  return result;
}

/** Takes out what the smoke block sets to null. */
function withoutNulls(merged: Layer, smoke: Layer): Layer {
  const result: Layer = { ...merged };
  for (const [key, value] of Object.entries(smoke)) {
    if (value === null) delete result[key];
    else if (isMap(value) && isMap(result[key])) result[key] = withoutNulls(result[key], value);
  }
  return result;
}

function touches(override: Override, keys: readonly PropertyKey[]): boolean {
  const shared = Math.min(override.path.length, keys.length);
  if (shared === 0) return false;
  for (let i = 0; i < shared; i++) if (override.path[i] !== String(keys[i])) return false;
  return true;
}

/** `hf:org/name` and its kin; a single letter is a drive. */
const isReference = (text: string): boolean => /^[a-z][a-z0-9+.-]+:/i.test(text);

/** A path as opposed to a name or a reference. */
const looksLikePath = (text: string): boolean => /[./\\]/.test(text) && !isReference(text);

/** Makes the file names in a layer absolute. */
function anchorExperiment(layer: Layer, folder: string): Layer {
  const file = (value: unknown): unknown =>
    typeof value === "string" && value !== "" && !isAbsolute(value) && !isReference(value)
      ? resolve(folder, value)
      : value;
  const pathLike = (value: unknown): unknown =>
    typeof value === "string" && looksLikePath(value) ? file(value) : value;
  const reference = (value: unknown): unknown =>
    typeof value === "string"
      ? value
          .split(",")
          .map((part) => (isAbsolute(part.trim()) ? part : pathLike(part.trim())))
          .join(",")
      : value;
  const within = (block: unknown, anchors: Record<string, (value: unknown) => unknown>): unknown =>
    isMap(block)
      ? Object.fromEntries(
          Object.entries(block).map(([key, value]) => {
            const anchor = Object.hasOwn(anchors, key) ? anchors[key] : undefined;
            return [key, anchor ? (Array.isArray(value) ? value.map(anchor) : anchor(value)) : value];
          }),
        )
      : block;
  const each = (block: unknown, anchors: Record<string, (value: unknown) => unknown>): unknown =>
    isMap(block)
      ? Object.fromEntries(Object.entries(block).map(([key, entry]) => [key, within(entry, anchors)]))
      : block;
  const rows = (value: unknown): unknown =>
    isMap(value) ? Object.fromEntries(Object.entries(value).map(([suite, path]) => [suite, pathLike(path)])) : value;
  const selfInstruct = (value: unknown): unknown =>
    isMap(value)
      ? within(value, { seed_tasks: pathLike, prompts: file, adapter: file, model: reference })
      : file(value);

  const recipe = (value: unknown): unknown =>
    within(value, { adapter: file, data: (data) => within(data, { validation: file }) });

  const result: Layer = { ...layer };
  if (layer.recipe !== undefined) result.recipe = recipe(layer.recipe);
  if (isMap(layer.models))
    result.models = Object.fromEntries(Object.entries(layer.models).map(([key, value]) => [key, reference(value)]));
  result.data = each(layer.data, {
    path: file,
    prepare: pathLike,
    prompt: file,
    safety: pathLike,
    refiner: reference,
    model: reference,
    self_instruct: selfInstruct,
  });
  result.arms = each(layer.arms, { model: reference, prompt: pathLike, set: recipe });
  result.evaluations = each(layer.evaluations, {
    judge: reference,
    judge_prompt: file,
    judge_safety_prompt: file,
    reference: file,
    difficulty: file,
    bertscore: reference,
    rows,
  });
  for (const block of NAMED) if (result[block] === undefined) delete result[block];
  return result;
}
