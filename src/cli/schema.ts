import { Argument, Command } from "commander";
import { printJson } from "./output.js";

/** `evoke schema recipe`: the JSON Schema of a file, for editors that complete and check YAML. */
export function schemaCommand(): Command {
  return new Command("schema")
    .description("Print the JSON Schema of a file that evoke reads.")
    .addArgument(new Argument("<kind>", "which file").choices(["recipe"]))
    .action(async () => {
      const { recipeJsonSchema } = await import("../recipe/schema.js");
      printJson(recipeJsonSchema());
    });
}
