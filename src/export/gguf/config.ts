/** What GGUF metadata says of a model's shape, by llama.cpp's names. */
import type { GgufField } from "../../checkpoint/gguf/write.js";
import { UsageError } from "../../errors.js";
import type { Activation } from "../../model/block-spec.js";
import type { DecoderConfig } from "../../model/decoder-config.js";
import { ropeFields } from "./rope.js";

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
  olmo3: "olmo2",
  smollm3: "smollm3",
  granite: "granite",
  phi3: "phi3",
  gpt_neox: "gptneox",
  gpt2: "gpt2",
};

/** What llama.cpp takes as given for an architecture. */
interface Expected {
  activations?: readonly Activation[];
  /** Every so manieth layer sees all positions, the others look back on the window; llama.cpp has no windows elsewhere. */
  windowPeriod?: number;
  /** Heads are hidden size ÷ heads wide. */
  evenHeads?: boolean;
  /** Whole heads are rotated. */
  wholeRotation?: boolean;
  /** The head is a weight of its own in the file, also where it is the embedding. */
  ownHead?: boolean;
}

const GELU: readonly Activation[] = ["gelu-tanh", "gelu"];
const EXPECTED: Readonly<Record<string, Expected>> = {
  llama: { wholeRotation: true },
  olmo: { wholeRotation: true },
  smollm3: { wholeRotation: true },
  granite: { wholeRotation: true },
  gemma2: { activations: ["gelu-tanh"], windowPeriod: 2 },
  gemma3: { activations: ["gelu-tanh"], windowPeriod: 6 },
  olmo2: { windowPeriod: 4, evenHeads: true, wholeRotation: true, ownHead: true },
  phi3: { evenHeads: true },
  // llama.cpp computes the form with tanh for both; the two differ by up to 0.0005.
  gptneox: { activations: GELU, evenHeads: true, ownHead: true },
  gpt2: { activations: GELU, evenHeads: true },
};

/** Whether the file must hold the head, though it is the embedding. */
export const needsHead = (architecture: string): boolean => EXPECTED[architecture]?.ownHead === true;

/** Whether llama.cpp looks back on a window where a model of this family does. */
export const appliesWindows = (fields: Record<string, unknown>, source: string): boolean =>
  EXPECTED[ggufArchitectureOf(fields, source)]?.windowPeriod !== undefined;

/** @throws UsageError for families that are not written. */
export function ggufArchitectureOf(fields: Record<string, unknown>, source: string): string {
  const type = String(fields.model_type);
  if (Object.hasOwn(ARCHITECTURES, type)) return ARCHITECTURES[type]!;
  throw new UsageError(
    `${source}: GGUF files of model_type ${JSON.stringify(fields.model_type)} are not written; known are ${Object.keys(ARCHITECTURES).join(", ")}`,
  );
}

/** @throws UsageError for settings that llama.cpp has no place for. */
export function shapeFields(architecture: string, config: DecoderConfig, source: string): Map<string, GgufField> {
  checkShape(architecture, config, source);
  const fields = new Map<string, GgufField>();
  const put = (key: string, field: GgufField): void => void fields.set(`${architecture}.${key}`, field);
  const window = config.slidingWindow.find((size) => size !== undefined);
  const slides = EXPECTED[architecture]?.windowPeriod !== undefined;
  // Without its window a model computes the same only up to the window's length.
  const positions = window === undefined || slides ? config.maxPositions : Math.min(window, config.maxPositions);
  put("context_length", { u32: architecture === "gpt2" ? config.maxPositions : positions });
  put("embedding_length", { u32: config.hiddenSize });
  put("block_count", { u32: config.layers });
  put("feed_forward_length", { u32: config.block.mlp.width });
  put("attention.head_count", { u32: config.heads });
  put("attention.head_count_kv", { u32: config.kvHeads });
  put("attention.key_length", { u32: config.headDim });
  put("attention.value_length", { u32: config.headDim });
  put("vocab_size", { u32: config.vocabSize });
  const { kind, epsilon } = config.finalNorm;
  put(`attention.layer_norm_${kind === "rms" ? "rms_" : ""}epsilon`, { f32: epsilon });
  const { clip } = config.block.attention;
  if (clip !== undefined) put("attention.clamp_kqv", { f32: clip });
  if (window !== undefined) put("attention.sliding_window", { u32: window });
  if (architecture === "gemma2") put("attn_logit_softcapping", { f32: config.attentionSoftCap ?? 0 });
  if (architecture === "gemma2" || config.finalSoftCap !== undefined)
    put("final_logit_softcapping", { f32: config.finalSoftCap ?? 0 });
  if (architecture === "gptneox") put("use_parallel_residual", { bool: config.block.residual === "parallel" });
  if (architecture === "granite") {
    put("attention.scale", { f32: config.attentionScale });
    put("embedding_scale", { f32: config.embeddingScale });
    put("residual_scale", { f32: config.block.residualScale });
    put("logit_scale", { f32: 1 / config.logitScale });
  }
  for (const [key, field] of ropeFields(architecture, config, source)) put(key, field);
  return fields;
}

function checkShape(architecture: string, config: DecoderConfig, source: string): void {
  const refuse = (what: string): never => {
    throw new UsageError(`${source}: ${what}`);
  };
  const { activations = ["silu"], windowPeriod, evenHeads, wholeRotation } = EXPECTED[architecture] ?? {};
  const { heads, headDim, hiddenSize, block } = config;
  if (!activations.includes(block.mlp.activation))
    refuse(`activation ${block.mlp.activation}: llama.cpp takes ${activations[0]} for ${architecture}`);
  if (evenHeads && heads * headDim !== hiddenSize)
    refuse(`head_dim ${headDim}: llama.cpp takes hidden_size ÷ heads, ${hiddenSize / heads}, for ${architecture}`);
  if (wholeRotation && config.rope.some(({ dims }) => dims !== headDim))
    refuse(`partial_rotary_factor: llama.cpp rotates whole heads of ${architecture}`);
  if (architecture !== "granite") checkAttentionScale(architecture, config, source);
  if (windowPeriod !== undefined && (architecture !== "olmo2" || config.slidingWindow.some((size) => size)))
    checkWindows(architecture, windowPeriod, config, source);
  if (architecture !== "gemma2" && config.attentionSoftCap !== undefined)
    refuse(`attn_logit_softcapping: llama.cpp has none for ${architecture}`);
}

/** llama.cpp knows one scale for each architecture. */
function checkAttentionScale(architecture: string, config: DecoderConfig, source: string): void {
  const { heads, headDim, hiddenSize, layers, attentionScale } = config;
  const large = (architecture === "gemma2" && layers === 46) || (architecture === "gemma3" && layers === 62);
  const expected = 1 / Math.sqrt(large ? hiddenSize / heads : headDim);
  if (Math.abs(attentionScale / expected - 1) < 1e-6) return;
  const field = architecture.startsWith("gemma") ? "query_pre_attn_scalar" : "the configuration";
  throw new UsageError(
    `${source}: ${field} gives an attention scale of ${attentionScale}; llama.cpp takes ${expected} for ${architecture}`,
  );
}

/** llama.cpp knows one pattern of windows for each architecture. */
function checkWindows(architecture: string, period: number, config: DecoderConfig, source: string): void {
  const regular = config.slidingWindow.every((size, i) => (size === undefined) === (i % period === period - 1));
  if (!regular)
    throw new UsageError(
      `${source}: layer_types differ from llama.cpp's pattern for ${architecture} (every ${period}th is full)`,
    );
}
