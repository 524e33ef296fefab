/** A recipe as TRL's `trl sft` reads it (huggingface.co/docs/trl: SFTConfig, ModelConfig, ScriptArguments). */
import type { TrainingPlan } from "./training-plan.js";

/** The configuration's keys in the order in which a person reads them. */
export function trlConfig(plan: TrainingPlan): Record<string, unknown> {
  const { recipe, model, validation, precision } = plan;
  return {
    model_name_or_path: model.name,
    ...(model.revision ? { model_revision: model.revision } : {}),
    // Full tuning keeps float32 weights; bf16 below is the arithmetic.
    dtype: recipe.method === "full" ? "float32" : precision,
    ...quantization(plan),
    ...adapter(plan),
    dataset_name: "./data",
    dataset_train_split: "train",
    ...(validation.length ? { dataset_test_split: "validation" } : {}),
    max_length: recipe.max_length,
    packing: false,
    learning_rate: recipe.optimizer.lr,
    optim: "adamw_torch",
    adam_beta1: recipe.optimizer.betas[0],
    adam_beta2: recipe.optimizer.betas[1],
    adam_epsilon: recipe.optimizer.eps,
    weight_decay: recipe.optimizer.weight_decay,
    lr_scheduler_type: scheduler(plan),
    warmup_steps: plan.warmupSteps,
    per_device_train_batch_size: plan.batch.micro,
    gradient_accumulation_steps: plan.batch.accumulation,
    ...(plan.inSequence ? { train_sampling_strategy: "sequential" } : {}),
    ...length(plan),
    max_grad_norm: recipe.max_grad_norm ?? 0,
    gradient_checkpointing: recipe.memory.recompute !== "none",
    bf16: precision === "bfloat16",
    seed: recipe.seed,
    ...evaluation(plan),
    logging_steps: 1,
    report_to: recipe.report_to.length ? recipe.report_to : "none",
    output_dir: "output",
  };
}

/** Whole epochs come to the same steps there; part of one is rounded another way, so that its steps are given. */
function length({ recipe, steps }: TrainingPlan): Record<string, unknown> {
  const isWhole = recipe.max_steps === undefined && Number.isInteger(recipe.epochs);
  return isWhole ? { num_train_epochs: recipe.epochs } : { max_steps: steps };
}

function quantization({ recipe }: TrainingPlan): Record<string, unknown> {
  const { type, double_quant } = recipe.quantization;
  if (type === "nf4") return { load_in_4bit: true, bnb_4bit_quant_type: "nf4", use_bnb_nested_quant: double_quant };
  return type === "int8" ? { load_in_8bit: true } : {};
}

function adapter({ adapter }: TrainingPlan): Record<string, unknown> {
  if (!adapter) return {};
  const { settings, dropout } = adapter;
  return {
    use_peft: true,
    lora_r: settings.r,
    lora_alpha: settings.lora_alpha,
    lora_dropout: dropout,
    lora_target_modules: settings.target_modules,
    ...(settings.use_rslora ? { use_rslora: true } : {}),
    ...(settings.use_dora ? { use_dora: true } : {}),
  };
}

/** Hugging Face's name of a schedule; its plain `constant` has no warm-up. */
export function scheduler({ recipe, warmupSteps }: TrainingPlan): string {
  const { type } = recipe.schedule;
  return type === "constant" && warmupSteps > 0 ? "constant_with_warmup" : type;
}

/** Validation and checkpoints; to come back to the best state both must fall on the same steps. */
function evaluation({ recipe, batch, validation, stepsPerEpoch }: TrainingPlan): Record<string, unknown> {
  const every = recipe.validation.every_steps ?? stepsPerEpoch;
  const best = recipe.early_stop !== undefined && validation.length > 0;
  return {
    ...(validation.length
      ? { eval_strategy: "steps", eval_steps: every, per_device_eval_batch_size: batch.micro }
      : { eval_strategy: "no" }),
    save_strategy: "steps",
    save_steps: best ? every : recipe.checkpoint.every_steps,
    save_total_limit: recipe.checkpoint.keep,
    ...(best ? { load_best_model_at_end: true, metric_for_best_model: "eval_loss", greater_is_better: false } : {}),
  };
}

/** `trl sft` cannot stop early or go on from an adapter, and accelerate starts a program: then a program of a few lines takes its place. */
export function needsScript({ recipe, launch }: TrainingPlan): boolean {
  return launch !== undefined || recipe.early_stop !== undefined || recipe.adapter !== undefined;
}

/** That program. It reads the same sft.yaml. */
export function trlScript(plan: TrainingPlan): string {
  const { early_stop: stop, adapter: from } = plan.recipe;
  const imports = [
    "from datasets import load_dataset",
    ...(from ? ["from peft import PeftModel, prepare_model_for_kbit_training"] : []),
    `from transformers import AutoModelForCausalLM${stop ? ", EarlyStoppingCallback" : ""}`,
    "from trl import (",
    ...(from ? [] : ["    get_peft_config,"]),
    "    ModelConfig,",
    "    ScriptArguments,",
    "    SFTConfig,",
    "    SFTTrainer,",
    "    TrlParser,",
    "    get_quantization_config,",
    ")",
  ];
  const continued = `if model_args.load_in_4bit or model_args.load_in_8bit:
    model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=training_args.gradient_checkpointing)
elif training_args.gradient_checkpointing:
    model.enable_input_require_grads()
model = PeftModel.from_pretrained(model, ${JSON.stringify(from ?? "")}, is_trainable=True)
`;
  return `"""Trains as sft.yaml says${stop ? ", with early stopping" : ""}${from ? ", going on from an adapter" : ""}: python train.py --config sft.yaml"""

${imports.join("\n")}

parser = TrlParser((ScriptArguments, SFTConfig, ModelConfig))
script_args, training_args, model_args = parser.parse_args_and_config()
model = AutoModelForCausalLM.from_pretrained(
    model_args.model_name_or_path,
    revision=model_args.model_revision,
    dtype=model_args.dtype,
    quantization_config=get_quantization_config(model_args),
)
${from ? continued : ""}data = load_dataset(script_args.dataset_name)
trainer = SFTTrainer(
    model=model,
    args=training_args,
    train_dataset=data[script_args.dataset_train_split],
    eval_dataset=data[script_args.dataset_test_split] if training_args.eval_strategy != "no" else None,
${from ? "" : "    peft_config=get_peft_config(model_args),\n"}${
  stop
    ? `    callbacks=[EarlyStoppingCallback(early_stopping_patience=${stop.patience}, early_stopping_threshold=${stop.min_delta})],\n`
    : ""
})
trainer.train(resume_from_checkpoint=training_args.resume_from_checkpoint)
trainer.save_model(training_args.output_dir)
trainer.save_state()
`;
}
