import { execFileSync } from "node:child_process";
import { recipeJsonSchema } from "../../src/recipe/schema.js";
import { interfaceOf } from "./recipe-types.js";

/** The text of src/api/inputs/training-recipe.ts. */
export function trainingRecipeTypes(): string {
  const about = "A training recipe as data: the keys, meanings and defaults of the YAML file.";
  const text = `// Made by \`npm run docs:recipe-types\` from the recipe's schema.\n\n${interfaceOf("TrainingRecipeInput", about, recipeJsonSchema())}`;
  const biome = [
    "node_modules/@biomejs/biome/bin/biome",
    "format",
    "--stdin-file-path=src/api/inputs/training-recipe.ts",
  ];
  return execFileSync(process.execPath, biome, { input: text, encoding: "utf8" });
}
