import { Argument, Command } from "commander";
import { printJson } from "./output.js";

/** `evoke schema recipe|experiment`: the JSON Schema of a file, for editors that complete and check YAML. */
export function schemaCommand(): Command {
  return new Command("schema")
    .description("Print the JSON Schema of a file that evoke reads.")
    .addArgument(new Argument("<kind>", "which file").choices(["recipe", "experiment"]))
    .action(async (kind: "recipe" | "experiment") => {
      if (kind === "recipe") printJson((await import("../recipe/schema.js")).recipeJsonSchema());
      else printJson((await import("../recipe/experiment-schema.js")).experimentJsonSchema());
    });
}
