/** What models and adapters can be written as. */
import { UsageError } from "../errors.js";
import { GGUF_ENCODINGS } from "../quant/gguf-encode.js";

export const MODEL_FORMATS = ["hf", "gguf", "ollama", "onnx"] as const;
/** Formats that models leave in. */
export type ModelFormat = (typeof MODEL_FORMATS)[number];

/** Storage of the weights in each format; the first is the default. */
export const QUANTIZATIONS: Record<ModelFormat, readonly string[]> = {
  hf: ["bf16", "f16", "f32"],
  gguf: ["f16", ...GGUF_ENCODINGS.filter((name) => name !== "f16")],
  ollama: ["q8_0", ...GGUF_ENCODINGS.filter((name) => name !== "q8_0")],
  onnx: ["f32", "q4"],
};

/** @throws UsageError for one that the format does not have. */
export function quantizationFor(format: ModelFormat, given: string | undefined): string {
  const known = QUANTIZATIONS[format];
  if (given === undefined) return known[0]!;
  if (known.includes(given)) return given;
  throw new UsageError(`--quantize ${given}: ${format} is written as ${known.join(", ")}`);
}
