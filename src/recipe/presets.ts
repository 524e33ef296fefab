/**
 * The training recipes of the Response Tuning paper (arXiv 2410.02465, section "Training" and appendix; the numbers
 * agree with the `training_configs` published with it). A preset is a recipe with gaps: whatever the recipe file or
 * `--set` names wins over it.
 */

/** Names accepted by `preset:` in a recipe. */
export const presetNames = ["paper-qlora", "paper-lora", "paper-full"] as const;

/** Name of a preset. */
export type PresetName = (typeof presetNames)[number];

/** Settings that all three recipes share: AdamW without weight decay, 2,048 tokens, seed 0. */
const common = {
  template: "tulu",
  schedule: { type: "constant", warmup_steps: 0, warmup_ratio: 0 },
  max_length: 2048,
  seed: 0,
};

const adamw = { betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0 };

/** The presets as plain, partial recipes (keys of the YAML file). */
export const presets: Readonly<Record<PresetName, Readonly<Record<string, unknown>>>> = {
  /** 4-bit base, rank 64: the recipe behind the paper's main tables. One device, 8 × 8 = 64 examples a step. */
  "paper-qlora": {
    ...common,
    method: "qlora",
    quantization: { type: "nf4", double_quant: true, block_size: 64 },
    lora: { r: 64, alpha: 16, dropout: 0.1, target_modules: "all-linear" },
    optimizer: { lr: 1e-4, ...adamw },
    batch: { micro: 8, accumulation: 8 },
    epochs: 10,
    max_grad_norm: 0.3,
  },
  /** 8-bit base, rank 16. The paper ran 4 × 8 examples on each of four devices; one device takes 4 × 8 a step. */
  "paper-lora": {
    ...common,
    method: "lora",
    quantization: { type: "int8" },
    lora: { r: 16, alpha: 16, dropout: 0.1, target_modules: "all-linear" },
    optimizer: { lr: 1e-4, ...adamw },
    schedule: { type: "cosine", warmup_steps: 100, warmup_ratio: 0 },
    batch: { micro: 4, accumulation: 8 },
    epochs: 3,
    max_grad_norm: 1,
  },
  /** All weights. Batch as in paper-lora. */
  "paper-full": {
    ...common,
    method: "full",
    quantization: { type: "none" },
    optimizer: { lr: 2e-5, ...adamw },
    schedule: { type: "cosine", warmup_steps: 0, warmup_ratio: 0.03 },
    batch: { micro: 4, accumulation: 8 },
    epochs: 3,
    max_grad_norm: 1,
  },
};
