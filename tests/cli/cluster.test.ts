/** `evoke train --on` and `evoke jobs` from outside, against a played Ray head. */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { decoderConfig } from "../../src/model/architectures/index.js";
import { saveAdapter } from "../../src/peft/adapter-io.js";
import { adapterShape } from "../../src/peft/targets.js";
import { newAdapter } from "../../src/train/parameter-store.js";
import { evoke } from "../program.js";
import { RayHead } from "../support/ray-head.js";
import { PlayedJob } from "../support/ray-job.js";
import { writeTinyModel, writeTinyRows } from "../support/tiny-model.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-jobs-"));
const recipe = join(folder, "recipe.yaml");
let head: RayHead;

beforeAll(async () => {
  writeTinyModel(join(folder, "model"));
  writeTinyRows(join(folder, "rows.jsonl"), 8);
  writeFileSync(
    recipe,
    "model: ./model\nmethod: lora\nmode: it\ndata: {path: rows.jsonl}\nlora: {r: 2}\nbatch: {micro: 4, accumulation: 1}\nmax_steps: 2\ncluster: {workers: 2}\n",
  );
  const fields = JSON.parse(readFileSync(join(folder, "model", "config.json"), "utf8")) as Record<string, unknown>;
  const config = decoderConfig(fields, "test");
  const shape = adapterShape(config, { r: 2, alpha: 4, dropout: 0, target_modules: ["q_proj"] });
  const adapter = newAdapter({ config }, shape, 0);
  await saveAdapter(join(folder, "result"), adapter, { base: { name: "model" } });
  head = await RayHead.start();
});
afterAll(async () => {
  await head.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  head.restart();
  head.token = undefined;
  head.onSubmit = (_id, job) => new PlayedJob(job).start().steps(1, 2).result(join(folder, "result"), true).succeed(2);
});

const out = (name: string): string => join(folder, name);

