import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { UsageError } from "../errors.js";
import { replaceFolder } from "../export/folder.js";
import { type ModelFormat, quantizationFor } from "../export/formats.js";
import { appliesWindows } from "../export/gguf/config.js";
import { writeGgufModel } from "../export/gguf/model.js";
import { writeModelFolder } from "../export/model-folder.js";
import { modelfile } from "../export/ollama/modelfile.js";
import { turnTexts } from "../export/ollama/turns.js";
import type { OnnxStorage } from "../export/onnx/graph.js";
import { writeOnnxFolder } from "../export/onnx/model.js";
import { modelName } from "../hub/model-name.js";
import { decoderConfig } from "../model/architectures/index.js";
import type { GgufEncoding } from "../quant/gguf-encode.js";
import type { CallEvent, CallOptions } from "./events.js";
import { type ExportSource, openExportSource } from "./export-source.js";
import { Task, type TaskContext } from "./task.js";

/** Options of `exportModel`. */
export interface ExportModelOptions extends CallOptions {
  /** Run folder or model; a run's adapter is folded in. */
  model: string;
  /** Hugging Face folder, GGUF file, folder for Ollama, or ONNX folder for transformers.js. */
  format: ModelFormat;
  /** File (gguf) or folder to write; must not exist. */
  out: string;
  /** PEFT adapter to fold in; default the run's. */
  adapter?: string | undefined;
  /** Storage of the weights; the first is the default: hf bf16, f16, f32; gguf f16, f32, bf16, q8_0, q4_0; ollama q8_0 and
   * gguf's others; onnx f32, q4. */
  quantization?: string | undefined;
  /** Chat template that goes along; default the run's, or the model's own. */
  template?: "tulu" | "model" | undefined;
}

/** What was written. */
export interface ExportModelResult {
  /** Folder or file that was written. */
  out: string;
  /** As asked for. */
  format: ModelFormat;
  /** Storage of the weights, such as `q8_0`. */
  quantization: string;
  /** What the person who uses it should know. */
  notes: string[];
}

/**
 * Writes a model, its adapter folded in, for other programs.
 *
 * @throws UsageError when `out` exists, or the format cannot hold the model (architecture, chat template, quantization).
 */
export function exportModel(options: ExportModelOptions): Task<CallEvent, ExportModelResult> {
  return new Task<CallEvent, ExportModelResult>(options, async (call) => {
    const { model, format, out } = options;
    const quantization = quantizationFor(format, options.quantization);
    if (existsSync(out)) throw new UsageError(`${out}: exists already; name another place with --out`);
    const source = await openExportSource(model, options, call.say);
    try {
      call.signal.throwIfAborted();
      mkdirSync(dirname(out), { recursive: true });
      const notes = write(source, options, quantization, call);
      return { out, format, quantization, notes };
    } finally {
      source.base.close();
    }
  });
}

type Call = TaskContext<CallEvent>;

/** @returns what the person should know. */
function write(source: ExportSource, { format, out, model }: ExportModelOptions, quantization: string, call: Call) {
  const name = modelName(model);
  const { checkpoint, basePath, chat } = source;
  switch (format) {
    case "hf":
      writeModelFolder(checkpoint, basePath, out, {
        dtype: quantization.toUpperCase() as "BF16" | "F16" | "F32",
        chat,
      });
      return [];
    case "gguf":
      writeGguf(source, out, quantization, name, call);
      return windowNote(source);
    case "ollama":
      return writeOllama(source, out, quantization, name, call);
    case "onnx":
      writeOnnxFolder(checkpoint, basePath, out, quantization as OnnxStorage, chat);
      return [];
  }
}

function writeGguf(source: ExportSource, path: string, quantization: string, name: string, { emit }: Call): void {
  const total = source.checkpoint.names().length;
  writeGgufModel(source.checkpoint, source.basePath, source.tokenizer, path, {
    encoding: quantization as GgufEncoding,
    chat: { template: source.jinja, stops: source.stops },
    name,
    onTensor: (done) => emit({ type: "progress", label: "weights", done, total, unit: "tensors" }),
  });
}

/** llama.cpp has windows for some families only. */
function windowNote({ checkpoint }: ExportSource): string[] {
  const { slidingWindow } = decoderConfig(checkpoint.config, checkpoint.source);
  const window = slidingWindow.find((size) => size !== undefined);
  return window === undefined || appliesWindows(checkpoint.config, checkpoint.source)
    ? []
    : [`llama.cpp does not apply the sliding window of ${window} tokens: longer texts are read otherwise there`];
}

function writeOllama(source: ExportSource, out: string, quantization: string, name: string, call: Call): string[] {
  const turns = turnTexts(source.render);
  if (!turns)
    throw new UsageError(
      "--to ollama: the chat template says more than texts around turns, which Ollama's cannot; export --to gguf and write the TEMPLATE by hand",
    );
  const { maxPositions } = decoderConfig(source.checkpoint.config, source.checkpoint.source);
  const stops = source.stops.map((id) => source.tokenizer.idToToken(id) ?? "").filter((text) => text !== "");
  replaceFolder(out, (temporary) => {
    writeGguf(source, join(temporary, "model.gguf"), quantization, name, call);
    const text = modelfile({ from: "./model.gguf", turns, stops, contextLength: maxPositions });
    writeFileSync(join(temporary, "Modelfile"), text);
  });
  return [...windowNote(source), `run there: ollama create ${name.toLowerCase()} -f ${join(out, "Modelfile")}`];
}
