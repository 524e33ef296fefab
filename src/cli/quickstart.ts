import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { globalOptions, parseCount, say } from "./output.js";
import { runFile, tell } from "./run.js";

const EXPERIMENT = fileURLToPath(new URL("../../examples/quickstart.yaml", import.meta.url));
const MINI = "bundled:mini";

interface QuickstartFlags {
  model?: string;
  out: string;
  set: string[];
  maxTokens?: number;
}

/** `evoke quickstart`: the experiment of examples/quickstart.yaml, with the flags of a first try. */
export function quickstartCommand(): Command {
  return new Command("quickstart")
    .description("Tune a small model by IT and by RT on the same rows and compare both with the base model.")
    .option(
      "--model <model>",
      "base model; with commas, the first that can be reached (default: SmolLM2-135M, else Gemma 3 270M)",
    )
    .option("--out <folder>", "where runs, answers and report go; run again to continue", "runs/quickstart")
    .option(
      "--set <key=value>",
      "override a field of both recipes (repeatable)",
      (value, all: string[]) => [...all, value],
      [],
    )
    .option("--max-tokens <n>", "longest answer in tokens", parseCount)
    .action(async (flags: QuickstartFlags, command: Command) => {
      const global = globalOptions(command);
      const set = flags.set.map((text) => `recipe.${text}`);
      if (flags.model !== undefined) set.push(`models.base=${JSON.stringify(flags.model)}`);
      if (flags.maxTokens !== undefined) set.push(`evaluations.heldout.max_new_tokens=${flags.maxTokens}`);
      const result = await runFile(
        EXPERIMENT,
        { set, out: flags.out, smoke: flags.model === MINI, dryRun: false },
        global,
      );
      if (!result) return;
      await tell(result, global);
      say(`chat:   evoke chat ${relative(".", `${result.folder}/rt`)}`, global);
    });
}
