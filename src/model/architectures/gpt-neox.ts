import type { Architecture } from "../decoder-config.js";
import { ropeFields, ropeOf } from "../rope-config.js";
import { activationOf, type BlockNames, standardDecoder, standardSettings } from "./standard.js";

const norms = { beforeAttention: "input_layernorm", beforeMlp: "post_attention_layernorm" };
const NAMES: BlockNames = {
  qkv: ["attention.query_key_value"],
  output: "attention.dense",
  mlpInput: ["mlp.dense_h_to_4h"],
  down: "mlp.dense_4h_to_h",
  norms: { before: norms },
};

/** GPT-NeoX (Pythia): layer norms and linear layers with biases, attention and MLP side by side, part of each head rotated. */
export const gptNeox: Architecture = {
  modelTypes: ["gpt_neox"],
  withoutEffect: ["classifier_dropout", "num_key_value_heads", "rope_theta"],
  configure: (c) => {
    const settings = standardSettings("gpt_neox", c);
    const attention = c.boolean("attention_bias", true);
    const part = c.number("rotary_pct", 0.25);
    const rope = ropeOf(c, settings.headDim, ropeFields(c), c.number("rotary_emb_base", 10_000), part);
    return standardDecoder({
      ...settings,
      activation: activationOf(c, c.raw("hidden_act") ?? "gelu"),
      gated: false,
      norm: { ...settings.norm, kind: "layer", epsilon: c.number("layer_norm_eps", 1e-5), bias: true },
      bias: { qkv: attention, output: attention, mlp: true },
      rope: settings.rope.map(() => rope),
      residual: c.boolean("use_parallel_residual", true) ? "parallel" : "sequential",
      byHead: true,
      blockNames: NAMES,
      finalNormName: "gpt_neox.final_layer_norm",
      names: { blocks: "gpt_neox.layers", embedding: "gpt_neox.embed_in.weight", head: "embed_out.weight" },
    });
  },
};
