import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { loadRecipe, parseRecipe } from "./load.js";
import { presetNames } from "./presets.js";
import { recipeJsonSchema } from "./schema.js";
import { starterRecipe, TRAINING_MODES } from "./starter.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-starter-"));
afterAll(() => rmSync(folder, { recursive: true }));

const cases = presetNames.flatMap((preset) => TRAINING_MODES.map((mode) => ({ preset, mode })));

describe.each(cases)("a starter recipe with $preset and $mode", ({ preset, mode }) => {
  const chosen = { model: "bundled:mini", data: join(folder, "rows: a #1.jsonl"), mode, preset };
  const text = starterRecipe(chosen, "recipe.yaml");
  const given = { model: chosen.model, preset, mode, data: { path: chosen.data } };

  it("is a recipe that means exactly what was chosen", async () => {
    const path = join(folder, `${preset}-${mode}.yaml`);
    writeFileSync(path, text);
    expect(await loadRecipe(path)).toEqual(parseRecipe(given));
  });

  it("names every field, and its comments hold the values in force", () => {
    const { properties } = recipeJsonSchema() as { properties: Record<string, unknown> };
    for (const name of Object.keys(properties)) expect(text).toMatch(new RegExp(`^(# )?${name}:`, "m"));
    const settings = text.split("\n").filter((line) => !/^[ #]*## /.test(line));
    const open = settings
      .slice(2)
      .map((line) => line.replace("# ", ""))
      .join("\n");
    const values = withoutEmpty(parse(open) as Record<string, unknown>);
    const { early_stop: _, cluster: __, ...rest } = values; // commented out with their defaults, which turn them on
    expect(parseRecipe(rest)).toEqual(parseRecipe(given));
  });

  it("keeps to readable lines", () => {
    for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(200);
  });
});

function withoutEmpty(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values)
      .filter(([, value]) => value !== null)
      .map(([key, value]) => [
        key,
        typeof value === "object" && !Array.isArray(value) ? withoutEmpty(value as Record<string, unknown>) : value,
      ]),
  );
}
