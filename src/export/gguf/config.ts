/** What GGUF metadata says of a model's shape, by llama.cpp's names. */
import type { GgufField } from "../../checkpoint/gguf/write.js";
import { UsageError } from "../../errors.js";
import type { DecoderConfig } from "../../model/decoder-config.js";
import { type RopeScaling, ropeFrequencies } from "../../model/rope.js";

/** `model_type` in config.json → architecture in GGUF files. */
const ARCHITECTURES: Record<string, string> = {
  llama: "llama",
  mistral: "llama",
  qwen2: "qwen2",
  qwen3: "qwen3",
  gemma2: "gemma2",
  gemma3: "gemma3",
  gemma3_text: "gemma3",
  olmo: "olmo",
  olmo2: "olmo2",
};

/** @throws UsageError for families that are not written. */
export function ggufArchitectureOf(fields: Record<string, unknown>, source: string): string {
  const found = ARCHITECTURES[String(fields.model_type)];
  if (found) return found;
  throw new UsageError(
    `${source}: GGUF files of model_type ${JSON.stringify(fields.model_type)} are not written; known are ${Object.keys(ARCHITECTURES).join(", ")}`,
  );
}

/** @throws UsageError for settings that llama.cpp has no place for. */
export function shapeFields(architecture: string, config: DecoderConfig, source: string): Map<string, GgufField> {
  const fields = new Map<string, GgufField>();
  const put = (key: string, field: GgufField): void => void fields.set(`${architecture}.${key}`, field);
  put("context_length", { u32: config.maxPositions });
  put("embedding_length", { u32: config.hiddenSize });
  put("block_count", { u32: config.layers });
  put("feed_forward_length", { u32: config.block.mlp.width });
  put("attention.head_count", { u32: config.heads });
  put("attention.head_count_kv", { u32: config.kvHeads });
  put("attention.key_length", { u32: config.headDim });
  put("attention.value_length", { u32: config.headDim });
  put("rope.dimension_count", { u32: config.rope[0]!.dims });
  put("vocab_size", { u32: config.vocabSize });
  const { kind, epsilon } = config.finalNorm;
  put(`attention.layer_norm_${kind === "rms" ? "rms_" : ""}epsilon`, { f32: epsilon });
  const { clip } = config.block.attention;
  if (clip !== undefined) put("attention.clamp_kqv", { f32: clip });
  const window = config.slidingWindow.find((size) => size !== undefined);
  if (window !== undefined) put("attention.sliding_window", { u32: window });
  if (architecture === "gemma2") {
    put("attn_logit_softcapping", { f32: config.attentionSoftCap ?? 0 });
    put("final_logit_softcapping", { f32: config.finalSoftCap ?? 0 });
  }
  checkAttentionScale(architecture, config, source);
  if (architecture.startsWith("gemma")) checkWindows(architecture, config, source);
  // Layers that see all positions come last in llama.cpp's pattern; theirs is the base that the metadata hold.
  const rope = config.rope[config.slidingWindow.lastIndexOf(undefined)] ?? config.rope[0]!;
  put("rope.freq_base", { f32: rope.theta });
  if (rope.scaling?.type === "linear") {
    put("rope.scaling.type", { string: "linear" });
    put("rope.scaling.factor", { f32: rope.scaling.factor });
  } else if (rope.scaling !== undefined && rope.scaling.type !== "llama3")
    throw new UsageError(
      `${source}: rope_scaling of type ${(rope.scaling as RopeScaling).type} is not written to GGUF`,
    );
  return fields;
}

/** Divisors of the rotary frequencies, as Llama 3 has them. */
export function ropeDivisors(config: DecoderConfig): Float32Array | undefined {
  const rope = config.rope[0]!;
  if (rope.scaling?.type !== "llama3") return undefined;
  const scaled = ropeFrequencies(rope.dims, rope.theta, rope.scaling);
  return Float32Array.from(ropeFrequencies(rope.dims, rope.theta), (value, i) => value / scaled[i]!);
}

/** llama.cpp knows one scale for each architecture. */
function checkAttentionScale(architecture: string, config: DecoderConfig, source: string): void {
  const { heads, headDim, hiddenSize, layers, attentionScale } = config;
  const large = (architecture === "gemma2" && layers === 46) || (architecture === "gemma3" && layers === 62);
  const expected = 1 / Math.sqrt(large ? hiddenSize / heads : headDim);
  if (Math.abs(attentionScale / expected - 1) < 1e-6) return;
  throw new UsageError(
    `${source}: query_pre_attn_scalar gives an attention scale of ${attentionScale}; llama.cpp takes ${expected} for ${architecture}`,
  );
}

/** llama.cpp knows one pattern of windows for each architecture, and one rotary base for the layers that have one. */
function checkWindows(architecture: string, config: DecoderConfig, source: string): void {
  const period = architecture === "gemma2" ? 2 : 6;
  const regular = config.slidingWindow.every((size, i) => (size === undefined) === (i % period === period - 1));
  if (!regular)
    throw new UsageError(
      `${source}: layer_types differ from llama.cpp's pattern for ${architecture} (every ${period}th is full)`,
    );
  const local = config.rope.filter((_, i) => config.slidingWindow[i] !== undefined);
  if (architecture === "gemma3" && local.some(({ theta, scaling }) => theta !== 10_000 || scaling !== undefined))
    throw new UsageError(`${source}: rope_local_base_freq differs from the 10000 that llama.cpp takes for gemma3`);
}
