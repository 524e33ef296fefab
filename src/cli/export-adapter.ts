import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { Command, Option } from "commander";
import { openExportSource } from "../api/export-source.js";
import { UsageError } from "../errors.js";
import { writeGgufAdapter } from "../export/gguf/adapter.js";
import { decoderConfig } from "../model/architectures/index.js";
import { globalOptions, printJson, say } from "./output.js";

interface AdapterFlags {
  to: "gguf";
  out: string;
  base?: string;
  quantize: "f32" | "f16";
}

export function exportAdapterCommand(): Command {
  return new Command("adapter")
    .description("Write an adapter alone, to be laid over its base by other programs.")
    .argument("<adapter>", "run folder, or adapter folder with --base")
    .addOption(new Option("--to <format>", "what to write").choices(["gguf"]).makeOptionMandatory())
    .requiredOption("--out <file>", "file to write; must not exist")
    .option("--base <model>", "base model of an adapter folder")
    .addOption(new Option("--quantize <type>", "storage of the factors").choices(["f32", "f16"]).default("f32"))
    .action(async (reference: string, flags: AdapterFlags, command: Command) => {
      const global = globalOptions(command);
      if (existsSync(flags.out)) throw new UsageError(`${flags.out}: exists already; name another file with --out`);
      const folder = existsSync(`${reference}/adapter_config.json`);
      if (folder && flags.base === undefined)
        throw new UsageError(`${reference}: is an adapter; name its base model with --base`);
      const source = await openExportSource(
        folder ? flags.base! : reference,
        folder ? { adapter: reference } : {},
        (line) => say(line, global),
      );
      try {
        if (!source.adapter) throw new UsageError(`${reference}: has no adapter`);
        const { config, source: path } = source.base;
        mkdirSync(dirname(flags.out), { recursive: true });
        writeGgufAdapter(source.adapter, config, decoderConfig(config, path), flags.out, flags.quantize, reference);
      } finally {
        source.base.close();
      }
      if (global.json) printJson({ out: flags.out });
      else process.stdout.write(`written: ${flags.out}\n`);
    });
}
