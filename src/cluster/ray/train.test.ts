/** Runs on a cluster, whatever happens on the way: the head is played, the run folder is real. */

import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unzipSync } from "fflate";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { RayHead } from "../../../tests/support/ray-head.js";
import { PlayedJob } from "../../../tests/support/ray-job.js";
import { writeTinyModel, writeTinyRows } from "../../../tests/support/tiny-model.js";
import { FailureError, InterruptedError, UsageError } from "../../errors.js";
import { sha256 } from "../../files/sha256.js";
import { decoderConfig } from "../../model/architectures/index.js";
import { saveAdapter } from "../../peft/adapter-io.js";
import { adapterShape } from "../../peft/targets.js";
import { loadRecipe } from "../../recipe/load.js";
import type { TrainingRecipe } from "../../recipe/schema.js";
import { newAdapter } from "../../train/parameter-store.js";
import type { RunRecord, StepMetrics } from "../../train/run-folder.js";
import { type ClusterRunOptions, clusterTrainRun } from "./train.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-cluster-"));
const adapter = join(folder, "a-result");
let head: RayHead;
let recipe: TrainingRecipe;
let runs = 0;
let out: string;
let said: string[];

beforeAll(async () => {
  writeTinyModel(join(folder, "model"));
  writeTinyRows(join(folder, "rows.jsonl"), 12);
  writeFileSync(
    join(folder, "recipe.yaml"),
    "model: ./model\nmethod: lora\nmode: rt\ndata: {path: rows.jsonl, validation: 0.2}\nlora: {r: 2, alpha: 4, dropout: 0}\nbatch: {micro: 2, accumulation: 2}\nmax_steps: 6\n",
  );
  const fields = JSON.parse(readFileSync(join(folder, "model", "config.json"), "utf8")) as Record<string, unknown>;
  const config = decoderConfig(fields, "test");
  const shape = adapterShape(config, { r: 2, alpha: 4, dropout: 0, target_modules: ["q_proj"] });
  await saveAdapter(adapter, newAdapter({ config }, shape, 0), { base: { name: "model" } });
});

