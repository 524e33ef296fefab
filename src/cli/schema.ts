import { Argument, Command } from "commander";
import { printJson } from "./output.js";

/** `evoke schema recipe|experiment|results`: the JSON Schema of a file, for editors and for programs that read results. */
export function schemaCommand(): Command {
  return new Command("schema")
    .description("Print the JSON Schema of a file that evoke reads or writes.")
    .addArgument(new Argument("<kind>", "which file").choices(["recipe", "experiment", "results"]))
    .action(async (kind: "recipe" | "experiment" | "results") => {
      if (kind === "recipe") printJson((await import("../recipe/schema.js")).recipeJsonSchema());
      else if (kind === "results") printJson((await import("../eval/results-file.js")).resultsJsonSchema());
      else printJson((await import("../recipe/experiment-schema.js")).experimentJsonSchema());
    });
}
