import { existsSync } from "node:fs";
import { Command, Option } from "commander";
import { openCheckpoint } from "../checkpoint/open.js";
import { UsageError } from "../errors.js";
import { chatFiles } from "../export/hf-files.js";
import { locateModel } from "../generate/load-model.js";
import { resolveAdapter } from "../hub/resolve-adapter.js";
import { decoderConfig } from "../model/architectures/index.js";
import { loadAdapter } from "../peft/adapter-io.js";
import { mergeAdapter } from "../peft/merge.js";
import { loadTokenizer } from "../tokenizer/tokenizer.js";
import { globalOptions, printJson, say } from "./output.js";

interface MergeFlags {
  out: string;
  adapter?: string;
  dtype: "bf16" | "f16" | "f32";
}

export function mergeCommand(): Command {
  return new Command("merge")
    .description("Fold an adapter into its base model and write a Hugging Face folder.")
    .argument("<model>", "run folder, or base model with --adapter")
    .requiredOption("--out <folder>", "folder to write; must not exist")
    .option("--adapter <folder>", "PEFT adapter: a folder, a run folder or hf:ORG/NAME")
    .addOption(new Option("--dtype <type>", "precision of the weights").choices(["bf16", "f16", "f32"]).default("bf16"))
    .action(async (reference: string, flags: MergeFlags, command: Command) => {
      const global = globalOptions(command);
      if (existsSync(flags.out)) throw new UsageError(`${flags.out}: exists already; name another folder with --out`);
      const located = await locateModel(reference, { say: (line) => say(line, global) });
      const progress = { say: (line: string): void => say(line, global) };
      const adapterPath = flags.adapter ? await resolveAdapter(flags.adapter, progress) : located.adapterPath;
      if (!adapterPath) throw new UsageError(`${reference}: not a run with an adapter; give one with --adapter`);
      const checkpoint = openCheckpoint(located.path);
      try {
        const adapter = await loadAdapter(adapterPath, decoderConfig(checkpoint.config, checkpoint.source));
        const dtype = flags.dtype.toUpperCase() as "BF16" | "F16" | "F32";
        const { template } = located;
        const chat = template && chatFiles(await loadTokenizer(located.path), template);
        mergeAdapter(checkpoint, located.path, adapter, flags.out, { dtype, chat });
      } finally {
        checkpoint.close();
      }
      if (global.json) printJson({ out: flags.out });
      else process.stdout.write(`merged: ${flags.out}\n`);
    });
}