beforeEach(async () => {
  head = await RayHead.start();
  recipe = await loadRecipe(join(folder, "recipe.yaml"));
  out = join(folder, `run-${runs++}`);
  said = [];
});
afterEach(() => {
  vi.useRealTimers();
  return head.close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function train(options: Partial<ClusterRunOptions> = {}, cluster: Record<string, unknown> = {}): Promise<RunRecord> {
  const changed = { ...recipe, cluster: { workers: 2, ...cluster } } as TrainingRecipe;
  const say = (line: string): void => void said.push(line);
  return clusterTrainRun(changed, { on: head.address, out, resume: false, say, interval: 10, ...options });
}

const record = (): RunRecord => JSON.parse(readFileSync(join(out, "run.json"), "utf8")) as RunRecord;
const metrics = (): StepMetrics[] =>
  readFileSync(join(out, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as StepMetrics);
const steps = (): number[] => metrics().map(({ step }) => step);
const submissions = (): number => head.requests.filter((call) => call === "POST /api/jobs/").length;
/** Does something once the job's output so far has been read. */
const whenRead = (work: () => void): void => void head.afterLogs.push(work);
const good = (_id: string, job: ConstructorParameters<typeof PlayedJob>[0]): void =>
  new PlayedJob(job).start().steps(1, 6).result(adapter, true).succeed(6);

describe("a run on a cluster", () => {
  it("sends recipe, rows and order, and leaves an ordinary run folder", async () => {
    const seen: number[] = [];
    head.onSubmit = (_id, job) => {
      const played = new PlayedJob(job).print("\u001b[36m(worker)\u001b[0m hello").start().steps(1, 3);
      whenRead(() => played.steps(4, 6).result(adapter, true).succeed(6));
    };
    const done = await train({ onStep: ({ step }) => seen.push(step) });
    expect(done).toMatchObject({
      status: "done",
      progress: { step: 6, steps: 6 },
      loss: 2.4,
      versions: { torch: "2.13.0" },
    });
    expect(record()).toEqual(done);
    expect(record().cluster).toEqual({
      address: head.address.replace("ray", "http"),
      job: record().cluster!.job,
      storage: "job",
    });
    expect(steps()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
    expect(metrics()[1]).toMatchObject({
      loss: 2.8,
      lr: 1e-3,
      tokens_per_s: (metrics()[1]!.tokens - metrics()[0]!.tokens) / 0.5,
    });
    for (const name of ["adapter_config.json", "adapter_model.safetensors"])
      expect(readFileSync(join(out, "adapter", name))).toEqual(readFileSync(join(adapter, name)));
    expect(readFileSync(join(out, "job-output.txt"), "utf8")).toBe("(worker) hello\n");

    const { request } = [...head.jobs.values()][0]!;
    const [name] = [...head.packages.keys()];
    expect(request).toEqual({
      submission_id: record().cluster!.job,
      entrypoint: "python main.py",
      runtime_env: { working_dir: `gcs://${name}`, env_vars: { RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S: "300" } },
      metadata: {
        evoke: "train",
        "checkpoint.every_steps": "50",
        "checkpoint.keep": "2",
        "cluster.cpus_per_worker": "1",
        "cluster.env": "[]",
        "cluster.gpus_per_worker": "0",
        "cluster.resources_per_worker": "{}",
        "cluster.retries": "2",
        "memory.recompute": '"auto"',
        report_to: "[]",
      },
    });
    const files = unzipSync(head.packages.get(name!)!);
    const text = (path: string): string => new TextDecoder().decode(files[path]);
    expect(Object.keys(files)).toEqual(expect.arrayContaining(["main.py", "worker.py", "model/config.json"]));
    expect(JSON.parse(text("job.json"))).toMatchObject({
      id: request.submission_id,
      steps: 6,
      workers: 2,
      recipe: { mode: "rt" },
    });
    const plan = text("plan.jsonl")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as number[][]);
    expect(plan).toHaveLength(6);
    expect(
      plan
        .slice(0, 3)
        .flat(2)
        .sort((a, b) => a - b),
    ).toEqual(Array.from({ length: 10 }, (_, i) => i));
    expect(text("rows.jsonl").trim().split("\n")).toHaveLength(10);

    expect(await train()).toEqual(done);
    expect(said.at(-1)).toMatch(/finished \(6 steps\); nothing to do/);
    expect(submissions()).toBe(1);
  });

  it("joins the running job of the same recipe", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    head.onSubmit = (_id, job) => {
      const played = new PlayedJob(job).start().steps(1, 2);
      whenRead(() => {
        // A day later, as for a colleague: the template asks for no date, so the job is the same.
        vi.setSystemTime(Date.now() + 86_400_000);
        const second = train({ out: `${out}-again` }, { cpus_per_worker: 3 });
        both.push(second);
        const end = (): void => {
          if (!said.join("\n").includes("joining it")) whenRead(end);
          else played.steps(3, 6).result(adapter, true).succeed(6);
        };
        whenRead(end);
      });
    };
    const both: Promise<RunRecord>[] = [];
    both.push(train());
    await both[0];
    expect((await Promise.all(both)).map(({ status }) => status)).toEqual(["done", "done"]);
    expect([...head.jobs]).toHaveLength(1);
    expect(said.join("\n")).toMatch(/joining it/);
    expect(said.join("\n")).toContain("cluster.cpus_per_worker: the job runs with 1, not 3");
    expect(
      readFileSync(join(`${out}-again`, "metrics.jsonl"), "utf8")
        .trim()
        .split("\n"),
    ).toHaveLength(6);
  });

  it("begins a job of its own with fresh, which its folder alone joins", async () => {
    head.onSubmit = good;
    await train();
    head.onSubmit = (_id, job) => void new PlayedJob(job).start().steps(1, 2);
    const first = record().cluster!.job;
    const again = join(folder, `run-${runs++}`);
    whenRead(() => {}); // the finished job's output was read once
    const stop = new AbortController();
    whenRead(() => stop.abort(new InterruptedError("SIGINT")));
    await expect(train({ out: again, fresh: true, signal: stop.signal })).rejects.toThrow(InterruptedError);
    const own = [...head.jobs.keys()].at(-1)!;
    expect(own).toMatch(new RegExp(`^${first}-[0-9a-f]{6}$`));
    new PlayedJob(head.jobs.get(own)!).start().steps(1, 6).result(adapter, true).succeed(6);
    expect((await train({ out: again })).cluster!.job).toBe(own);
    expect(submissions()).toBe(2);
    await expect(train({ fresh: true })).rejects.toThrow(/already holds a run, and --fresh begins another/);
  });

  it("refuses another job in the same folder, and names what differs", async () => {
    head.onSubmit = good;
    await train();
    await expect(train({}, { workers: 3 })).rejects.toThrow(/holds another run: cluster.workers was 2 and is 3/);
  });

  it("goes on through a cut network", async () => {
    head.onSubmit = (_id, job) => {
      const played = new PlayedJob(job).start().steps(1, 2);
      whenRead(() => (head.cut = true));
      head.afterCut.push(
        () => played.steps(3, 6).result(adapter, true).succeed(6),
        () => (head.cut = false),
      );
    };
    await train();
    expect(steps()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(record().status).toBe("done");
  });

  it("gives up after a time, keeps what it has, and joins again later", async () => {
    let played!: PlayedJob;
    head.onSubmit = (_id, job) => {
      played = new PlayedJob(job).start().steps(1, 2);
      whenRead(() => (head.cut = true));
    };
    await expect(train({}, { patience_minutes: 0.01 })).rejects.toThrow(
      /no answer for 0.01 min; the job may still run/,
    );
    expect(said.join("\n")).toMatch(/cannot be reached \(ECONNRESET\); the job goes on, trying again/);
    expect(record().status).toBe("running");
    expect(steps()).toEqual([1, 2]);
    head.cut = false;
    played.steps(3, 6).result(adapter, true).succeed(6);
    expect((await train()).status).toBe("done");
    expect(steps()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(submissions()).toBe(1);
  });

  it("submits again what a restarted head has lost, and goes on from the checkpoint", async () => {
    head.onSubmit = (_id, job) => {
      new PlayedJob(job).start().steps(1, 4);
      whenRead(() => head.restart());
      head.onSubmit = (_again, other) => new PlayedJob(other).start(2).steps(3, 6).result(adapter, true).succeed(6);
    };
    expect((await train()).status).toBe("done");
    expect(steps()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(submissions()).toBe(2);
    expect(said.join("\n")).toMatch(/knows evoke-\w+ no more \(was its head restarted\?\): submitting it again/);
    expect(said).toContain("continuing after step 2");
  });

  it("tells of a head that loses every job", async () => {
    head.onSubmit = (_id, job) => {
      new PlayedJob(job).start();
      whenRead(() => head.restart());
    };
    await expect(train({}, { retries: 1 })).rejects.toThrow(/has lost evoke-\w+ 2 times; giving up/);
  });

  it("tells why a job failed, and submits it again only when asked", async () => {
    head.onSubmit = (_id, job) => new PlayedJob(job).start().steps(1, 3).fail("CUDA out of memory");
    const failed = train();
    await expect(failed).rejects.toThrow(FailureError);
    await expect(failed).rejects.toThrow(/failed after step 3: CUDA out of memory \(evoke jobs logs evoke-\w+ shows/);
    expect(record()).toMatchObject({ status: "failed", progress: { step: 3 } });
    expect(steps()).toEqual([1, 2, 3]);
    await expect(train()).rejects.toThrow(/failed before; add --resume to submit it again/);
    expect(record()).toMatchObject({ status: "failed", progress: { step: 3 } });
    // Ray appends to the output of the attempt before; a worker that is killed leaves no word of its own.
    const earlier = [...head.jobs.values()][0]!.logs;
    head.onSubmit = (_id, job) => {
      job.logs = earlier;
      new PlayedJob(job).start(2).steps(3, 4).print("loading shard 3");
      Object.assign(job, { status: "FAILED", message: "Job entrypoint command failed with exit code -9" });
    };
    await expect(train({ resume: true })).rejects.toThrow(
      /failed after step 4: its driver was killed \(signal 9.*; its last line: loading shard 3/,
    );
    expect(steps()).toEqual([1, 2, 3, 4]);
    head.onSubmit = good;
    expect((await train({ resume: true })).status).toBe("done");
    expect(submissions()).toBe(3);
  });

  it("tells of a job that somebody stopped", async () => {
    head.onSubmit = (_id, job) => {
      new PlayedJob(job).start().steps(1, 2);
      whenRead(() => Object.assign(job, { status: "STOPPED", message: "Job was intentionally stopped." }));
    };
    await expect(train()).rejects.toThrow(/was stopped after step 2; run again with --resume/);
    expect(record().status).toBe("interrupted");
    expect(steps()).toEqual([1, 2]);
  });

  it("leaves nothing behind when the token is wrong", async () => {
    head.token = "right";
    await expect(train()).rejects.toThrow(UsageError);
    await expect(train()).rejects.toThrow(/wants a token \(401\); put it in the environment variable RAY_AUTH_TOKEN/);
    process.env.EVOKE_TEST_RAY_TOKEN = "wrong";
    await expect(train({}, { token_env: "EVOKE_TEST_RAY_TOKEN" })).rejects.toThrow(
      /refused the token in EVOKE_TEST_RAY_TOKEN/,
    );
    expect(existsSync(out)).toBe(false);
    process.env.EVOKE_TEST_RAY_TOKEN = "right";
    head.onSubmit = good;
    expect((await train({}, { token_env: "EVOKE_TEST_RAY_TOKEN" })).status).toBe("done");
    expect(readFileSync(join(out, "run.json"), "utf8") + JSON.stringify([...head.jobs.values()])).not.toMatch(
      /"right"/,
    );
  });

  it("a result in the storage is a whole run, also when the job's output is lost", async () => {
    const storage = mkdtempSync(join(folder, "storage-"));
    head.onSubmit = (id, job) => {
      const target = join(storage, id, "adapter");
      mkdirSync(target, { recursive: true });
      const steps = [1, 2, 3, 4, 5, 6].map((step) => ({
        event: "step",
        step,
        loss: 3 - step / 10,
        lr: 1e-3,
        grad_norm: 1,
        rss_bytes: 1,
        seconds: 1,
      }));
      const files: Record<string, Buffer> = {
        "steps.jsonl": Buffer.from(steps.map((step) => `${JSON.stringify(step)}\n`).join("")),
      };
      for (const name of readdirSync(adapter)) files[name] = readFileSync(join(adapter, name));
      for (const [name, bytes] of Object.entries(files)) writeFileSync(join(target, name), bytes);
      const list = Object.entries(files).map(([name, bytes]) => ({ name, size: bytes.length, sha256: sha256(bytes) }));
      writeFileSync(join(target, "manifest.json"), JSON.stringify(list));
      Object.assign(job, { status: "SUCCEEDED", logs: "" });
    };
    const done = await train({}, { storage });
    expect(done).toMatchObject({ status: "done", loss: 2.4, progress: { step: 6 } });
    expect(steps()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(readdirSync(join(out, "adapter")).sort()).toEqual(readdirSync(adapter).sort());
  });

  it("a result that cannot be fetched is interrupted, and says that the same command fetches it", async () => {
    const storage = mkdtempSync(join(folder, "storage-"));
    head.onSubmit = (_id, job) => new PlayedJob(job).start().steps(1, 6).result(adapter, false).succeed(6);
    await expect(train({}, { storage })).rejects.toThrow(/is not there; .*the same command fetches its result/);
    expect(record().status).toBe("interrupted");
    const [id] = [...head.jobs.keys()];
    cpSync(adapter, join(storage, id!, "adapter"), { recursive: true });
    expect((await train({}, { storage })).status).toBe("done");
    expect(submissions()).toBe(1);
  });

  it("tells what a job waits for as it appears, once", async () => {
    const reason = "(autoscaler +5s) Error: No available node types can fulfill resource request {'GPU': 8.0}";
    head.onSubmit = (_id, job) => {
      const played = new PlayedJob(job).print(reason).print(reason);
      whenRead(() => played.start().steps(1, 6).result(adapter, true).succeed(6));
    };
    await train();
    expect(said.filter((line) => line.includes("No available node types"))).toHaveLength(1);
  });

  it("does not take a damaged result, and fetches it anew", async () => {
    let spoil = true;
    head.onSubmit = (id, job) => {
      good(id, job);
      if (spoil) job.logs = job.logs.replace(/"at":0,"data":"..../, '"at":0,"data":"AAAA');
    };
    await expect(train()).rejects.toThrow(/came damaged or cut off/);
    expect(existsSync(join(out, "adapter"))).toBe(false);
    expect(existsSync(join(out, "adapter.tmp"))).toBe(false);
    spoil = false;
    head.restart();
    expect((await train()).status).toBe("done");
    expect(existsSync(join(out, "adapter", "adapter_model.safetensors"))).toBe(true);
  });

  it("leaves the job running on a signal", async () => {
    const stop = new AbortController();
    head.onSubmit = (_id, job) => {
      new PlayedJob(job).start().steps(1, 2);
      whenRead(() => stop.abort(new InterruptedError("SIGINT")));
    };
    await expect(train({ signal: stop.signal })).rejects.toThrow(InterruptedError);
    expect([...head.jobs.values()][0]!.status).toBe("RUNNING");
    expect(record()).toMatchObject({ status: "running", message: "interrupted by SIGINT; the job goes on" });
  });

  it("refuses what the job cannot do before anything is sent", async () => {
    await expect(train({}, { storage: "shared/folder" })).rejects.toThrow(/cluster.storage: "shared\/folder" is none/);
    await expect(train({}, { storage: join(folder, "nowhere") })).rejects.toThrow(/is not there on this machine/);
    await expect(train({}, { env: ["EVOKE_NOT_SET"] })).rejects.toThrow(/cluster.env: EVOKE_NOT_SET is not set/);
    expect(existsSync(out)).toBe(false);
    recipe = { ...recipe, method: "full" };
    await expect(train()).rejects.toThrow(/a fully tuned model does not fit into the job's output/);
    expect(submissions()).toBe(0);
  });
});
