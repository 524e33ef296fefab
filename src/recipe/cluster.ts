import { z } from "zod";

/** The `cluster:` block of a recipe: an existing Ray cluster that trains instead of this machine. */

const positiveInteger = z.int().min(1);

export const clusterSchema = z.strictObject({
  address: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Dashboard of the Ray head, where jobs are submitted: ray://HOST:8265 (plain HTTP), http:// or https://. With it the recipe trains there; evoke train --on names it for one run.",
    ),
  token_env: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "expected the name of an environment variable")
    .default("RAY_AUTH_TOKEN")
    .describe("Environment variable that holds the bearer token of the cluster; no token is sent when it is empty."),
  workers: positiveInteger.default(1).describe("Training processes, over which each optimiser step is shared out."),
  gpus_per_worker: z
    .number()
    .min(0)
    .optional()
    .describe(
      "GPUs of a worker; 0 trains on its CPUs. Default: 1 where the cluster has a GPU for each worker, else 0.",
    ),
  cpus_per_worker: z.number().positive().default(1).describe("CPUs that Ray reserves for a worker."),
  resources_per_worker: z
    .record(z.string(), z.number().positive())
    .default({})
    .describe("Further Ray resources of a worker, e.g. {accelerator_type:H100: 0.001}."),
  model: z
    .string()
    .min(1)
    .optional()
    .describe(
      "The base model as the workers see it: a Hugging Face folder's path there, or hf:ORG/NAME[@REV]. Default: the recipe's model if it is on the Hub; a small local folder is uploaded.",
    ),
  storage: z
    .string()
    .min(1)
    .default("job")
    .describe(
      "Where checkpoints and the result are kept: a folder that the workers and this machine see, s3://BUCKET/PREFIX, hf:ORG/NAME (result only), or job: the result comes back in the job's own output, up to 64 MB.",
    ),
  storage_local: z
    .string()
    .min(1)
    .optional()
    .describe("The storage folder as this machine sees it, where it has another path here."),
  precision: z
    .enum(["auto", "float32", "bfloat16"])
    .default("auto")
    .describe("Arithmetic of the workers; auto: bfloat16 on GPUs that have it, else float32."),
  pip: z
    .union([z.literal("default"), z.array(z.string().min(1))])
    .optional()
    .describe("Packages that Ray installs for the job; default: the tested ones. Absent: the workers have them."),
  runtime_env: z
    .record(z.string(), z.unknown())
    .default({})
    .describe("More of Ray's runtime environment, passed on as it is (conda, container, …); no working_dir."),
  env: z
    .array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "expected the name of an environment variable"))
    .default([])
    .describe(
      "Names of environment variables whose values the job gets, e.g. [HF_TOKEN]. Whoever may list the cluster's jobs can read them.",
    ),
  retries: z
    .int()
    .min(0)
    .default(2)
    .describe(
      "Times that workers that die are started again, and that a job that the head has lost is submitted again.",
    ),
  patience_minutes: z
    .number()
    .positive()
    .default(60)
    .describe("How long a lost connection is tried again before giving up; the job goes on without it."),
});

/** Settings of a Ray cluster, defaults filled in. */
export type ClusterSettings = z.output<typeof clusterSchema>;
