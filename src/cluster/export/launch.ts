/** Several processes for an exported TRL recipe: accelerate's configuration, and files for the systems that start such jobs. */
import { stringify as yaml } from "yaml";
import { UsageError } from "../../errors.js";
import type { TrainingRecipe } from "../../recipe/schema.js";

/** How processes share a model, by the names of TRL's own configurations. */
export const LAUNCHES = ["fsdp2", "zero3", "multi_gpu"] as const;
export type Launch = (typeof LAUNCHES)[number];

export interface LaunchPlan {
  kind: Launch;
  /** Processes in all, one for each GPU, and machines they are on. */
  processes: number;
  nodes: number;
  precision: "bfloat16" | "float32";
}

/**
 * The batch of one process: the same examples make an update, whatever the number of processes.
 * @throws UsageError when they cannot be shared out evenly, naming numbers that can.
 */
export function sharedBatch({ micro, accumulation }: TrainingRecipe["batch"], processes: number) {
  const examples = micro * accumulation;
  if (examples % processes !== 0) {
    const fitting = Array.from({ length: Math.min(examples, 64) }, (_, i) => i + 1).filter((n) => examples % n === 0);
    throw new UsageError(
      `--processes ${processes}: an update of ${examples} examples cannot be shared out evenly; ${fitting.join(", ")} can`,
    );
  }
  const own = examples / processes;
  let size = Math.min(micro, own);
  while (own % size !== 0) size--;
  return { micro: size, accumulation: own / size };
}

/** @throws UsageError for what the way of sharing cannot do. */
export function checkLaunch({ kind, processes, nodes }: LaunchPlan, recipe: TrainingRecipe): void {
  if (processes % nodes !== 0) throw new UsageError(`--processes ${processes}: is no multiple of --nodes ${nodes}`);
  if (kind !== "multi_gpu" && recipe.quantization.type === "int8")
    throw new UsageError(
      `--accelerate ${kind}: 8-bit weights of bitsandbytes cannot be shared out; use quantization.type nf4 or none, or multi_gpu`,
    );
}

/** accelerate's configuration, as `accelerate launch --config_file` reads it. */
export function accelerateConfig({ kind, processes, nodes, precision }: LaunchPlan): string {
  const own = {
    fsdp2: {
      distributed_type: "FSDP",
      fsdp_config: {
        fsdp_version: 2,
        fsdp_auto_wrap_policy: "TRANSFORMER_BASED_WRAP",
        fsdp_cpu_ram_efficient_loading: true,
        fsdp_offload_params: false,
        fsdp_reshard_after_forward: true,
        fsdp_state_dict_type: "FULL_STATE_DICT",
      },
    },
    zero3: {
      distributed_type: "DEEPSPEED",
      deepspeed_config: {
        zero_stage: 3,
        zero3_init_flag: true,
        zero3_save_16bit_model: true,
        offload_optimizer_device: "none",
        offload_param_device: "none",
        deepspeed_multinode_launcher: "standard",
      },
    },
    multi_gpu: { distributed_type: "MULTI_GPU", gpu_ids: "all" },
  }[kind];
  const common = {
    compute_environment: "LOCAL_MACHINE",
    mixed_precision: precision === "bfloat16" ? "bf16" : "no",
    num_machines: nodes,
    num_processes: processes,
    machine_rank: 0,
    main_training_function: "main",
    same_network: true,
    rdzv_backend: "static",
    use_cpu: false,
  };
  return stringify({ ...own, ...common });
}

/** What starts the training in the folder, on one machine. */
export const START = "accelerate launch --config_file accelerate.yaml train.py --config sft.yaml";

/** The files by which Slurm, SkyPilot and KubeRay start it, and a page that says how. */
export function jobFiles(plan: LaunchPlan, requirements: readonly string[]): Record<string, string> {
  const packages = [
    // What trains here beside evoke's own engine; bitsandbytes only where weights are quantised, which it does no harm to have.
    ...requirements,
    ...(plan.kind === "zero3" ? ["deepspeed"] : []),
  ];
  return {
    "requirements.txt": `${packages.join("\n")}\n`,
    "accelerate.yaml": accelerateConfig(plan),
    "job.sbatch": sbatch(plan),
    "sky.yaml": sky(plan),
    "rayjob.yaml": rayJob(plan),
    "RUN.md": page(plan),
  };
}

