/** GGUF tensor names → Hugging Face names, and what the conversion to GGUF did to the values. */

const LAYER_NAMES: Record<string, string> = {
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
  attn_q_norm: "self_attn.q_norm",
  attn_k_norm: "self_attn.k_norm",
  attn_norm: "input_layernorm",
  ffn_norm: "post_attention_layernorm",
  ffn_gate: "mlp.gate_proj",
  ffn_up: "mlp.up_proj",
  ffn_down: "mlp.down_proj",
  post_attention_norm: "post_attention_layernorm",
  post_ffw_norm: "post_feedforward_layernorm",
};

/** Where a family's blocks have other parts. */
const OWN_NAMES: Record<string, Record<string, string>> = {
  // Gemma 2 and 3 normalise before and after each half; what others call ffn_norm is their third norm.
  gemma2: { ffn_norm: "pre_feedforward_layernorm" },
  gemma3: { ffn_norm: "pre_feedforward_layernorm" },
  phi3: { attn_qkv: "self_attn.qkv_proj", ffn_up: "mlp.gate_up_proj" },
};

/** Hugging Face name of a GGUF tensor; undefined for tensors that are not weights of the model (rope divisors). */
export function hfName(gguf: string, architecture: string): string | undefined {
  if (/^rope_(freqs|factors_long|factors_short)\.weight$/.test(gguf)) return undefined;
  if (gguf === "token_embd.weight") return "model.embed_tokens.weight";
  if (gguf === "output_norm.weight") return "model.norm.weight";
  if (gguf === "output.weight") return "lm_head.weight";
  const [, layer, part, kind] = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(gguf) ?? [];
  if (part === undefined) return gguf;
  const name = OWN_NAMES[architecture]?.[part] ?? LAYER_NAMES[part];
  return name ? `model.layers.${layer}.${name}.${kind}` : gguf;
}

/** GGUF name of a Hugging Face weight; undefined for one that GGUF has no place for. */
export function ggufName(hf: string, architecture: string): string | undefined {
  if (hf === "model.embed_tokens.weight") return "token_embd.weight";
  if (hf === "model.norm.weight") return "output_norm.weight";
  if (hf === "lm_head.weight") return "output.weight";
  const [, layer, kind] = /^model\.layers\.(\d+)\..+\.(weight|bias)$/.exec(hf) ?? [];
  return Object.keys(LAYER_NAMES)
    .map((part) => `blk.${layer}.${part}.${kind}`)
    .find((name) => hfName(name, architecture) === hf && !notThere(name, architecture));
}

/** Two parts have one Hugging Face name: after the attention, OLMo 2 and Gemma have a norm where others have the MLP's. */
function notThere(name: string, architecture: string): boolean {
  const post = architecture === "olmo2" || architecture.startsWith("gemma");
  return post ? /\.ffn_norm\./.test(name) && architecture === "olmo2" : /\.post_attention_norm\./.test(name);
}

/**
 * Rotary architectures whose query and key rows are stored as interleaved pairs: within a head of `d` rows, GGUF row 2i + j is
 * row j·d/2 + i of the Hugging Face layout.
 */
export function permutedHeads(gguf: string, architecture: string, heads: number, kvHeads: number): number | undefined {
  if (!["llama", "olmo", "smollm3", "granite"].includes(architecture)) return undefined;
  if (/\.attn_q\.(weight|bias)$/.test(gguf)) return heads;
  if (/\.attn_k\.(weight|bias)$/.test(gguf)) return kvHeads;
  return undefined;
}

/** Gemma's norm weights are stored with 1 added. */
export function normOffset(gguf: string, architecture: string): number {
  return architecture.startsWith("gemma") && gguf.endsWith("norm.weight") ? 1 : 0;
}

/** Puts rows stored as interleaved pairs back into halves, in place. `columns` is 1 for a bias. */
export function unpermute(data: Float32Array, heads: number, columns: number): void {
  const rows = data.length / columns / heads;
  const half = rows / 2;
  const head = new Float32Array(rows * columns);
  for (let h = 0; h < heads; h++) {
    const target = data.subarray(h * rows * columns, (h + 1) * rows * columns);
    head.set(target);
    for (let i = 0; i < half; i++) {
      for (let j = 0; j < 2; j++) {
        const from = (2 * i + j) * columns;
        target.set(head.subarray(from, from + columns), (j * half + i) * columns);
      }
    }
  }
}

/** The inverse of `unpermute`: halves become interleaved pairs, in place. */
export function permute(data: Float32Array, heads: number, columns: number): void {
  const rows = data.length / columns / heads;
  const half = rows / 2;
  const head = new Float32Array(rows * columns);
  for (let h = 0; h < heads; h++) {
    const target = data.subarray(h * rows * columns, (h + 1) * rows * columns);
    head.set(target);
    for (let i = 0; i < half; i++)
      for (let j = 0; j < 2; j++) {
        const from = (j * half + i) * columns;
        target.set(head.subarray(from, from + columns), (2 * i + j) * columns);
      }
  }
}
