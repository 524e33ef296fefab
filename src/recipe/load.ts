import { dirname, isAbsolute, resolve } from "node:path";
import { UsageError } from "../errors.js";
import { type Layer, mergeLayers, type Override, overrideLayer, parseOverride, valueAt } from "./overrides.js";
import { presetNames, presets } from "./presets.js";
import { describeIssues, type Problem } from "./problems.js";
import { settleRecipe } from "./resolve.js";
import { recipeJsonSchema, type TrainingRecipe, trainingRecipeSchema } from "./schema.js";
import { readYaml } from "./yaml-source.js";

/** Where a problem is: the `--set` that brought the key, else the line of the file. */
type Locate = (path: readonly PropertyKey[]) => string;

/**
 * Reads a training recipe: the preset's values, over them the file's, over them `--set a.b=v` in order.
 *
 * Relative file names in `data.path`, `data.validation` and `adapter`, and a `model` that starts with `./` or `../`,
 * are made absolute: against the recipe's folder, or the current folder when they came from `--set`.
 * @throws UsageError naming file and line (or the `--set`), what was expected, and the nearest valid key.
 */
export async function loadRecipe(path: string, sets: readonly string[] = []): Promise<TrainingRecipe> {
  const file = readYaml(path);
  const overrides = sets.map(parseOverride);
  let merged = anchorPaths(file.data, resolve(dirname(path)));
  for (const override of overrides) merged = mergeLayers(merged, anchorPaths(overrideLayer(override), resolve(".")));
  const locate: Locate = (keys) => {
    const set = overrides.findLast((override) => touches(override, keys));
    if (set) return `--set ${set.text}: `;
    const line = file.lineOf(keys);
    return line === undefined ? `${path}: ` : `${path}:${line}: `;
  };
  return checkRecipe(merged, locate);
}

/** Checks a recipe that is already plain data (preset applied here too); `source` opens each message. */
export function parseRecipe(data: Layer, source = "recipe"): TrainingRecipe {
  return checkRecipe(data, () => `${source}: `);
}

function checkRecipe(given: Layer, locate: Locate): TrainingRecipe {
  const merged = mergeLayers(presetOf(given, locate), given);
  const fail = (problems: readonly Problem[]): never => {
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
    throw new UsageError(`${locate(problems[0]!.path)}${problems[0]!.message}${more}`);
  };
  // The schema's record types drop this key silently, so it is refused by hand.
  if (Object.hasOwn(merged, "__proto__")) fail([{ path: ["__proto__"], message: 'unknown key "__proto__"' }]);
  const parsed = trainingRecipeSchema.safeParse(merged);
  if (!parsed.success) {
    const problems = describeIssues(parsed.error.issues, recipeJsonSchema(), (keys) => valueAt(merged, keys));
    // A mistyped key explains a missing one, so it is told first.
    fail(problems.sort((a, b) => Number(b.message.startsWith("unknown")) - Number(a.message.startsWith("unknown"))));
  }
  const { recipe, problem } = settleRecipe(parsed.data!, given);
  if (problem) fail([problem]);
  return recipe;
}

function presetOf(given: Layer, locate: Locate): Layer {
  const name = given.preset;
  if (name === undefined) return {};
  const known = presetNames.find((preset) => preset === name);
  if (!known) {
    throw new UsageError(
      `${locate(["preset"])}preset: expected one of ${presetNames.join(", ")}, got ${JSON.stringify(name)}`,
    );
  }
  return presets[known];
}

function touches(override: Override, keys: readonly PropertyKey[]): boolean {
  const shared = Math.min(override.path.length, keys.length);
  if (shared === 0) return false;
  for (let i = 0; i < shared; i++) if (override.path[i] !== String(keys[i])) return false;
  return true;
}

/** Makes the file names in a layer absolute. References such as `hf:org/name` are left alone. */
function anchorPaths(layer: Layer, folder: string): Layer {
  const anchor = (value: unknown): unknown =>
    typeof value === "string" && value !== "" && !isAbsolute(value) && !/^[a-z][a-z0-9+.-]+:/i.test(value)
      ? resolve(folder, value)
      : value;
  const result: Layer = mergeLayers(layer, {});
  if (typeof layer.adapter === "string") result.adapter = anchor(layer.adapter);
  if (typeof layer.model === "string" && /^\.\.?[/\\]/.test(layer.model)) {
    result.model = layer.model
      .split(",")
      .map((part) => (/^\.\.?[/\\]/.test(part.trim()) ? anchor(part.trim()) : part))
      .join(",");
  }
  const data = layer.data;
  if (typeof data === "object" && data !== null && !Array.isArray(data)) {
    const anchored: Layer = mergeLayers(data as Layer, {});
    if (anchored.path !== undefined)
      anchored.path = Array.isArray(anchored.path) ? anchored.path.map(anchor) : anchor(anchored.path);
    if (anchored.validation !== undefined) anchored.validation = anchor(anchored.validation);
    result.data = anchored;
  }
  return result;
}
