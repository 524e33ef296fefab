import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Command, Option } from "commander";
import { UsageError } from "../errors.js";
import { replaceFolder } from "../export/folder.js";
import { MODEL_FORMATS, type ModelFormat, quantizationFor } from "../export/formats.js";
import { writeGgufModel } from "../export/gguf/model.js";
import { writeModelFolder } from "../export/model-folder.js";
import { modelfile } from "../export/ollama/modelfile.js";
import { turnTexts } from "../export/ollama/turns.js";
import type { OnnxStorage } from "../export/onnx/graph.js";
import { writeOnnxFolder } from "../export/onnx/model.js";
import { modelName } from "../hub/model-name.js";
import { decoderConfig } from "../model/architectures/index.js";
import { createProgress } from "../progress/progress.js";
import type { GgufEncoding } from "../quant/gguf-encode.js";
import { type ExportSource, openExportSource } from "./export-source.js";
import { globalOptions, printJson, say } from "./output.js";

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
      const quantization = quantizationFor(flags.to, flags.quantize);
      if (existsSync(flags.out)) throw new UsageError(`${flags.out}: exists already; name another place with --out`);
      const source = await openExportSource(reference, flags, (line) => say(line, global));
      try {
        const name = modelName(reference);
        mkdirSync(dirname(flags.out), { recursive: true });
        const left = await write(source, flags, quantization, name, global.quiet);
        if (global.json) return printJson({ out: flags.out, format: flags.to, quantization, notes: left });
        for (const line of left) say(line, global);
        process.stdout.write(`written: ${flags.out} (${flags.to}, ${quantization})\n`);
      } finally {
        source.base.close();
      }
    });
}

/** @returns what the person should know. */
async function write(
  source: ExportSource,
  { to, out }: ModelFlags,
  quantization: string,
  name: string,
  quiet: boolean,
): Promise<string[]> {
  switch (to) {
    case "hf": {
      const dtype = quantization.toUpperCase() as "BF16" | "F16" | "F32";
      writeModelFolder(source.checkpoint, source.basePath, out, { dtype, chat: source.chat });
      return [];
    }
    case "gguf":
      writeGguf(source, out, quantization, name, quiet);
      return windowNote(source);
    case "ollama":
      return writeOllama(source, out, quantization, name, quiet);
    case "onnx":
      writeOnnxFolder(source.checkpoint, source.basePath, out, quantization as OnnxStorage, source.chat);
      return [];
  }
}

function writeGguf(source: ExportSource, path: string, quantization: string, name: string, quiet: boolean): void {
  const progress = createProgress({ label: "weights", total: source.checkpoint.names().length, quiet });
  try {
    writeGgufModel(source.checkpoint, source.basePath, source.tokenizer, path, {
      encoding: quantization as GgufEncoding,
      chat: { template: source.jinja, stops: source.stops },
      name,
      onTensor: (done) => progress.update(done),
    });
  } finally {
    progress.finish();
  }
}

/** llama.cpp computes Mistral as Llama, without its window. */
function windowNote({ checkpoint }: ExportSource): string[] {
  const { slidingWindow } = decoderConfig(checkpoint.config, checkpoint.source);
  const window =
    checkpoint.config.model_type === "mistral" ? slidingWindow.find((size) => size !== undefined) : undefined;
  return window === undefined
    ? []
    : [`llama.cpp does not apply the sliding window of ${window} tokens: longer texts are read otherwise there`];
}

function writeOllama(source: ExportSource, out: string, quantization: string, name: string, quiet: boolean): string[] {
  const turns = turnTexts(source.render);
  if (!turns)
    throw new UsageError(
      "--to ollama: the chat template says more than texts around turns, which Ollama's cannot; export --to gguf and write the TEMPLATE by hand",
    );
  const { maxPositions } = decoderConfig(source.checkpoint.config, source.checkpoint.source);
  const stops = source.stops.map((id) => source.tokenizer.idToToken(id) ?? "").filter((text) => text !== "");
  replaceFolder(out, (temporary) => {
    writeGguf(source, join(temporary, "model.gguf"), quantization, name, quiet);
    const text = modelfile({ from: "./model.gguf", turns, stops, contextLength: maxPositions });
    writeFileSync(join(temporary, "Modelfile"), text);
  });
  return [...windowNote(source), `run there: ollama create ${name.toLowerCase()} -f ${join(out, "Modelfile")}`];
}
