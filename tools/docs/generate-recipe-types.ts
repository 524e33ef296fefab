/** Writes src/api/inputs/training-recipe.ts from the recipe's schema: `npm run docs:recipe-types`. */
import { writeFileAtomically } from "../../src/files/atomic-write.js";
import { trainingRecipeTypes } from "./training-recipe-types.js";

writeFileAtomically("src/api/inputs/training-recipe.ts", trainingRecipeTypes());
