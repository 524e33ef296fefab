import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { parseRecipe } from "../../recipe/load.js";
import { accelerateConfig, checkLaunch, jobFiles, LAUNCHES, START, sharedBatch } from "./launch.js";

const plan = { kind: "fsdp2", processes: 16, nodes: 2, precision: "bfloat16" } as const;

describe("a batch shared out over processes", () => {
  it.each([
    [8, 8, 4, { micro: 8, accumulation: 2 }],
    [8, 8, 64, { micro: 1, accumulation: 1 }],
    [6, 4, 8, { micro: 3, accumulation: 1 }],
    [4, 3, 2, { micro: 3, accumulation: 2 }],
  ])("%i × %i over %i", (micro, accumulation, processes, wanted) => {
    expect(sharedBatch({ micro, accumulation }, processes)).toEqual(wanted);
  });

  it("is the same update for every number of processes that is not refused", () => {
    for (let processes = 1; processes <= 70; processes++)
      for (const batch of [
        { micro: 8, accumulation: 8 },
        { micro: 6, accumulation: 5 },
      ]) {
        const examples = batch.micro * batch.accumulation;
        if (examples % processes) expect(() => sharedBatch(batch, processes)).toThrow(/cannot be shared out evenly/);
        else {
          const own = sharedBatch(batch, processes);
          expect(own.micro * own.accumulation * processes).toBe(examples);
          expect(own.micro).toBeLessThanOrEqual(batch.micro);
        }
      }
  });
});

/** Directives of `man sbatch` that the file uses, and their form. */
const DIRECTIVES: Record<string, RegExp> = {
  "job-name": /^[\w-]+$/,
  nodes: /^[1-9]\d*$/,
  "ntasks-per-node": /^1$/,
  "gpus-per-node": /^[1-9]\d*$/,
  "cpus-per-task": /^[1-9]\d*$/,
  time: /^\d+:\d\d:\d\d$/,
  output: /^slurm-%j\.out$/,
};

describe("the files that start a job", () => {
  const files = jobFiles(plan, ["trl==1.16.0"]);

  it("have directives that sbatch knows, before the first command", () => {
    const lines = files["job.sbatch"]!.split("\n");
    expect(lines[0]).toBe("#!/bin/bash");
    const given = lines.filter((line) => line.startsWith("#SBATCH"));
    expect(lines.slice(1, 1 + given.length)).toEqual(given);
    const read = given.map((line) => /^#SBATCH --([a-z-]+)=(\S+)$/.exec(line)!.slice(1) as [string, string]);
    expect(read.map(([name]) => name).sort()).toEqual(Object.keys(DIRECTIVES).sort());
    for (const [name, value] of read) expect(value).toMatch(DIRECTIVES[name]!);
    expect(Object.fromEntries(read)).toMatchObject({ nodes: "2", "gpus-per-node": "8" });
  });

  it("name the machines where there are several, and only then", () => {
    expect(files["job.sbatch"]).toContain('--machine_rank "$SLURM_NODEID"');
    expect(files["sky.yaml"]).toContain("SKYPILOT_NODE_RANK");
    const single = jobFiles({ ...plan, processes: 8, nodes: 1 }, []);
    for (const name of ["job.sbatch", "sky.yaml", "rayjob.yaml", "RUN.md"]) expect(single[name]).toContain(START);
    expect((parse(single["sky.yaml"]!) as { resources: unknown }).resources).toEqual({ accelerators: "H100:8" });
  });

  it("are a RayJob as KubeRay's resource has it", () => {
    const job = parse(files["rayjob.yaml"]!) as Record<string, never>;
    expect(job).toMatchObject({
      apiVersion: "ray.io/v1",
      kind: "RayJob",
      spec: { rayClusterSpec: { headGroupSpec: { template: { spec: { containers: [{ name: "ray-head" }] } } } } },
    });
  });

  it("ask for DeepSpeed only where it is used", () => {
    expect(files["requirements.txt"]).toBe("trl==1.16.0\n");
    expect(jobFiles({ ...plan, kind: "zero3" }, [])["requirements.txt"]).toContain("deepspeed");
  });

  it.each(LAUNCHES)("tell accelerate of %s", (kind) => {
    const config = parse(accelerateConfig({ ...plan, kind }), { version: "1.1" }) as Record<string, unknown>;
    expect(config).toMatchObject({ num_processes: 16, num_machines: 2, mixed_precision: "bf16" });
  });
});

it("refuses what cannot be shared out", () => {
  const int8 = parseRecipe({ model: "m", data: { path: "x" }, method: "lora", quantization: { type: "int8" } });
  expect(() => checkLaunch(plan, int8)).toThrow(/8-bit weights/);
  expect(() => checkLaunch({ ...plan, kind: "multi_gpu" }, int8)).not.toThrow();
  expect(() => checkLaunch({ ...plan, processes: 3 }, int8)).toThrow(/no multiple of --nodes 2/);
});
