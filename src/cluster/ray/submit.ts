/** Puts a job on the cluster, once: whoever submits the same again joins it. */

import { UsageError } from "../../errors.js";
import type { ClusterSettings } from "../../recipe/cluster.js";
import { type RayClient, Refused } from "./client.js";
import { jobRequirements } from "./package.js";
import type { PreparedJob } from "./prepare.js";
import { ended, type Submission } from "./wire.js";

/** Whether the job was put there now, ran or waited already, or had already succeeded. */
export type Submitted = "new" | "joined" | "finished";

export interface SubmitOptions {
  /** Put a job that failed or was stopped there again. */
  again: boolean;
  /** How the job runs, for whoever joins it. */
  told: Readonly<Record<string, string>>;
  say(line: string): void;
  env?: NodeJS.ProcessEnv;
}

/** @throws UsageError when the job has failed or was stopped before and `again` is not set. */
export async function submitJob(
  client: RayClient,
  prepared: PreparedJob,
  cluster: ClusterSettings,
  { again, told, say, env = process.env }: SubmitOptions,
): Promise<Submitted> {
  const { id } = prepared;
  const before = await client.job(id);
  if (before && !ended(before.status)) {
    say(`${id} is on ${client.address.url} already (${before.status.toLowerCase()}): joining it`);
    for (const line of differences(before.metadata ?? {}, told)) say(line);
    return "joined";
  }
  if (before?.status === "SUCCEEDED") {
    say(`${id} has finished already: fetching its result`);
    return "finished";
  }
  if (before) {
    const how = before.status === "STOPPED" ? "was stopped" : "failed";
    if (!again) throw new UsageError(`${id} ${how} before; add --resume to submit it again`);
    say(`${id} ${how} before: submitting it again`);
    await client.delete(id);
  }
  const { name, bytes } = prepared.package;
  if (!(await client.hasPackage(name))) {
    if (bytes.length > 5e6) say(`uploading ${Math.round(bytes.length / 1e6)} MB`);
    await client.putPackage(name, bytes);
  }
  try {
    await client.submit(submission(prepared, cluster, told, env));
  } catch (error) {
    if (!(error instanceof Refused && /already exists/.test(error.message))) throw error;
    say(`${id} was submitted a moment ago: joining it`);
    return "joined";
  }
  say(`${id} submitted to ${client.address.url}`);
  return "new";
}

/** Workers that load PyTorch from a cold disk take longer to start than the 60 s that Ray Train gives them. */
const SLOW_START = { RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S: "300" };

function submission(
  { id, package: { name } }: PreparedJob,
  cluster: ClusterSettings,
  told: Readonly<Record<string, string>>,
  env: NodeJS.ProcessEnv,
): Submission {
  const missing = cluster.env.filter((variable) => !env[variable]);
  if (missing.length) throw new UsageError(`cluster.env: ${missing.join(", ")} is not set here`);
  const own = (cluster.runtime_env.env_vars ?? {}) as Record<string, string>;
  const pip = cluster.pip === "default" ? jobRequirements() : cluster.pip;
  return {
    submission_id: id,
    entrypoint: "python main.py",
    runtime_env: {
      ...cluster.runtime_env,
      working_dir: `gcs://${name}`,
      ...(pip ? { pip } : {}),
      env_vars: {
        ...SLOW_START,
        ...own,
        ...Object.fromEntries(cluster.env.map((variable) => [variable, env[variable]!])),
      },
    },
    metadata: { evoke: "train", ...told },
  };
}

/** Settings that the job was submitted with, where they are others than those given now. */
function differences(submitted: Readonly<Record<string, string>>, given: Readonly<Record<string, string>>): string[] {
  return Object.entries(given)
    .filter(([name, value]) => submitted[name] !== undefined && submitted[name] !== value)
    .map(([name, value]) => `${name}: the job runs with ${submitted[name]}, not ${value}`);
}
