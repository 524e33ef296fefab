import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RayHead } from "../../../tests/support/ray-head.js";
import { clusterSchema } from "../../recipe/cluster.js";
import { parseAddress } from "./address.js";
import { RayClient } from "./client.js";
import { describeResources, resourcesOf, settleGpus, shapeOf } from "./resources.js";

let head: RayHead;
beforeEach(async () => {
  head = await RayHead.start();
});
afterEach(() => head.close());

const nodes = (...found: Record<string, number>[]) =>
  resourcesOf(found.map((resources_total) => ({ state: "ALIVE", resources_total })));

async function settle(settings: Record<string, unknown>, earlier?: boolean) {
  const said: string[] = [];
  const client = new RayClient(parseAddress(head.address));
  const cluster = await settleGpus(client, clusterSchema.parse(settings), (line) => said.push(line), earlier);
  return { gpus: cluster.gpus_per_worker, said };
}

describe("GPUs that a recipe leaves open", () => {
  it("are taken where there is one for each worker, over all nodes, and said", async () => {
    head.nodes = [{ CPU: 8 }, { CPU: 8, GPU: 1 }, { CPU: 8, GPU: 1 }];
    expect(await settle({ workers: 2 })).toEqual({
      gpus: 1,
      said: ["the cluster has 2 GPUs: each of 2 workers takes one; --set cluster.gpus_per_worker=0 trains on CPUs"],
    });
    expect(await settle({ workers: 3 })).toEqual({
      gpus: 0,
      said: ["the cluster has 2 GPUs for 3 workers: training on CPUs"],
    });
  });

  it("are refused, or another number, by the recipe", async () => {
    head.nodes = [{ GPU: 8 }];
    expect(await settle({ gpus_per_worker: 0 })).toEqual({ gpus: 0, said: [] });
    expect(await settle({ gpus_per_worker: 2 })).toEqual({ gpus: 2, said: [] });
  });

  it("are those of the run's earlier job, whatever the cluster has now", async () => {
    head.nodes = [{ GPU: 8 }];
    expect((await settle({}, false)).gpus).toBe(0);
    head.nodes = [];
    expect((await settle({}, true)).gpus).toBe(1);
  });

  it.each([[[{ CPU: 4 }]], [[]], [undefined]])("are none on a cluster of %j", async (found) => {
    head.nodes = found;
    expect(await settle({})).toEqual({ gpus: 0, said: [] });
  });
});

describe("a cluster's resources", () => {
  it("count living nodes alone", () => {
    const dead = { state: "DEAD", resources_total: { CPU: 64, GPU: 8 } };
    expect(describeResources(resourcesOf([dead, { state: "ALIVE", resources_total: { CPU: 1 } }]))).toBe(
      "1 node, 1 CPU, no GPU",
    );
  });

  it("are told in words, and estimated by the largest group of equal nodes of a known type", () => {
    const h100 = { CPU: 64, GPU: 8, "accelerator_type:H100": 1 };
    const mixed = nodes(h100, h100, { CPU: 4, GPU: 1, "accelerator_type:T4": 1 }, { CPU: 4, GPU: 9 });
    expect(describeResources(mixed)).toBe("4 nodes, 136 CPUs, 26 GPUs (H100, T4, of unknown type)");
    expect(shapeOf(mixed)).toMatchObject({ nodes: 2, gpus: 8, gpu: { name: "H100" } });
    expect(shapeOf(nodes({ GPU: 9 }))).toBeUndefined();
  });
});
