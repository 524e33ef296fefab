import { Command, Option } from "commander";
import { exportModel } from "../api/export-model.js";
import { MODEL_FORMATS, type ModelFormat } from "../export/formats.js";
import { interruptible } from "./interrupt.js";
import { globalOptions, printJson, say } from "./output.js";
import { showEvents } from "./show-events.js";

interface ModelFlags {
  to: ModelFormat;
  out: string;
  adapter?: string;
  quantize?: string;
  template?: "tulu" | "model";
}

export const templateOption = (): Option =>
  new Option("--template <name>", "chat template that goes along; default: the run's, or the model's own").choices([
    "tulu",
    "model",
  ]);

export function exportModelCommand(): Command {
  return new Command("model")
    .description("Write a model, its adapter folded in, for other programs.")
    .argument("<model>", "run folder or model")
    .addOption(new Option("--to <format>", "what to write").choices(MODEL_FORMATS).makeOptionMandatory())
    .requiredOption("--out <path>", "file (gguf) or folder to write; must not exist")
    .option("--adapter <folder>", "PEFT adapter to fold in; default: the run's")
    .option("--quantize <type>", "storage: hf bf16|f16|f32, gguf and ollama f32|f16|bf16|q8_0|q4_0, onnx f32|q4")
    .addOption(templateOption())
    .action(async (reference: string, flags: ModelFlags, command: Command) => {
      const global = globalOptions(command);
      const { to: format, out, adapter, quantize: quantization, template } = flags;
      const shown = showEvents(global);
      const written = await interruptible((signal) =>
        exportModel({
          ...{ model: reference, format, out, adapter, quantization, template, signal },
          onProgress: shown.onProgress,
        }),
      ).finally(shown.finish);
      const { notes } = written;
      if (global.json) return printJson({ out, format, quantization: written.quantization, notes });
      for (const line of notes) say(line, global);
      process.stdout.write(`written: ${out} (${format}, ${written.quantization})\n`);
    });
}
