/** `evoke doctor --cluster ray://…`: what a live Ray head says of its cluster. */
import type { ClusterShape } from "../cluster/placement/gpus.js";
import { gpuNames } from "../cluster/placement/gpus.js";
import { addressWarnings, parseAddress } from "../cluster/ray/address.js";
import { RayClient } from "../cluster/ray/client.js";
import { type ClusterResources, describeResources, resourcesOf, shapeOf } from "../cluster/ray/resources.js";
import { FailureError, UsageError } from "../errors.js";
import type { Finding } from "./doctor-checks.js";

/** Environment variable of the token, as in a recipe without `cluster.token_env`. */
const TOKEN_ENV = "RAY_AUTH_TOKEN";

/** Whether `--cluster` names a head rather than a shape. */
export function isAddress(cluster: string): boolean {
  return /^(ray|https?):\/\//.test(cluster);
}

/** @throws FailureError or UsageError when the head does not answer, refuses the token or does not say what it has. */
async function ask(cluster: string, say: (line: string) => void): Promise<{ ray: string; has: ClusterResources }> {
  const address = parseAddress(cluster);
  const token = process.env[TOKEN_ENV]?.trim() || undefined;
  for (const line of addressWarnings(address, token, TOKEN_ENV)) say(line);
  const client = new RayClient(address, { token, tokenEnv: TOKEN_ENV });
  const { ray_version } = await client.version();
  const nodes = await client.nodes();
  if (!nodes) throw new FailureError(`${address.url}: Ray ${ray_version} does not tell its nodes; name the shape`);
  return { ray: ray_version, has: resourcesOf(nodes) };
}

/** What the head says, as a line of the doctor's; a head that does not answer is such a line too. */
export async function clusterFinding(cluster: string, say: (line: string) => void): Promise<Finding> {
  const name = "Ray cluster";
  try {
    const { ray, has } = await ask(cluster, say);
    return { name, status: "ok", found: `Ray ${ray}: ${describeResources(has)}` };
  } catch (error) {
    return { name, status: "fail", found: (error as Error).message, advice: "correct --cluster or RAY_AUTH_TOKEN" };
  }
}

/** The cluster's GPUs as a shape to estimate. @throws UsageError where it has none of a known type. */
export async function liveShape(cluster: string, say: (line: string) => void): Promise<ClusterShape> {
  const { has } = await ask(cluster, say);
  const shape = shapeOf(has);
  if (shape) return shape;
  throw new UsageError(
    `${cluster}: ${describeResources(has)}; an estimate needs GPUs of a known type: ${gpuNames.join(", ")}; name a shape such as 2x8xH100`,
  );
}
