/** A model's folder as transformers.js 4 loads it: onnx/model.onnx or model_q4.onnx, configuration and tokenizer. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Checkpoint } from "../../checkpoint/open.js";
import { UsageError } from "../../errors.js";
import { writeFileAtomically } from "../../files/atomic-write.js";
import { toOnnx } from "../../graph/onnx/lower.js";
import { loadDecoderWeights } from "../../model/weights.js";
import { replaceFolder } from "../folder.js";
import { type ChatFiles, writeModelFiles } from "../hf-files.js";
import { type OnnxStorage, onnxGraph } from "./graph.js";

/** Largest model in one file: protobuf's limit. */
const MOST_BYTES = 2 ** 31 - 1;

/** @throws UsageError for models that ONNX Runtime's attention does not compute, or that are too large for one file. */
export function writeOnnxFolder(
  checkpoint: Checkpoint,
  basePath: string,
  folder: string,
  storage: OnnxStorage,
  chat?: ChatFiles,
): void {
  const weights = loadDecoderWeights(checkpoint);
  try {
    const graph = onnxGraph(weights, storage);
    const bytes = graph.constants.reduce((sum, { constant }) => sum + constant!.bytes.byteLength, 0);
    if (bytes > MOST_BYTES)
      throw new UsageError(
        `${checkpoint.source}: ${(bytes / 1e9).toFixed(1)} GB are too much for one ONNX file; take --quantize q4 or a smaller model`,
      );
    replaceFolder(folder, (temporary) => {
      mkdirSync(join(temporary, "onnx"));
      const name = storage === "q4" ? "model_q4.onnx" : "model.onnx";
      writeFileAtomically(join(temporary, "onnx", name), toOnnx(graph, { inside: true }).bytes);
      writeModelFiles(temporary, checkpoint, basePath, { torch_dtype: "float32" }, chat);
    });
  } finally {
    weights.close();
  }
}
