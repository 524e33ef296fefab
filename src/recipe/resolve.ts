import type { z } from "zod";
import type { Layer } from "./overrides.js";
import type { Problem } from "./problems.js";
import type { TrainingRecipe, trainingRecipeSchema } from "./schema.js";

/** Fills the defaults that depend on other fields and looks for fields that contradict each other. */
export function settleRecipe(
  parsed: z.output<typeof trainingRecipeSchema>,
  given: Layer,
): {
  recipe: TrainingRecipe;
  problem?: Problem;
} {
  // The type always comes last: a run's identity must not tell a given default from a filled one.
  const { type: named, ...storage } = parsed.quantization;
  const type = named ?? (parsed.method === "qlora" ? "nf4" : "none");
  const recipe: TrainingRecipe = { ...parsed, quantization: { ...storage, type } };
  // An adapter that is continued has settings of its own: neither defaults nor a preset may contradict them.
  if (parsed.adapter !== undefined) {
    const own = Object.keys((given.lora ?? {}) as Layer);
    recipe.lora = Object.fromEntries(Object.entries(parsed.lora).filter(([key]) => own.includes(key)));
  }
  const problem = contradiction(recipe);
  return problem ? { recipe, problem } : { recipe };
}

function contradiction(recipe: TrainingRecipe): Problem | undefined {
  const { type } = recipe.quantization;
  if (recipe.method === "qlora" && type === "none") {
    return {
      path: ["quantization", "type"],
      message: "quantization.type: method qlora needs nf4 or int8; for an unquantised base use method: lora",
    };
  }
  if (recipe.method === "full" && type !== "none") {
    return {
      path: ["quantization", "type"],
      message: `quantization.type: method full trains all weights, so the base cannot be ${type}; use none`,
    };
  }
  if (recipe.method === "full" && recipe.adapter !== undefined) {
    return { path: ["adapter"], message: "adapter: method full takes no adapter; merge it into the base first" };
  }
  if (recipe.early_stop && recipe.data.validation === undefined) {
    return { path: ["early_stop"], message: "early_stop: needs validation rows; set data.validation" };
  }
  return undefined;
}
