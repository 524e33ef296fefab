/** Before anything is submitted: whether the result can be fetched from where it will be. The job's program checks its own side. */
import { existsSync } from "node:fs";
import { UsageError } from "../../errors.js";
import { hubSettings } from "../../hub/hub-api.js";
import type { ClusterSettings } from "../../recipe/cluster.js";
import { checkBucket } from "./s3.js";

/** Variables by which the workers reach a storage. */
const NEEDED = { s3: ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"], hf: ["HF_TOKEN"] };

/**
 * Reads the storage with this machine's credentials, and says which credentials the job is not given, as the workers then need
 * their own (a role, a token of the image).
 * @throws UsageError when this machine cannot read it, FailureError when it cannot be reached.
 */
export async function checkStorage(
  cluster: Pick<ClusterSettings, "storage" | "storage_local" | "env" | "runtime_env">,
  job: string,
  say: (line: string) => void,
): Promise<void> {
  const { storage, storage_local: local, env, runtime_env } = cluster;
  if (storage === "job") return;
  const kind = storage.startsWith("s3://") ? "s3" : storage.startsWith("hf:") ? "hf" : undefined;
  if (kind === undefined) {
    if (existsSync(local ?? storage)) return;
    throw new UsageError(
      `cluster.storage: ${local ?? storage} is not there on this machine; make it, or name its path here in cluster.storage_local`,
    );
  }
  if (kind === "s3") await checkBucket(`${storage.replace(/\/+$/, "")}/${job}/manifest.json`);
  else if (!hubSettings().token)
    throw new UsageError("cluster.storage: no token for the Hub here; set HF_TOKEN, with which the result is fetched");
  const given = new Set([...env, ...Object.keys((runtime_env.env_vars ?? {}) as object)]);
  const lacking = NEEDED[kind].filter((name) => !given.has(name));
  if (lacking.length)
    say(`the job is not given ${lacking.join(", ")} (cluster.env): its workers need access to ${storage} of their own`);
}