describe("a cluster from the command line", () => {
  it("trains there, and the run is used like a local one", async () => {
    const { code, stdout, stderr } = await evoke(["train", recipe, "--on", head.address, "--out", out("a"), "--json"]);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ run: out("a"), status: "done", steps: 2, loss: 2.8 });
    expect(stderr).toMatch(/evoke-[0-9a-f]{16} submitted to http:\/\/127\.0\.0\.1/);
    const merged = await evoke(["merge", out("a"), "--out", out("merged"), "--quiet"]);
    expect(merged.code, merged.stderr).toBe(0);
    expect(existsSync(join(out("merged"), "model.safetensors"))).toBe(true);
  });

  it("takes the address from the recipe; --on local trains here", async () => {
    const set = ["--set", `cluster.address=${head.address}`, "--quiet"];
    expect((await evoke(["train", recipe, ...set, "--out", out("b")])).code).toBe(0);
    expect(head.jobs.size).toBe(1);
    const here = await evoke(["train", recipe, ...set, "--on", "local", "--set", "threads=1", "--out", out("c")]);
    expect(here.code, here.stderr).toBe(0);
    expect(head.jobs.size).toBe(1);
    expect(JSON.parse(readFileSync(join(out("c"), "run.json"), "utf8"))).not.toHaveProperty("cluster");
  });

  it("lists, prints and stops jobs, by name or by run folder", async () => {
    head.onSubmit = (_id, job) => new PlayedJob(job).print("hello").start().steps(1, 1);
    const run = evoke(["train", recipe, "--on", head.address, "--out", out("d")]);
    await expect.poll(() => existsSync(join(out("d"), "metrics.jsonl"))).toBe(true);
    const [id] = [...head.jobs.keys()];
    const list = await evoke(["jobs", "list", "--on", head.address]);
    expect(list.stdout).toMatch(new RegExp(`^job +status.*\\n${id} +running`));
    const json = await evoke(["jobs", "list", "--json"], { env: { EVOKE_CLUSTER: head.address } });
    expect(JSON.parse(json.stdout)).toMatchObject([{ job: id, status: "running" }]);
    expect((await evoke(["jobs", "logs", id!, "--on", head.address])).stdout).toBe("hello\n");
    expect((await evoke(["jobs", "logs", out("d"), "--raw"])).stdout).toMatch(
      /^evoke: {"event":"begin"[^\n]*}\nhello\nevoke: {"event":"start"/,
    );
    expect((await evoke(["jobs", "stop", out("d")])).stdout).toBe(`${id}: asked to stop\n`);
    const stopped = await run;
    expect(stopped.code).toBe(1);
    expect(stopped.stderr.trim().split("\n").at(-1)).toMatch(/^evoke: evoke-\w+ was stopped after step 1; run again/);
    expect((await evoke(["jobs", "stop", id!, "--on", head.address])).stdout).toMatch(/has ended already \(stopped\)/);
    expect((await evoke(["jobs", "delete", out("d")])).stdout).toMatch(new RegExp(id!));
    expect([...head.jobs]).toEqual([]);
  });

  it.each([
    [["train", recipe, "--on", "head"], /^evoke: head: no address of a Ray head; write ray:\/\/HOST:8265/],
    [["jobs", "list"], /^evoke: no cluster given: pass --on/],
    [["jobs", "logs", "none", "--on", "HEAD"], /^evoke: http:\S+: knows no job none/],
    [
      ["train", recipe, "--on", "ray://127.0.0.1:1"],
      /^evoke: http:\/\/127\.0\.0\.1:1: cannot be reached \(ECONNREFUSED\)/,
    ],
    [["train", recipe, "--on", "HEAD", "--set", "cluster.wrokers=2"], /unknown key "wrokers" in cluster.*workers/],
  ])("says in one line what is wrong: %j", async (args, words) => {
    const given = args.map((arg) => (arg === "HEAD" ? head.address : arg));
    const more = args[0] === "train" ? ["--out", out("none")] : [];
    const { code, stderr } = await evoke([...given, ...more], { env: { EVOKE_CLUSTER: "" } });
    expect(code).toBeGreaterThan(0);
    expect(stderr.trim()).toMatch(words);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(existsSync(out("none"))).toBe(false);
  });

  it("doctor asks the live head what it has, and estimates its GPUs", async () => {
    head.nodes = [{ CPU: 8 }, { CPU: 64, GPU: 8, "accelerator_type:H100": 1 }];
    const asked = await evoke(["doctor", "--offline", "--cluster", head.address]);
    expect(asked.stdout).toMatch(/ok {4}Ray cluster {6}Ray 2\.60\.0: 2 nodes, 72 CPUs, 8 GPUs \(H100\)\n/);
    const estimate = ["doctor", "--model", "bundled:mini", "--cluster"];
    expect((await evoke([...estimate, head.address])).stdout).toMatch(/\ncluster {2}8 × H100/);
    head.nodes = [{ CPU: 8 }];
    const { code, stderr } = await evoke([...estimate, head.address]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/1 node, 8 CPUs, no GPU; an estimate needs GPUs of a known type/);
    const nobody = await evoke(["doctor", "--offline", "--cluster", "ray://127.0.0.1:1"]);
    expect(nobody.code).toBe(1);
    expect(nobody.stdout).toMatch(/fail {2}Ray cluster .*cannot be reached/);
  });

  it("takes a cluster's GPUs unless the recipe refuses them", async () => {
    head.nodes = [{ CPU: 8, GPU: 2 }];
    const [taken, refused] = [out("gpu"), out("no-gpu")];
    const train = ["train", recipe, "--on", head.address];
    const first = await evoke([...train, "--out", taken]);
    expect(first.stderr).toMatch(/the cluster has 2 GPUs: each of \d workers? takes one/);
    await evoke([...train, "--set", "cluster.gpus_per_worker=0", "--out", refused]);
    const told = [...head.jobs.values()].map(({ request }) => request.metadata as Record<string, string>);
    expect(told.map((metadata) => metadata["cluster.gpus_per_worker"])).toEqual(["1", "0"]);
  });

  it("asks for the token by the name of its variable", async () => {
    head.token = "right";
    const args = ["jobs", "list", "--on", head.address];
    expect((await evoke(args, { env: { RAY_AUTH_TOKEN: "" } })).stderr).toMatch(
      /wants a token \(401\).*RAY_AUTH_TOKEN/,
    );
    const wrong = await evoke([...args, "--token-env", "MINE"], { env: { MINE: "wrong" } });
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toMatch(/refused the token in MINE \(403\)/);
    expect((await evoke(args, { env: { RAY_AUTH_TOKEN: "right" } })).code).toBe(0);
  });
});
