/** Recipes on a real Ray cluster with two workers: the numbers, and what happens when things break. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evoke, type Outcome } from "../program.js";
import { Cable, LocalRay, LocalS3, python } from "./ray.js";
import { type Distance, env, Runs, type Step } from "./runs.js";

let runs: Runs;
let storage: string;
let ray: LocalRay;

beforeAll(async () => {
  runs = new Runs();
  storage = join(runs.folder, "storage");
  mkdirSync(storage);
  ray = await LocalRay.start();
});
afterAll(async () => {
  await ray?.close();
  runs?.remove();
});

const recipe = (name: string, settings: Record<string, unknown>): string => runs.recipe(name, settings);
const out = (name: string): string => runs.out(name);
const onRay = (path: string, name: string, address = ray.address, more: string[] = []): Promise<Outcome> =>
  runs.onRay(path, name, address, more);
const here = (path: string, name: string): Promise<Outcome> => runs.here(path, name);
const steps = (name: string): Step[] => runs.steps(name);
const reached = (name: string, step: number): Promise<void> => runs.reached(name, step);
const distance = (a: string, b: string): Distance => runs.distance(a, b);
const state = (name: string): { status: string; message?: string; cluster: { job: string } } =>
  JSON.parse(readFileSync(join(out(name), "run.json"), "utf8"));

describe.skipIf(!python)("a recipe on Ray", () => {
  it("IT, LoRA, two workers: the local engine's losses; the adapter evaluates here", async () => {
    const path = recipe("it", { method: "lora", mode: "it", cluster: { workers: 2, storage } });
    const [remote, local] = [await onRay(path, "it-ray"), await here(path, "it-local")];
    expect([remote.code, local.code], remote.stderr).toEqual([0, 0]);
    const { loss, norm, validation } = distance("it-ray", "it-local");
    expect(loss).toBeLessThan(1e-3);
    expect(norm).toBeLessThan(1e-2);
    expect(validation).toBeLessThan(1e-3);
    writeFileSync(
      join(runs.folder, "pairs.jsonl"),
      '{"context": "<|assistant|>\\n", "continuation": "Then comes 1."}\n',
    );
    const scores: number[] = [];
    for (const name of ["it-ray", "it-local"]) {
      const scored = await evoke([
        "score",
        out(name),
        "--in",
        join(runs.folder, "pairs.jsonl"),
        "--out",
        `${out(name)}.jsonl`,
      ]);
      expect(scored.code, scored.stderr).toBe(0);
      scores.push((JSON.parse(readFileSync(`${out(name)}.jsonl`, "utf8")) as { logprob: number }).logprob);
    }
    expect(Math.abs(scores[0]! - scores[1]!)).toBeLessThan(1e-2);
    const merged = await evoke(["merge", out("it-ray"), "--out", out("it-merged")]);
    expect(merged.code, merged.stderr).toBe(0);
    const again = await onRay(path, "it-ray");
    expect(again.stderr).toMatch(/nothing to do/);
  });

  it("RT, QLoRA, two workers, through a cut network, submitted twice: one job, the same result", async () => {
    const path = recipe("rt", { method: "qlora", mode: "rt", cluster: { workers: 2 } });
    const cable = await Cable.to(ray.dashboard);
    const first = onRay(path, "rt-ray", `ray://127.0.0.1:${cable.port}`);
    await reached("rt-ray", 1);
    cable.cut();
    const second = onRay(path, "rt-again");
    setTimeout(() => cable.mend(), 12_000);
    const local = await here(path, "rt-local");
    const [one, two] = [await first, await second];
    cable.close();
    expect([one.code, two.code, local.code], one.stderr + two.stderr).toEqual([0, 0, 0]);
    expect(one.stderr).toMatch(/the job goes on, trying again/);
    expect(one.stderr).toMatch(/answers again/);
    expect(two.stderr).toMatch(/joining it|fetching its result/);
    expect(state("rt-ray").cluster.job).toBe(state("rt-again").cluster.job);
    expect(distance("rt-ray", "rt-local").loss).toBeLessThan(1e-2);
    expect(distance("rt-again", "rt-ray").loss).toBe(0);
    for (const name of ["rt-ray", "rt-again"])
      expect(existsSync(join(out(name), "adapter", "adapter_model.safetensors"))).toBe(true);
  });

  it("goes on from its checkpoint when the head is killed and started again", async () => {
    const path = recipe("killed", {
      method: "lora",
      mode: "rt",
      max_steps: 90,
      checkpoint: { every_steps: 20 },
      cluster: { workers: 2, storage },
    });
    const run = onRay(path, "killed-ray");
    await reached("killed-ray", 45);
    await ray.kill();
    const before = steps("killed-ray").length;
    expect(before).toBeGreaterThanOrEqual(45);
    expect(state("killed-ray").status).toBe("running");
    await ray.up();
    const { code, stderr } = await run;
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/knows evoke-\w+ no more \(was its head restarted\?\): submitting it again/);
    expect(stderr).toMatch(/continuing after step (40|60|80)/);
    await here(path, "killed-local");
    expect(distance("killed-ray", "killed-local").loss).toBeLessThan(1e-2);
  });

  it("tells why a job fails, keeps the state, and says how to go on", async () => {
    const path = recipe("failing", { method: "lora", cluster: { model: join(runs.folder, "nowhere") } });
    const { code, stderr } = await onRay(path, "failing", ray.address);
    expect(code).toBe(1);
    expect(stderr.trim().split("\n").at(-1)).toMatch(/^evoke: evoke-\w+ failed after step 0: .*nowhere/);
    expect(state("failing").status).toBe("failed");
    const again = await onRay(path, "failing");
    expect(again.code).toBe(2);
    expect(again.stderr).toMatch(/add --resume to submit it again/);
  });

  it("tells of a job stopped by hand, lists it, and resumes it", async () => {
    const path = recipe("stopped", {
      method: "lora",
      max_steps: 60,
      checkpoint: { every_steps: 5 },
      cluster: { workers: 1, storage },
    });
    const run = onRay(path, "stopped");
    await reached("stopped", 8);
    const stop = await evoke(["jobs", "stop", out("stopped")], { env });
    expect(stop.stdout).toMatch(/asked to stop/);
    const { code, stderr } = await run;
    expect(code).toBe(1);
    expect(stderr).toMatch(/was stopped after step \d+; run again with --resume/);
    expect(state("stopped").status).toBe("interrupted");
    const kept = steps("stopped").length;
    expect(kept).toBeGreaterThanOrEqual(8);
    const list = await evoke(["jobs", "list", "--on", ray.address], { env });
    expect(list.stdout).toMatch(new RegExp(`${state("stopped").cluster.job} +stopped`));
    const logs = await evoke(["jobs", "logs", out("stopped")], { env });
    expect(logs.stdout).toMatch(/Running entrypoint/);
    const resumed = await onRay(path, "stopped", ray.address, ["--resume"]);
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(resumed.stderr).toMatch(/continuing after step \d+/);
    expect(steps("stopped")).toHaveLength(60);
  });

  it("keeps checkpoints and result in S3-compatible storage", async () => {
    const s3 = await LocalS3.start();
    try {
      const settings = { workers: 1, storage: "s3://evoke/some runs", env: Object.keys(s3.env) };
      const path = recipe("s3", { method: "lora", checkpoint: { every_steps: 10 }, cluster: settings });
      const args = ["train", path, "--on", ray.address, "--out", out("s3")];
      const { code, stderr } = await evoke(args, { env: { ...env, ...s3.env } });
      expect(code, stderr).toBe(0);
      expect(steps("s3")).toHaveLength(20);
      expect(readFileSync(join(out("s3"), "log.txt"), "utf8")).toMatch(/checkpoint after step 10/);
      expect(existsSync(join(out("s3"), "adapter", "adapter_model.safetensors"))).toBe(true);
    } finally {
      s3.close();
    }
  });

  it("refuses a wrong token before anything is written", async () => {
    const path = recipe("token", { method: "lora" });
    for (const [token, words] of [
      ["wrong", /refused the token in RAY_AUTH_TOKEN \(403\)/],
      ["", /wants a token \(401\); put it in the environment variable RAY_AUTH_TOKEN/],
    ] as const) {
      const args = ["train", path, "--on", ray.address, "--out", out("token")];
      const { code, stderr } = await evoke(args, { env: { RAY_AUTH_TOKEN: token } });
      expect(code).toBe(2);
      expect(stderr).toMatch(words);
      expect(existsSync(out("token"))).toBe(false);
    }
  });
});
