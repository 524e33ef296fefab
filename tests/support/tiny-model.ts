import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeShardedSafetensors } from "../../src/checkpoint/safetensors-write.js";
import { Random } from "../../src/random/counter.js";
import { repositoryRoot } from "../program.js";

/** A Llama of random weights with a real (tiny) tokenizer: small enough that a training step takes milliseconds. */
export function writeTinyModel(folder: string): void {
  mkdirSync(folder, { recursive: true });
  cpSync(join(repositoryRoot, "src/data/fixtures/tiny-tokenizer"), folder, { recursive: true });
  const config = {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    vocab_size: 640,
    hidden_size: 64,
    intermediate_size: 128,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: 512,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
  };
  const matrix = (name: string, out: number, width: number) => {
    const random = new Random("tiny model", name);
    const data = Float32Array.from({ length: out * width }, () => (0.5 * random.normal()) / Math.sqrt(width));
    return { name, shape: [out, width], dtype: "F32" as const, data };
  };
  const ones = (name: string) => ({ name, shape: [64], dtype: "F32" as const, data: new Float32Array(64).fill(1) });
  const layers = [0, 1].flatMap((layer) => {
    const at = (name: string): string => `model.layers.${layer}.${name}.weight`;
    return [
      matrix(at("self_attn.q_proj"), 64, 64),
      matrix(at("self_attn.k_proj"), 32, 64),
      matrix(at("self_attn.v_proj"), 32, 64),
      matrix(at("self_attn.o_proj"), 64, 64),
      matrix(at("mlp.gate_proj"), 128, 64),
      matrix(at("mlp.up_proj"), 128, 64),
      matrix(at("mlp.down_proj"), 64, 128),
      ones(at("input_layernorm")),
      ones(at("post_attention_layernorm")),
    ];
  });
  writeShardedSafetensors(folder, [matrix("model.embed_tokens.weight", 640, 64), ...layers, ones("model.norm.weight")]);
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
}

/** Instruction rows of a few words. */
export function writeTinyRows(path: string, count: number): void {
  const random = new Random("tiny rows");
  const words = ["the", "river", "runs", "to", "a", "quiet", "sea", "and", "stars", "fall", "over", "green", "hills"];
  const phrase = (): string =>
    Array.from({ length: 3 + random.below(8) }, () => words[random.below(words.length)]).join(" ");
  const rows = Array.from({ length: count }, () => JSON.stringify({ prompt: phrase(), completion: phrase() }));
  writeFileSync(path, `${rows.join("\n")}\n`);
}
