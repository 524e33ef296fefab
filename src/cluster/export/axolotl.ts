/** A recipe as Axolotl reads it (docs.axolotl.ai: config reference). Rows come with their labels, so it tokenises nothing. */
import type { TrainingPlan } from "./training-plan.js";
import { scheduler } from "./trl.js";

/** Axolotl's switches by the recipe's names of trackers. */
const TRACKERS = {
  wandb: "use_wandb",
  mlflow: "use_mlflow",
  tensorboard: "use_tensorboard",
  trackio: "use_trackio",
  comet_ml: "use_comet",
} as const;

/** The configuration's keys in the order in which a person reads them. */
export function axolotlConfig(plan: TrainingPlan): Record<string, unknown> {
  const { recipe, model, validation, precision } = plan;
  return {
    base_model: model.name,
    ...(model.revision ? { revision_of_model: model.revision } : {}),
    ...quantization(plan),
    ...adapter(plan),
    datasets: [{ path: "data/train.jsonl", ds_type: "json", type: null }],
    ...(validation.length
      ? { test_datasets: [{ path: "data/validation.jsonl", ds_type: "json", type: null, split: "train" }] }
      : {}),
    dataset_prepared_path: "prepared",
    sequence_len: recipe.max_length,
    sample_packing: false,
    eval_sample_packing: false,
    pad_to_sequence_len: false,
    learning_rate: recipe.optimizer.lr,
    optimizer: "adamw_torch",
    adam_beta1: recipe.optimizer.betas[0],
    adam_beta2: recipe.optimizer.betas[1],
    adam_epsilon: recipe.optimizer.eps,
    weight_decay: recipe.optimizer.weight_decay,
    lr_scheduler: scheduler(plan),
    warmup_steps: plan.warmupSteps,
    micro_batch_size: plan.batch.micro,
    gradient_accumulation_steps: plan.batch.accumulation,
    ...length(plan),
    max_grad_norm: recipe.max_grad_norm ?? 0,
    gradient_checkpointing: recipe.memory.recompute !== "none",
    bf16: precision === "bfloat16",
    fp16: false,
    tf32: false,
    seed: recipe.seed,
    ...evaluation(plan),
    logging_steps: 1,
    ...Object.fromEntries(recipe.report_to.map((tracker) => [TRACKERS[tracker], true])),
    output_dir: "output",
  };
}

/**
 * Whole epochs come to the same steps there; part of one is rounded another way, so that its steps are given. Axolotl makes no more steps
 * than ⌈rows · num_epochs / batch⌉ of them, whatever max_steps says: so many epochs are named that this is enough.
 */
function length({ recipe, steps, train }: TrainingPlan): Record<string, unknown> {
  if (recipe.max_steps === undefined && Number.isInteger(recipe.epochs)) return { num_epochs: recipe.epochs };
  const { micro, accumulation } = recipe.batch;
  return { num_epochs: Math.ceil((steps * micro * accumulation) / train.length), max_steps: steps };
}

function quantization({ recipe }: TrainingPlan): Record<string, unknown> {
  const { type, double_quant } = recipe.quantization;
  // Axolotl's own default is NF4 with double quantisation.
  if (type === "nf4")
    return {
      load_in_4bit: true,
      bnb_config_kwargs: { bnb_4bit_quant_type: "nf4", bnb_4bit_use_double_quant: double_quant },
    };
  return type === "int8" ? { load_in_8bit: true } : {};
}

function adapter({ recipe, adapter }: TrainingPlan): Record<string, unknown> {
  if (!adapter) return {};
  const { settings, dropout } = adapter;
  return {
    // Axolotl calls an adapter over a 4-bit base qlora and all others lora.
    adapter: recipe.quantization.type === "nf4" ? "qlora" : "lora",
    ...(recipe.adapter ? { lora_model_dir: recipe.adapter } : {}),
    lora_r: settings.r,
    lora_alpha: settings.lora_alpha,
    lora_dropout: dropout,
    lora_target_modules: settings.target_modules,
    ...(settings.use_rslora ? { peft_use_rslora: true } : {}),
    ...(settings.use_dora ? { peft_use_dora: true } : {}),
  };
}

function evaluation({ recipe, validation, stepsPerEpoch }: TrainingPlan): Record<string, unknown> {
  const every = recipe.validation.every_steps ?? stepsPerEpoch;
  const best = recipe.early_stop !== undefined && validation.length > 0;
  return {
    ...(validation.length ? { eval_steps: every } : { val_set_size: 0 }),
    save_steps: best ? every : recipe.checkpoint.every_steps,
    save_total_limit: recipe.checkpoint.keep,
    ...(best
      ? {
          load_best_model_at_end: true,
          metric_for_best_model: "eval_loss",
          greater_is_better: false,
          early_stopping_patience: recipe.early_stop!.patience,
        }
      : {}),
  };
}
