/** A checkpoint of Llama-3.1-8B's shape whose file is one hole: 16 GB to a reader, some kilobytes on the disk. */
import { closeSync, copyFileSync, ftruncateSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../program.js";

const [VOCAB, HIDDEN, INNER, LAYERS, KEYS] = [128_256, 4096, 14_336, 32, 1024];

const CONFIG = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  vocab_size: VOCAB,
  hidden_size: HIDDEN,
  intermediate_size: INNER,
  num_hidden_layers: LAYERS,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  max_position_embeddings: 131_072,
  rms_norm_eps: 1e-5,
  rope_theta: 500_000,
  tie_word_embeddings: false,
};

/** Writes the folder: untied BF16 weights, all zero, in one file with offsets beyond 2³³, and a small tokenizer. */
export function writeSparseLlama(folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const name of ["tokenizer.json", "tokenizer_config.json"])
    copyFileSync(join(repositoryRoot, "src/data/fixtures/tiny-tokenizer", name), join(folder, name));
  writeFileSync(join(folder, "config.json"), JSON.stringify(CONFIG));
  const shapes = new Map<string, number[]>([["lm_head.weight", [VOCAB, HIDDEN]]]);
  for (let layer = 0; layer < LAYERS; layer++) {
    const add = (name: string, ...shape: number[]) => shapes.set(`model.layers.${layer}.${name}.weight`, shape);
    add("self_attn.q_proj", HIDDEN, HIDDEN);
    add("self_attn.k_proj", KEYS, HIDDEN);
    add("self_attn.v_proj", KEYS, HIDDEN);
    add("self_attn.o_proj", HIDDEN, HIDDEN);
    add("mlp.gate_proj", INNER, HIDDEN);
    add("mlp.up_proj", INNER, HIDDEN);
    add("mlp.down_proj", HIDDEN, INNER);
    add("input_layernorm", HIDDEN);
    add("post_attention_layernorm", HIDDEN);
  }
  shapes.set("model.norm.weight", [HIDDEN]);
  // Last, so that rows of the embedding lie beyond every limit of 32 bits.
  shapes.set("model.embed_tokens.weight", [VOCAB, HIDDEN]);
  let end = 0;
  const header: Record<string, unknown> = {};
  for (const [name, shape] of shapes) {
    const start = end;
    end += 2 * shape.reduce((product, size) => product * size, 1);
    header[name] = { dtype: "BF16", shape, data_offsets: [start, end] };
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = openSync(join(folder, "model.safetensors"), "w");
  try {
    writeSync(file, Buffer.concat([length, text]));
    ftruncateSync(file, 8 + text.length + end);
  } finally {
    closeSync(file);
  }
}
