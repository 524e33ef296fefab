/** Rotary settings by llama.cpp's names. */
import { yarnMagnitude } from "../../checkpoint/gguf/rope-scaling.js";
import type { GgufField } from "../../checkpoint/gguf/write.js";
import { UsageError } from "../../errors.js";
import type { DecoderConfig } from "../../model/decoder-config.js";
import { type Rope, ropeFrequencies } from "../../model/rope.js";

/** Metadata without the architecture's prefix. @throws UsageError for what llama.cpp would rotate otherwise. */
export function ropeFields(architecture: string, config: DecoderConfig, source: string): [string, GgufField][] {
  if (architecture === "gpt2") return [];
  // Of layers of two kinds, those that see all positions have the settings that the metadata hold.
  const rope = config.rope[fullLayer(config)]!;
  checkLayers(architecture, config, rope, source);
  const fields: [string, GgufField][] = [
    ["rope.dimension_count", { u32: rope.dims }],
    ["rope.freq_base", { f32: rope.theta }],
  ];
  const { scaling, magnitude = 1 } = rope;
  const refuse = (what: string): never => {
    throw new UsageError(`${source}: ${what}`);
  };
  const usual = scaling?.type === "yarn" ? yarnMagnitude(scaling.factor) : 1;
  if (scaling?.type === "linear")
    fields.push(["rope.scaling.type", { string: "linear" }], ["rope.scaling.factor", { f32: scaling.factor }]);
  else if (scaling?.type === "yarn") {
    if (scaling.fastTurns !== 32 || scaling.slowTurns !== 1 || !scaling.truncate)
      refuse("rope_scaling.beta_fast, beta_slow and truncate: llama.cpp takes 32, 1 and true");
    fields.push(
      ["rope.scaling.type", { string: "yarn" }],
      ["rope.scaling.factor", { f32: scaling.factor }],
      ["rope.scaling.original_context_length", { u32: scaling.originalPositions }],
    );
  } else if (scaling?.type === "factors") {
    if (architecture !== "phi3") refuse(`rope_scaling of type longrope is not written for ${architecture}`);
    fields.push(["rope.scaling.original_context_length", { u32: config.maxPositions }]);
  } else if (scaling?.type === "llama3" && architecture !== "llama" && architecture !== "granite")
    refuse(`rope_scaling of type llama3 is not read by llama.cpp for ${architecture}`);
  if (Math.abs(magnitude / usual - 1) > 1e-6 || scaling?.type === "factors")
    fields.push(["rope.scaling.attn_factor", { f32: magnitude / usual }]);
  return fields;
}

/** A layer with the settings of those that see all positions, and that rotates. */
function fullLayer({ rope, slidingWindow }: DecoderConfig): number {
  const rotates = ({ scaling }: Rope): boolean => scaling?.type !== "none";
  const full = rope.findLastIndex((settings, layer) => slidingWindow[layer] === undefined && rotates(settings));
  return Math.max(0, full >= 0 ? full : rope.findIndex(rotates));
}

/** llama.cpp takes what differs between layers from the architecture. */
function checkLayers(architecture: string, config: DecoderConfig, full: Rope, source: string): void {
  const refuse = (what: string): never => {
    throw new UsageError(`${source}: ${what}`);
  };
  config.rope.forEach((rope, layer) => {
    const slides = config.slidingWindow[layer] !== undefined;
    if (architecture === "smollm3" && (rope.scaling?.type === "none") !== ((layer + 1) % 4 === 0))
      refuse("no_rope_layers differ from llama.cpp's pattern for smollm3 (every 4th)");
    if (rope === full || rope.scaling?.type === "none") {
      if (rope.scaling?.type === "none" && architecture !== "smollm3") refuse("layers without rotary positions");
      return;
    }
    if (slides && architecture === "gemma3") {
      if (rope.theta !== 10_000 || rope.scaling !== undefined)
        refuse("rope_local_base_freq differs from the 10000 that llama.cpp takes for gemma3");
    } else if (slides && architecture === "olmo2") {
      if (rope.theta !== full.theta || rope.scaling !== undefined)
        refuse("rope_parameters of sliding layers: llama.cpp takes the base of the others, unscaled, for olmo2");
    } else refuse(`rotary settings that differ between layers are not written for ${architecture}`);
  });
}

/** Factors of the rotary frequencies that lie among the weights. @param fields config.json. */
export function ropeTensors(config: DecoderConfig, fields: Record<string, unknown>): [string, Float32Array][] {
  const rope = config.rope[fullLayer(config)]!;
  if (rope.scaling?.type === "llama3") {
    const scaled = ropeFrequencies(rope.dims, rope.theta, rope.scaling);
    const divisors = Float32Array.from(ropeFrequencies(rope.dims, rope.theta), (value, i) => value / scaled[i]!);
    return [["rope_freqs.weight", divisors]];
  }
  if (rope.scaling?.type !== "factors") return [];
  const own = (fields.rope_scaling ?? fields.rope_parameters) as { long_factor?: number[] };
  // Beyond the original length, which the file's context ends at, llama.cpp takes the others.
  const long = Array.isArray(own?.long_factor) ? own.long_factor : rope.scaling.factors;
  return [
    ["rope_factors_long.weight", Float32Array.from(long)],
    ["rope_factors_short.weight", Float32Array.from(rope.scaling.factors)],
  ];
}
