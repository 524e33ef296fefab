/**
 * Flags of the original tools' programs by page of docs/coming-from, as their parsers declare them: just-eval 3e1a126, AlpacaEval 0.6.6,
 * lm-evaluation-harness 0.4.13, Response Tuning 65b848e, Self-Instruct 0b26cca. tests/originals compares them with those programs.
 */
export const ORIGINAL_FLAGS: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  "response-tuning": {
    "generate_training_data.py": ["--dataset", "--seed", "--max_num_examples"],
    "refine_responses.py": flags("refiner refiner_engine_backend refiner_base_url refiner_num_gpus dataset_path gpu_memory_utilization"), // biome-ignore format: a line a program
    "generate_refusal_mixture.py": ["--target_dataset", "--safety_examples_path", "--num_safety_examples"],
    "hf_ft.py": flags("model dataset_path tuning_type config_dir continue_training attn_implementation peft"),
    "lora_merge.py": ["--lora_adapter_path", "--save_path", "--attn_implementation"],
    "chat.py": ["--model_id", "--backend", "--debug_mode"],
    "eval/just_eval/run_inference.py": flags("model model_engine_backend model_backend_base_url save_dir model_num_gpus max_num_examples use_chat_format prompt stop rstrip gpu_memory_utilization"), // biome-ignore format: a line a program
    "eval/just_eval/compute_metrics.py": ["--regular_eval_output_path", "--safety_eval_output_path", "--save_dir"],
    "eval/alpaca_eval/run_eval.py": flags("model model_engine_backend model_backend_base_url save_dir model_num_gpus use_chat_format reference_path prompt_format gpu_memory_utilization enforce_tulu_chat_format stop"), // biome-ignore format: a line a program
    "eval/advbench/run_eval.py": [...refusalFlags(), "--data_dir"],
    "eval/harmbench/run_eval.py": refusalFlags(),
    "eval/malicious_instruct/run_eval.py": refusalFlags(),
    "eval/xstest/run_eval.py": refusalFlags(),
  },
  "self-instruct": {
    "self_instruct/bootstrap_instructions.py": flags("batch_dir seed_tasks_path num_instructions_to_generate use_clf_seed_tasks_only engine num_prompt_instructions request_batch_size api_key organization"), // biome-ignore format: a line a program
    "self_instruct/identify_clf_or_not.py": flags("batch_dir num_instructions template engine request_batch_size api_key organization"), // biome-ignore format: a line a program
    "self_instruct/generate_instances.py": flags("batch_dir input_file output_file num_instructions max_instances_to_generate generation_tasks_only classification_tasks_only engine request_batch_size api_key organization"), // biome-ignore format: a line a program
    "self_instruct/prepare_for_finetuning.py": flags("instance_files classification_type_files output_dir num_instructions include_seed_tasks seed_tasks_path"), // biome-ignore format: a line a program
    "self_instruct/gpt3_api.py": flags("input_file output_file engine max_tokens temperature top_p frequency_penalty presence_penalty stop_sequences logprobs n best_of use_existing_responses request_batch_size"), // biome-ignore format: a line a program
  },
  "evaluation-tools": {
    "just_eval/evaluate.py": flags("report_only mode model_output_file ref_output_file eval_output_file start_idx end_idx save_interval max_words_to_eval api_key gpt_model engine temperature max_tokens"), // biome-ignore format: a line a program
    alpaca_eval: flags("model_outputs reference_outputs annotators_config name output_path precomputed_leaderboard is_overwrite_leaderboard leaderboard_mode_to_print current_leaderboard_mode is_return_instead_of_print fn_metric metric_kwargs is_recompute_metrics_only sort_by is_cache_leaderboard max_instances annotation_kwargs Annotator"), // biome-ignore format: a line a program
    lm_eval: flags("model model_args tasks num_fewshot batch_size max_batch_size device output_path limit samples use_cache cache_requests check_integrity write_out log_samples system_instruction apply_chat_template fewshot_as_multiturn show_config include_path gen_kwargs verbosity wandb_args wandb_config_args hf_hub_log_args predict_only seed trust_remote_code confirm_run_unsafe_code metadata config trackio_args"), // biome-ignore format: a line a program
  },
};

function flags(names: string): string[] {
  return names.split(" ").map((name) => `--${name}`);
}

function refusalFlags(): string[] {
  return flags(
    "model model_engine_backend model_backend_base_url evaluator evaluator_engine_backend evaluator_backend_base_url model_num_gpus evaluator_num_gpus save_dir use_chat_format max_num_examples gpu_memory_utilization",
  );
}