/** In YAML 1.1, as these tools read it; commands stay on one line. */
function stringify(value: unknown): string {
  return yaml(value, { version: "1.1", lineWidth: 0 });
}

const several = (plan: LaunchPlan, nodes: string, rank: string, head: string): string =>
  plan.nodes === 1
    ? START
    : `accelerate launch --config_file accelerate.yaml --num_machines ${nodes} --machine_rank ${rank} --main_process_ip ${head} --main_process_port 29500 train.py --config sft.yaml`;

function sbatch(plan: LaunchPlan): string {
  const perNode = plan.processes / plan.nodes;
  const launch = several(plan, '"$SLURM_NNODES"', '"$SLURM_NODEID"', '"$head"');
  return `#!/bin/bash
#SBATCH --job-name=evoke
#SBATCH --nodes=${plan.nodes}
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=${perNode}
#SBATCH --cpus-per-task=${4 * perNode}
#SBATCH --time=24:00:00
#SBATCH --output=slurm-%j.out

# In this folder, on a file system that all nodes see, with the packages of requirements.txt: sbatch job.sbatch
set -euo pipefail
cd "$SLURM_SUBMIT_DIR"
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export head
srun --export=ALL bash -c '${launch}'
`;
}

function sky(plan: LaunchPlan): string {
  const launch = several(
    plan,
    '"$SKYPILOT_NUM_NODES"',
    '"$SKYPILOT_NODE_RANK"',
    '"$(echo "$SKYPILOT_NODE_IPS" | head -n 1)"',
  );
  return stringify({
    name: "evoke",
    num_nodes: plan.nodes,
    resources: { accelerators: `H100:${plan.processes / plan.nodes}` },
    workdir: ".",
    setup: "pip install -r requirements.txt\n",
    run: `${launch}\n`,
  });
}

/** A single pod with all GPUs: Ray only starts the command there. */
function rayJob(plan: LaunchPlan): string {
  const container = {
    name: "ray-head",
    image: "rayproject/ray:2.60.0-gpu",
    resources: { limits: { "nvidia.com/gpu": plan.processes, cpu: 4 * plan.processes, memory: "200Gi" } },
    volumeMounts: [{ name: "folder", mountPath: "/evoke" }],
  };
  return stringify({
    apiVersion: "ray.io/v1",
    kind: "RayJob",
    metadata: { name: "evoke" },
    spec: {
      entrypoint: `bash -c 'cd /evoke && pip install -r requirements.txt && ${START}'`,
      shutdownAfterJobFinishes: true,
      rayClusterSpec: {
        rayVersion: "2.60.0",
        headGroupSpec: {
          rayStartParams: {},
          template: {
            spec: {
              containers: [container],
              volumes: [{ name: "folder", persistentVolumeClaim: { claimName: "evoke" } }],
            },
          },
        },
      },
    },
  });
}

function page({ kind, processes, nodes }: LaunchPlan): string {
  const where = `${processes} GPUs on ${nodes} machine${nodes === 1 ? "" : "s"}, shared out by ${kind}`;
  const kuberay =
    nodes === 1
      ? "| Kubernetes with KubeRay | `kubectl apply -f rayjob.yaml`; a volume claim `evoke` holds this folder |"
      : "| Kubernetes with KubeRay | rayjob.yaml starts one machine; export again with `--nodes 1` |";
  return `# How to run this

${where}. Adapt the kind of GPU, times and memory to your site.

| where | command |
|---|---|
| one machine | \`pip install -r requirements.txt && ${START}\` |
| Slurm | \`sbatch job.sbatch\` |
| SkyPilot | \`sky launch sky.yaml\` |
${kuberay}
| Hugging Face Jobs | \`hf upload ORG/NAME . --repo-type dataset && hf jobs run --flavor h100x8 --secrets HF_TOKEN pytorch/pytorch:latest bash -c "pip install -r https://huggingface.co/datasets/ORG/NAME/resolve/main/requirements.txt && hf download ORG/NAME --repo-type dataset --local-dir job && cd job && ${START}"\` |

The result is in \`output/\`.
`;
}
