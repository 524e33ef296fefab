/** What a cluster has, as its head tells it, and whether a job's workers get GPUs. */
import type { ClusterSettings } from "../../recipe/cluster.js";
import { type Gpu, knownGpu } from "../placement/gpus.js";
import type { RayClient } from "./client.js";
import type { RayNode } from "./wire.js";

/** A recipe's cluster with the number of GPUs settled. */
export type SettledCluster = ClusterSettings & { gpus_per_worker: number };

export interface ClusterResources {
  nodes: number;
  cpus: number;
  gpus: number;
  /** GPUs of each node that has some, by Ray's name of their type; undefined where it has none. */
  gpuNodes: { type: string | undefined; gpus: number }[];
}

/** Sums of what living nodes have. */
export function resourcesOf(nodes: readonly RayNode[]): ClusterResources {
  const living = nodes.filter(({ state }) => state === "ALIVE").map(({ resources_total }) => resources_total);
  const sum = (name: string): number => living.reduce((total, resources) => total + (resources[name] ?? 0), 0);
  const gpuNodes = living.flatMap((resources) => {
    const gpus = Math.floor(resources.GPU ?? 0);
    const [type] = Object.keys(resources).flatMap((name) => /^accelerator_type:(.+)$/.exec(name)?.[1] ?? []);
    return gpus > 0 ? [{ type, gpus }] : [];
  });
  return { nodes: living.length, cpus: sum("CPU"), gpus: sum("GPU"), gpuNodes };
}

/**
 * Gives each worker a GPU where the recipe leaves it open and the cluster has one for each, which is said. What the cluster has
 * counts, not what is idle: a job's name must not depend on the hour, and one that has to wait says so.
 * @param earlier whether the run's earlier job used GPUs; undefined without one.
 */
export async function settleGpus(
  client: RayClient,
  cluster: ClusterSettings,
  say: (line: string) => void,
  earlier?: boolean,
): Promise<SettledCluster> {
  const { gpus_per_worker: given, workers } = cluster;
  if (given !== undefined) return { ...cluster, gpus_per_worker: given };
  if (earlier !== undefined) return { ...cluster, gpus_per_worker: Number(earlier) };
  const nodes = await client.nodes();
  const gpus = nodes ? resourcesOf(nodes).gpuNodes.reduce((sum, node) => sum + node.gpus, 0) : 0;
  const refuse = "--set cluster.gpus_per_worker=0 trains on CPUs";
  if (gpus >= workers)
    say(
      `the cluster has ${gpus} GPUs: ${workers === 1 ? "the worker" : `each of ${workers} workers`} takes one; ${refuse}`,
    );
  else if (gpus > 0) say(`the cluster has ${gpus} GPUs for ${workers} workers: training on CPUs`);
  return { ...cluster, gpus_per_worker: gpus >= workers ? 1 : 0 };
}

/** The largest group of equal nodes with GPUs of a known type, as a shape to estimate; undefined where there is none. */
export function shapeOf({ gpuNodes }: ClusterResources): { nodes: number; gpus: number; gpu: Gpu } | undefined {
  const groups = new Map<string, { nodes: number; gpus: number; gpu: Gpu }>();
  for (const { type, gpus } of gpuNodes) {
    const gpu = type === undefined ? undefined : knownGpu(type);
    if (!gpu) continue;
    const key = `${gpus} ${gpu.name}`;
    groups.set(key, { nodes: (groups.get(key)?.nodes ?? 0) + 1, gpus, gpu });
  }
  return [...groups.values()].sort((a, b) => b.nodes * b.gpus - a.nodes * a.gpus)[0];
}

/** In words, such as `2 nodes, 16 CPUs, 8 GPUs (H100)`. */
export function describeResources({ nodes, cpus, gpus, gpuNodes }: ClusterResources): string {
  const types = [...new Set(gpuNodes.map(({ type }) => type ?? "of unknown type"))];
  const count = (n: number, name: string): string => `${n} ${name}${n === 1 ? "" : "s"}`;
  const cards = gpus ? `${count(gpus, "GPU")} (${types.join(", ")})` : "no GPU";
  return `${count(nodes, "node")}, ${count(cpus, "CPU")}, ${cards}`;
}
