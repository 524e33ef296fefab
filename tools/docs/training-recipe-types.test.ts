import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { z } from "zod";
import type { TrainingRecipeInput } from "../../src/api/inputs/training-recipe.js";
import type { trainingRecipeSchema } from "../../src/recipe/schema.js";
import { trainingRecipeTypes } from "./training-recipe-types.js";

it("keeps the recipe's type as the schema makes it (npm run docs:recipe-types)", () => {
  expect(readFileSync("src/api/inputs/training-recipe.ts", "utf8")).toBe(trainingRecipeTypes());
});

it("takes what the schema takes", () => {
  const taken = (recipe: z.input<typeof trainingRecipeSchema>): TrainingRecipeInput => recipe;
  expect(taken({ model: "bundled:mini", data: { path: "rows.jsonl" } }).model).toBe("bundled:mini");
});
