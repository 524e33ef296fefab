import { Command } from "commander";
import { type TrainEvent, type TrainPlanEvent, type TrainStepEvent, train } from "../api/train.js";
import { createProgress, type Progress } from "../progress/progress.js";
import { interruptible } from "./interrupt.js";
import { type GlobalOptions, globalOptions, printJson, say } from "./output.js";

interface TrainFlags {
  set: string[];
  out?: string;
  on?: string;
  resume: boolean;
  fresh: boolean;
}

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
    .action(async (recipe: string, flags: TrainFlags, command: Command) => {
      const global = globalOptions(command);
      const { out, on, resume, fresh } = flags;
      const set = flags.set.slice();
      if (global.seed !== undefined) set.push(`seed=${global.seed}`);
      if (global.device !== "auto") set.push(`device=${global.device}`);
      const shown = trainProgress(global);
      try {
        const result = await interruptible(
          (signal) => train({ recipe, set, out, on, resume, fresh, signal, onProgress: shown.onProgress }),
          (name) => say(`${name}: saving; once more to quit at once`, global),
        );
        shown.finish();
        const { folder, steps, loss } = result;
        if (global.json) printJson({ run: folder, status: "done", steps, loss });
        else process.stdout.write(`done: ${folder} (${steps} steps, loss ${loss?.toFixed(4)})\n`);
      } finally {
        shown.finish();
      }
    });
}

/** Steps, epoch, tokens a second and loss on one line. */
export function trainProgress(global: Pick<GlobalOptions, "quiet">): {
  onProgress(event: TrainEvent): void;
  finish(): void;
} {
  let line: Progress | undefined;
  let plan: TrainPlanEvent | undefined;
  const note = ({ epoch, loss, learningRate, tokensPerSecond }: TrainStepEvent): string => {
    const { steps, examples, batchSize } = plan!;
    const epochs = (steps * batchSize) / examples;
    const rate = `${Math.round(tokensPerSecond)} tokens/s`;
    return `epoch ${epoch.toFixed(2)} of ${epochs.toFixed(2)} · ${rate} · loss ${loss.toFixed(4)} · lr ${learningRate.toExponential(1)}`;
  };
  return {
    onProgress(event) {
      if (event.type === "notice") say(event.message, global);
      else if (event.type === "step") line?.update(event.step, note(event));
      else {
        plan = event;
        const { method, mode, steps: total, done: startAt } = event;
        line = createProgress({ label: `${method} ${mode}`, total, unit: "steps", startAt, quiet: global.quiet });
      }
    },
    finish: () => line?.finish(),
  };
}

function collect(value: string, previous: string[]): string[] {
  return [...previous, value];
}
