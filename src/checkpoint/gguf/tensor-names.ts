/** GGUF tensor names ↔ Hugging Face names, and what the conversion to GGUF did to the values. */

interface FamilyNames {
  /** Block i is `BLOCKS.i.`. */
  blocks: string;
  /** What lies outside of the blocks. */
  outside: Readonly<Record<string, string>>;
  /** Parts of a block. */
  parts: Readonly<Record<string, string>>;
  /** Rows of queries and keys are stored as interleaved pairs (row-order.ts). */
  pairs?: boolean;
  /** Rows of queries, keys and values, which the Hugging Face weight has in turn for each head, are stored one kind after the other. */
  kindsApart?: boolean;
  /** Linear layers lie in Hugging Face files as [in, out]. */
  transposed?: boolean;
  /** Norm weights are stored with 1 added. */
  normOffset?: 1;
}

const OUTSIDE = { token_embd: "model.embed_tokens", output_norm: "model.norm", output: "lm_head" };
const LINEAR = {
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
  attn_q_norm: "self_attn.q_norm",
  attn_k_norm: "self_attn.k_norm",
  ffn_gate: "mlp.gate_proj",
  ffn_up: "mlp.up_proj",
  ffn_down: "mlp.down_proj",
};
const POST = { post_attention_norm: "post_attention_layernorm", post_ffw_norm: "post_feedforward_layernorm" };

const STANDARD: FamilyNames = {
  blocks: "model.layers",
  outside: OUTSIDE,
  parts: { ...LINEAR, attn_norm: "input_layernorm", ffn_norm: "post_attention_layernorm" },
};
const PAIRS: FamilyNames = { ...STANDARD, pairs: true };
/** Norms before and after each half; what others call ffn_norm is the third. */
const GEMMA: FamilyNames = {
  ...STANDARD,
  parts: { ...LINEAR, ...POST, attn_norm: "input_layernorm", ffn_norm: "pre_feedforward_layernorm" },
  normOffset: 1,
};

const FAMILIES: Readonly<Record<string, FamilyNames>> = {
  llama: PAIRS,
  olmo: PAIRS,
  smollm3: PAIRS,
  granite: PAIRS,
  gemma2: GEMMA,
  gemma3: GEMMA,
  olmo2: { ...STANDARD, parts: { ...LINEAR, ...POST } },
  phi3: {
    ...STANDARD,
    parts: {
      attn_qkv: "self_attn.qkv_proj",
      attn_output: "self_attn.o_proj",
      attn_norm: "input_layernorm",
      ffn_norm: "post_attention_layernorm",
      ffn_up: "mlp.gate_up_proj",
      ffn_down: "mlp.down_proj",
    },
  },
  gptneox: {
    blocks: "gpt_neox.layers",
    outside: { token_embd: "gpt_neox.embed_in", output_norm: "gpt_neox.final_layer_norm", output: "embed_out" },
    parts: {
      attn_qkv: "attention.query_key_value",
      attn_output: "attention.dense",
      attn_norm: "input_layernorm",
      ffn_norm: "post_attention_layernorm",
      ffn_up: "mlp.dense_h_to_4h",
      ffn_down: "mlp.dense_4h_to_h",
    },
    kindsApart: true,
  },
  gpt2: {
    blocks: "transformer.h",
    outside: {
      token_embd: "transformer.wte",
      position_embd: "transformer.wpe",
      output_norm: "transformer.ln_f",
      output: "lm_head",
    },
    parts: {
      attn_qkv: "attn.c_attn",
      attn_output: "attn.c_proj",
      attn_norm: "ln_1",
      ffn_norm: "ln_2",
      ffn_up: "mlp.c_fc",
      ffn_down: "mlp.c_proj",
    },
    transposed: true,
  },
};

/** What an architecture's files call its weights. Unknown ones are read as Llama's. */
export const familyNames = (architecture: string): FamilyNames =>
  Object.hasOwn(FAMILIES, architecture) ? FAMILIES[architecture]! : STANDARD;

/** Hugging Face name of a GGUF tensor; undefined for tensors that are not weights of the model (rope divisors). */
export function hfName(gguf: string, architecture: string): string | undefined {
  if (/^rope_(freqs|factors_long|factors_short)\.weight$/.test(gguf)) return undefined;
  const { blocks, outside, parts } = familyNames(architecture);
  const [, place, layer, part, kind] = /^((?:blk\.(\d+)\.)?(\w+))\.(weight|bias)$/.exec(gguf) ?? [];
  if (place === undefined) return gguf;
  const names = layer === undefined ? outside : parts;
  if (!Object.hasOwn(names, part!)) return gguf;
  return layer === undefined ? `${names[part!]}.${kind}` : `${blocks}.${layer}.${names[part!]}.${kind}`;
}

/** GGUF name of a Hugging Face weight; undefined for one that GGUF has no place for. */
export function ggufName(hf: string, architecture: string): string | undefined {
  const { blocks, outside, parts } = familyNames(architecture);
  // Checkpoints of a model without its head lack the names' first part.
  const whole = [hf, `${blocks.slice(0, blocks.indexOf("."))}.${hf}`];
  for (const name of whole) {
    const [, rest, kind] = /^(.+)\.(weight|bias)$/.exec(name) ?? [];
    const found = Object.keys(outside).find((key) => outside[key] === rest);
    if (found) return `${found}.${kind}`;
    const [, layer, own] =
      (rest?.startsWith(`${blocks}.`) && /^(\d+)\.(.+)$/.exec(rest.slice(blocks.length + 1))) || [];
    const part = own && Object.keys(parts).find((key) => parts[key] === own);
    if (part) return `blk.${layer}.${part}.${kind}`;
  }
  // transformers 5 writes every family's head under one name.
  return hf === "lm_head.weight" ? "output.weight" : undefined;
}

/** What was added to a norm's weights. */
export function normOffset(gguf: string, architecture: string): number {
  return gguf.endsWith("norm.weight") ? (familyNames(architecture).normOffset ?? 0) : 0;
}

/** Whether a matrix lies the other way round in Hugging Face files. */
export function isTransposed(gguf: string, architecture: string): boolean {
  return (
    familyNames(architecture).transposed === true && /^blk\.\d+\.(attn|ffn)_(qkv|output|up|down)\.weight$/.test(gguf)
  );
}
