import { basename, join } from "node:path";
import { Command } from "commander";
import { clusterTrainRun } from "../cluster/ray/train.js";
import { UsageError } from "../errors.js";
import { createProgress, type Progress } from "../progress/progress.js";
import { loadRecipe } from "../recipe/load.js";
import { trainRun } from "../train/run.js";
import { globalOptions, printJson, say } from "./output.js";

export function trainCommand(): Command {
  return new Command("train")
    .description("fine-tune a model from a recipe")
    .argument("<recipe>", "recipe file (YAML)")
    .option("--set <key=value>", "override a field of the recipe, e.g. --set lora.r=16 (repeatable)", collect, [])
    .option("--out <folder>", "run folder; default: out of the recipe, or runs/NAME")
    .option(
      "--on <address>",
      "train on a Ray cluster: ray://HOST:8265 or https://…; local: here, whatever the recipe says",
    )
    .option("--fresh", "on a cluster: a job of its own, also where one of the same recipe ran", false)
    .option("--resume", "continue the run in the folder from its last checkpoint", false)
    .action(
      async (
        path: string,
        flags: { set: string[]; out?: string; on?: string; resume: boolean; fresh: boolean },
        command: Command,
      ) => {
        const global = globalOptions(command);
        const sets = flags.set.slice();
        if (global.seed !== undefined) sets.push(`seed=${global.seed}`);
        if (global.device !== "auto") sets.push(`device=${global.device}`);
        const recipe = await loadRecipe(path, sets);
        const out = flags.out ?? recipe.out ?? join("runs", basename(path).replace(/\.ya?ml$/, ""));
        let progress: Progress | undefined;
        let perStep = 0;
        try {
          const on = flags.on === "local" ? undefined : (flags.on ?? recipe.cluster?.address);
          if (on === undefined && flags.fresh)
            throw new UsageError("--fresh is for jobs on a cluster; add --on ADDRESS");
          const train = on === undefined ? trainRun : clusterTrainRun;
          const record = await train(recipe, {
            on,
            out,
            resume: flags.resume,
            fresh: flags.fresh,
            say: (line) => say(line, global),
            onPlan: ({ steps, done, examples, tokensPerEpoch }) => {
              const batch = recipe.batch.micro * recipe.batch.accumulation;
              perStep = (tokensPerEpoch / examples) * Math.min(batch, examples);
              progress = createProgress({
                label: `${recipe.method} ${recipe.mode}`,
                total: Math.round(steps * perStep),
                unit: "tokens",
                startAt: Math.round(done * perStep),
                quiet: global.quiet,
              });
            },
            onStep: ({ step, loss, lr }) =>
              progress?.update(
                Math.round(step * perStep),
                `step ${step} · loss ${loss.toFixed(4)} · lr ${lr.toExponential(1)}`,
              ),
          });
          progress?.finish();
          const { status, progress: reached, loss } = record;
          if (global.json) printJson({ run: out, status, steps: reached.step, loss });
          else process.stdout.write(`${status}: ${out} (${reached.step} steps, loss ${loss?.toFixed(4)})\n`);
        } catch (error) {
          progress?.finish();
          throw error;
        }
      },
    );
}

function collect(value: string, previous: string[]): string[] {
  return [...previous, value];
}
