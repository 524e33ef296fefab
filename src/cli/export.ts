import { Command, InvalidArgumentError, Option } from "commander";
import { exportRecipe, TRAINERS, type Trainer } from "../cluster/export/export-recipe.js";
import { LAUNCHES, type Launch } from "../cluster/export/launch.js";
import { loadRecipe } from "../recipe/load.js";
import { exportAdapterCommand } from "./export-adapter.js";
import { exportModelCommand } from "./export-model.js";
import { globalOptions, printJson, say } from "./output.js";

interface ExportFlags {
  to: Trainer;
  out: string;
  set: string[];
  model?: string;
  precision: "bfloat16" | "float32";
  force: boolean;
  inSequence: boolean;
  accelerate?: Launch;
  processes: number;
  nodes: number;
}

/** `evoke export`: hands work over to other programs. */
export function exportCommand(): Command {
  return new Command("export")
    .description("Hand models, adapters and recipes over to other programs.")
    .addCommand(exportModelCommand())
    .addCommand(exportAdapterCommand())
    .addCommand(exportRecipeCommand());
}

function exportRecipeCommand(): Command {
  return new Command("recipe")
    .description("Write a recipe's configuration and tokenised rows for TRL or Axolotl.")
    .argument("<recipe>", "recipe file (YAML)")
    .addOption(new Option("--to <trainer>", "which trainer").choices(TRAINERS).makeOptionMandatory())
    .requiredOption("--out <folder>", "folder to write")
    .option("--set <key=value>", "override a field of the recipe (repeatable)", collect, [])
    .option("--model <model>", "base model as that trainer sees it: hf:ORG/NAME[@REV] or a path there")
    .addOption(new Option("--precision <type>", "its arithmetic").choices(["bfloat16", "float32"]).default("bfloat16"))
    .addOption(
      new Option("--accelerate <way>", "TRL on several GPUs, with files for Slurm, SkyPilot and KubeRay").choices(
        LAUNCHES,
      ),
    )
    .option("--processes <n>", "with --accelerate: GPUs in all", count("--processes"), 8)
    .option("--nodes <n>", "with --accelerate: machines they are on", count("--nodes"), 1)
    .option("--in-sequence", "TRL: rows in evoke's order of the first pass", false)
    .option("--force", "replace the folder", false)
    .action(async (path: string, flags: ExportFlags, command: Command) => {
      const global = globalOptions(command);
      const sets = flags.set.slice();
      if (global.seed !== undefined) sets.push(`seed=${global.seed}`);
      const recipe = await loadRecipe(path, sets);
      const { accelerate: kind, processes, nodes } = flags;
      const launch = kind && { kind, processes, nodes };
      const result = await exportRecipe(recipe, { ...flags, launch, say: (line) => say(line, global) });
      if (global.json) return printJson(result);
      for (const difference of result.differences) say(difference, global);
      process.stdout.write(
        `${result.folder}: ${result.examples} examples, ${result.steps} steps; run there: ${result.command}\n`,
      );
    });
}

function count(flag: string): (text: string) => number {
  return (text) => {
    if (!/^[1-9]\d{0,4}$/.test(text)) throw new InvalidArgumentError(`${flag} is a whole number from 1.`);
    return Number(text);
  };
}

function collect(value: string, previous: string[]): string[] {
  return [...previous, value];
}
