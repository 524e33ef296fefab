/** Rotary settings of a GGUF file as config.json has them. */
import { FailureError } from "../../errors.js";
import { ropeFrequencies } from "../../model/rope.js";
import { type Fields, shortest } from "./fields.js";
import type { GgufFile } from "./parse.js";

type Config = Record<string, unknown>;

/** How rotary frequencies are scaled, from the metadata and the factors that lie among the tensors. */
export function ropeScaling(
  gguf: GgufFile,
  fields: Fields,
  config: Config,
  readFactors: (name: string) => Float32Array,
): Config {
  const { metadata, tensors } = gguf;
  if (tensors.has("rope_factors_short.weight")) {
    const numbers = (name: string): number[] => Array.from(readFactors(name), shortest);
    const original = fields.number("rope.scaling.original_context_length");
    return {
      original_max_position_embeddings: original ?? config.max_position_embeddings,
      rope_scaling: {
        rope_type: "longrope",
        short_factor: numbers("rope_factors_short.weight"),
        long_factor: tensors.has("rope_factors_long.weight") ? numbers("rope_factors_long.weight") : undefined,
        attention_factor: fields.number("rope.scaling.attn_factor"),
      },
    };
  }
  const { head_dim: headDim, rope_theta: theta } = config as { head_dim?: number; rope_theta?: number };
  if (tensors.has("rope_freqs.weight") && headDim !== undefined && theta !== undefined)
    return { rope_scaling: llama3Scaling(gguf.file.path, readFactors("rope_freqs.weight"), headDim, theta) };
  const type = metadata.get(`${fields.architecture}.rope.scaling.type`);
  if (typeof type !== "string" || type === "none") return {};
  if (type === "linear") {
    if ((fields.number("rope.scaling.factor") ?? 1) === 1) return {};
    return { rope_scaling: { rope_type: "linear", factor: fields.required("rope.scaling.factor") } };
  }
  const factor = fields.number("rope.scaling.factor");
  // llama.cpp multiplies by this what YaRN's factor gives by itself.
  const more = fields.number("rope.scaling.attn_factor");
  const attention = type === "yarn" && more && factor ? { attention_factor: more * yarnMagnitude(factor) } : {};
  return {
    rope_scaling: {
      rope_type: type,
      factor,
      ...attention,
      original_max_position_embeddings: fields.number("rope.scaling.original_context_length"),
    },
  };
}

/** Factor of what YaRN rotates, where a model says nothing else. */
export const yarnMagnitude = (factor: number): number => 0.1 * Math.log(factor) + 1;

/**
 * Finds Llama 3's four rope parameters from the divisors that GGUF stores instead. Published models share low and high
 * frequency factors 1 and 4 and have a power of two as original length; divisors made otherwise are refused.
 */
function llama3Scaling(path: string, divisors: Float32Array, headDim: number, theta: number): Config {
  const factor = Math.max(...divisors);
  for (let originalPositions = 16; originalPositions <= 1 << 20; originalPositions *= 2) {
    const scaling = {
      type: "llama3" as const,
      factor,
      lowFrequencyFactor: 1,
      highFrequencyFactor: 4,
      originalPositions,
    };
    const plain = ropeFrequencies(headDim, theta);
    const scaled = ropeFrequencies(headDim, theta, scaling);
    if (divisors.length === plain.length && divisors.every((d, i) => Math.abs(plain[i]! / scaled[i]! / d - 1) < 1e-4)) {
      return {
        rope_type: "llama3",
        factor,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: originalPositions,
      };
    }
  }
  throw new FailureError(
    `${path}: the rope divisors in rope_freqs.weight are not those of Llama 3; use the model's Hugging Face folder`,
  );
}
