/** Writes the mini model with random weights, the start of its pre-training: `npm run mini:start -- [--out DIR] [--seed N]`. */
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { writeShardedSafetensors } from "../../src/checkpoint/safetensors-write.js";
import { Random } from "../../src/random/counter.js";

const { values } = parseArgs({
  options: { out: { type: "string", default: ".cache/mini/start" }, seed: { type: "string", default: "0" } },
});
const source = "models/mini";
const config = JSON.parse(readFileSync(join(source, "config.json"), "utf8")) as Record<string, number>;
const {
  hidden_size: hidden = 0,
  intermediate_size: inner = 0,
  num_hidden_layers: layers = 0,
  head_dim: head = 0,
} = config;
const { num_attention_heads: heads = 0, num_key_value_heads: kvHeads = 0, vocab_size: vocabulary = 0 } = config;

/** Standard deviations: 1/√(inputs), less by √(2·layers) where a layer adds to the residual stream, as GPT-2 does. */
const spread = (inputs: number): number => 1 / Math.sqrt(inputs);
const residual = (inputs: number): number => spread(inputs) / Math.sqrt(2 * layers);
const EMBEDDING_SPREAD = 0.05;

interface Tensor {
  name: string;
  shape: number[];
  dtype: "F32";
  data: Float32Array;
}

function normal(name: string, shape: number[], spread: number): Tensor {
  const random = new Random("mini", "weights", values.seed, name);
  const size = shape.reduce((product, length) => product * length, 1);
  return { name, shape, dtype: "F32", data: Float32Array.from({ length: size }, () => spread * random.normal()) };
}

function ones(name: string): Tensor {
  return { name, shape: [hidden], dtype: "F32", data: new Float32Array(hidden).fill(1) };
}

const tensors = [
  normal("model.embed_tokens.weight", [vocabulary, hidden], EMBEDDING_SPREAD),
  ones("model.norm.weight"),
];
for (let layer = 0; layer < layers; layer++) {
  const at = (name: string): string => `model.layers.${layer}.${name}.weight`;
  tensors.push(
    ones(at("input_layernorm")),
    ones(at("post_attention_layernorm")),
    normal(at("self_attn.q_proj"), [heads * head, hidden], spread(hidden)),
    normal(at("self_attn.k_proj"), [kvHeads * head, hidden], spread(hidden)),
    normal(at("self_attn.v_proj"), [kvHeads * head, hidden], spread(hidden)),
    normal(at("self_attn.o_proj"), [hidden, heads * head], residual(heads * head)),
    normal(at("mlp.gate_proj"), [inner, hidden], spread(hidden)),
    normal(at("mlp.up_proj"), [inner, hidden], spread(hidden)),
    normal(at("mlp.down_proj"), [hidden, inner], residual(inner)),
  );
}
mkdirSync(values.out, { recursive: true });
await writeShardedSafetensors(values.out, tensors);
for (const name of ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"])
  copyFileSync(join(source, name), join(values.out, name));
console.log(`${values.out}: ${tensors.reduce((sum, { data }) => sum + data.length, 0)} parameters`);
