/** An exported recipe in two processes of TRL (gloo, on CPUs): the losses of our own engine, and back as a run of evoke's. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evoke } from "../program.js";
import { python } from "./ray.js";
import { Runs } from "./runs.js";

const STEPS = 10;
let runs: Runs;

beforeAll(async () => {
  runs = new Runs();
  const rows = Array.from({ length: 8 * STEPS }, (_, i) => ({
    prompt: `Count on from ${i}.`,
    completion: Array.from({ length: 1 + (i % 5) }, (_, k) => `Then comes ${i + k}.`).join(" "),
  }));
  writeFileSync(join(runs.folder, "many.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
});
afterAll(() => runs?.remove());

async function run(...args: string[]): Promise<void> {
  const { code, stderr } = await evoke(args);
  expect(code, `${args.join(" ")}\n${stderr}`).toBe(0);
}

describe.skipIf(!python)("two processes of TRL", () => {
  it.each(["it", "rt"])("%s: ten losses within 1e-3 of ours, and the result is fetched", async (mode) => {
    // Both go on from one adapter, as each draws a first one of its own.
    const common = { method: "lora", mode, data: { path: "many.jsonl" }, max_steps: STEPS, validation: undefined };
    await run("train", runs.recipe(`${mode}-first`, { ...common, max_steps: 2 }), "--out", runs.out(`${mode}-first`));
    const recipe = runs.recipe(mode, { ...common, adapter: join(runs.out(`${mode}-first`), "adapter"), lora: {} });
    await run("train", recipe, "--out", runs.out(`${mode}-here`));
    const folder = runs.out(`${mode}-exported`);
    const flags = ["--accelerate", "multi_gpu", "--processes", "2", "--in-sequence", "--precision", "float32"];
    await run("export", "recipe", recipe, "--to", "trl", "--out", folder, ...flags);
    const launch = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "train.py", "--config", "sft.yaml"];
    execFileSync(python, [...launch, "--use_cpu", "true"], {
      cwd: folder,
      env: { ...process.env, HF_HUB_OFFLINE: "1", OMP_NUM_THREADS: "1", CUDA_VISIBLE_DEVICES: "" },
      stdio: ["ignore", "ignore", "inherit"],
    });
    await run("jobs", "fetch", folder, "--out", runs.out(`${mode}-fetched`));
    const found = runs.distance(`${mode}-fetched`, `${mode}-here`);
    expect(runs.steps(`${mode}-fetched`)).toHaveLength(STEPS);
    expect(found.loss).toBeLessThan(1e-3);

    writeFileSync(runs.out("pairs.jsonl"), '{"context": "<|assistant|>\\n", "continuation": "Then comes 1."}\n');
    const scores: number[] = [];
    for (const name of [`${mode}-fetched`, `${mode}-here`]) {
      const out = runs.out(`${name}.jsonl`);
      await run("score", runs.out(name), "--in", runs.out("pairs.jsonl"), "--out", out);
      scores.push((JSON.parse(readFileSync(out, "utf8")) as { logprob: number }).logprob);
    }
    expect(Math.abs(scores[0]! - scores[1]!)).toBeLessThan(1e-2);
  });
});
