import { existsSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { Command, Option } from "commander";
import { UsageError } from "../errors.js";
import { writeFileAtomically } from "../files/atomic-write.js";
import { controlStream } from "../progress/terminal.js";
import { type PresetName, presetNames } from "../recipe/presets.js";
import { type Mode, type Starter, starterRecipe, TRAINING_MODES } from "../recipe/starter.js";
import { globalOptions, printJson } from "./output.js";

interface InitFlags {
  model?: string;
  data?: string;
  mode?: Mode;
  preset?: PresetName;
  force: boolean;
}

const DEFAULTS: Starter = {
  model: "hf:HuggingFaceTB/SmolLM2-135M",
  data: "train.jsonl",
  mode: "it",
  preset: "paper-qlora",
};

/** `evoke init`: a commented recipe to start from, by flags or, at a terminal, by questions. */
export function initCommand(): Command {
  return new Command("init")
    .description("Write a commented training recipe to start from; asks for what no flag says.")
    .argument("[file]", "recipe to write", "recipe.yaml")
    .option("--model <model>", "base model")
    .option("--data <file>", "training rows")
    .addOption(new Option("--mode <mode>", "training mode").choices(TRAINING_MODES))
    .addOption(new Option("--preset <name>", "the paper's settings to start from").choices(presetNames))
    .option("--force", "overwrite the file", false)
    .action(async (path: string, flags: InitFlags, command: Command) => {
      const { json, quiet } = globalOptions(command);
      if (existsSync(path) && !flags.force) throw new UsageError(`${path}: exists already; --force overwrites it`);
      const { force: _, ...given } = flags;
      const asks = process.stdin.isTTY && process.stderr.isTTY && !json && !quiet;
      const answers = asks ? await question(given) : given;
      writeFileAtomically(path, starterRecipe({ ...DEFAULTS, ...answers }, path));
      if (json) printJson({ recipe: path });
      else process.stdout.write(`${path} is written; evoke train ${path} runs it\n`);
    });
}

/** Asks at the terminal for what is not given; an empty answer takes the default. */
async function question(given: Partial<Starter>): Promise<Partial<Starter>> {
  const terminal = createInterface({ input: process.stdin, output: controlStream(process.stderr) });
  const ask = async <T extends string>(text: string, value: T | undefined, fallback: T, choices?: readonly T[]) => {
    if (value !== undefined) return value;
    for (;;) {
      const said = (
        await terminal.question(`${text}${choices ? ` (${choices.join(", ")})` : ""} [${fallback}]: `)
      ).trim();
      const found = said === "" ? fallback : choices ? choices.find((choice) => choice === said) : (said as T);
      if (found !== undefined) return found;
    }
  };
  try {
    return {
      model: await ask("Base model", given.model, DEFAULTS.model),
      data: await ask("Training rows (JSONL or JSON)", given.data, DEFAULTS.data),
      mode: await ask<Mode>(
        "Learn from instructions too (it), or from responses alone (rt)",
        given.mode,
        DEFAULTS.mode,
        TRAINING_MODES,
      ),
      preset: await ask<PresetName>("Settings", given.preset, DEFAULTS.preset, presetNames),
    };
  } finally {
    terminal.close();
  }
}
