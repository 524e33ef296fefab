/** What another value of each setting means for a job that is there already (the tables of docs/guides/cluster.md). */
import { canonicalJson } from "../../files/canonical-json.js";
import type { ClusterSettings } from "../../recipe/cluster.js";
import type { TrainingRecipe } from "../../recipe/schema.js";
import type { SettledCluster } from "./resources.js";

/**
 * `other`: it can change the result, so it is another job. `told`: the job is joined, and what it runs with is said.
 * `joins`: the job is joined. `nothing`: a cluster has no use for it, which is said; it is in no identity.
 */
export type Effect = "other" | "told" | "joins" | "nothing";

/** Fields of `cluster:`. Whoever adds a field must decide here. */
export const CLUSTER_EFFECTS = {
  address: "joins",
  token_env: "joins",
  workers: "other",
  gpus_per_worker: "told", // between none and some: other
  cpus_per_worker: "told",
  resources_per_worker: "told",
  model: "other",
  storage: "other",
  storage_local: "joins",
  precision: "other",
  pip: "other",
  runtime_env: "other",
  env: "told", // values of variables that steer arithmetic: other
  retries: "told",
  patience_minutes: "joins",
} as const satisfies Record<keyof ClusterSettings, Effect>;

/** Fields of the recipe; whole blocks by their name. */
export const RECIPE_EFFECTS = {
  model: "other",
  adapter: "other",
  preset: "joins", // its values are in the other fields
  method: "other",
  mode: "other",
  template: "other",
  count_newline_after_eos: "other",
  data: "other",
  lora: "other",
  quantization: "other",
  optimizer: "other",
  schedule: "other",
  batch: "other",
  epochs: "other",
  max_steps: "other",
  max_length: "other",
  max_grad_norm: "other",
  packing: "nothing",
  memory: { budget_gb: "nothing", recompute: "told" },
  validation: "other",
  early_stop: "other",
  checkpoint: "told",
  report_to: "told",
  seed: "other",
  device: "nothing",
  threads: "nothing",
  out: "joins",
} as const satisfies Record<Exclude<keyof TrainingRecipe, "cluster">, Effect | Record<string, Effect>>;

/** The recipe's settings that were given although a cluster has no use for them. */
export function idleSettings({ packing, memory, device, threads }: TrainingRecipe): string[] {
  const given = {
    packing: !packing,
    "memory.budget_gb": memory.budget_gb !== undefined,
    device: device !== "auto",
    threads: threads !== undefined,
  };
  return Object.entries(given).flatMap(([name, isGiven]) => (isGiven ? [name] : []));
}

/** What only says how a job runs, by the field's name, as Ray's metadata keeps it: whoever joins it is told of differences. */
export function toldSettings(recipe: TrainingRecipe, cluster: SettledCluster): Record<string, string> {
  const { gpus_per_worker, cpus_per_worker, resources_per_worker, retries, env } = cluster;
  const given = {
    "cluster.gpus_per_worker": gpus_per_worker,
    "cluster.cpus_per_worker": cpus_per_worker,
    "cluster.resources_per_worker": resources_per_worker,
    "cluster.retries": retries,
    "cluster.env": env.slice().sort(),
    "checkpoint.every_steps": recipe.checkpoint.every_steps,
    "checkpoint.keep": recipe.checkpoint.keep,
    "memory.recompute": recipe.memory.recompute,
    report_to: recipe.report_to,
  };
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, canonicalJson(value)]));
}

/** Variables by which PyTorch's libraries choose how they compute. */
const STEERS_ARITHMETIC =
  /^(NVIDIA_TF32_OVERRIDE$|CUBLAS|CUDNN_|TORCH|PYTORCH_|ATEN_|OMP_|MKL_|ONEDNN_|DNNL_|BNB_|NCCL_)/;

/** Variables passed on by `cluster.env` whose values can change the result. */
export function arithmeticEnvironment(names: readonly string[], env: NodeJS.ProcessEnv): Record<string, string> {
  const found = names.filter((name) => STEERS_ARITHMETIC.test(name)).sort();
  return Object.fromEntries(found.map((name) => [name, env[name] ?? ""]));
}
