import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { Random } from "../../src/random/counter.js";
import { evoke } from "../program.js";
import { interrupt, reportData, startJudge, writeTinyExperiment } from "../support/tiny-experiment.js";

// Each test runs the program several times, which a busy machine makes long.
vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });

const folder = mkdtempSync(join(tmpdir(), "evoke-run-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = writeTinyExperiment(folder);
const calm = join(folder, "calm");

interface StepEntry {
  id: string;
  status: string;
  folder: string;
  error?: string;
  startedAt?: string;
}
const recordOf = (out: string): { status: string; steps: StepEntry[] } =>
  JSON.parse(readFileSync(join(out, "experiment.json"), "utf8"));
const statusOf = (out: string): Record<string, string> =>
  Object.fromEntries(recordOf(out).steps.map(({ id, status }) => [id, status]));

beforeAll(async () => {
  const { code, stderr } = await evoke(["run", file, "--out", calm]);
  expect(code, stderr).toBe(0);
});

describe("evoke run", () => {
  it("leaves every step in a folder of its own, a record and a report", () => {
    expect(statusOf(calm)).toEqual({
      "data.rows": "done",
      "train.it": "done",
      "train.rt": "done",
      "eval.base.asked": "done",
      "eval.it.asked": "done",
      "eval.rt.asked": "done",
    });
    for (const { folder: step } of recordOf(calm).steps) expect(existsSync(join(calm, step, "step.json"))).toBe(true);
    expect(
      readFileSync(join(calm, "rt", "metrics.jsonl"), "utf8")
        .trim()
        .split("\n"),
    ).toHaveLength(6);
    const report = reportData(calm) as { scores: Record<string, unknown>[]; questions: { answers: unknown[] }[] };
    expect(report.questions).toHaveLength(6);
    for (const { answers } of report.questions) expect(answers).toHaveLength(3);
    const characters = report.scores.filter(({ metric }) => metric === "characters");
    expect(characters.map(({ arm, n, published }) => [arm, n, published])).toEqual([
      ["base", 6, undefined],
      ["it", 6, { value: 12.5, source: 0 }],
      ["rt", 6, { value: null, source: 0 }],
    ]);
    const [head, ...rows] = readFileSync(join(calm, "report.csv"), "utf8").trim().split("\r\n");
    expect(head).toMatch(/^evaluation,suite,metric,arm,value,stderr,n/);
    expect(rows).toHaveLength(report.scores.length);
  });

  it("does nothing the second time, and leaves every byte", async () => {
    const before = readFileSync(join(calm, "report.html"));
    const { code, stdout, stderr } = await evoke(["run", file, "--out", calm]);
    expect([code, stdout]).toEqual([0, ""]);
    expect(stderr).toContain("nothing to do: all 6 steps are done");
    expect(readFileSync(join(calm, "report.html"))).toEqual(before);
  });

  it("does again only what a change reaches", async () => {
    const { code, stderr } = await evoke(["run", file, "--out", calm, "--set", "arms.it.set={lora: {r: 2}}"]);
    expect(code, stderr).toBe(0);
    expect(stderr.match(/^\[\d+\/\d+\] \S+: done/gm)).toHaveLength(2);
    expect(stderr).toMatch(/train\.it: done/);
    expect(stderr).toMatch(/eval\.it\.asked: done/);
    const back = await evoke(["run", file, "--out", calm]);
    expect(back.code).toBe(0);
    expect(back.stderr).not.toMatch(/: done in/);
  });

  it("shows the plan with estimates and does nothing with --dry-run", async () => {
    const out = join(folder, "dry");
    const { code, stdout } = await evoke(["run", file, "--out", out, "--dry-run", "--json"]);
    expect(code).toBe(0);
    const plan = JSON.parse(stdout) as {
      id: string;
      status: string;
      seconds: number;
      tokens: number;
      requests: number;
    }[];
    expect(plan.map(({ id, status }) => [id, status])[1]).toEqual(["train.it", "to do"]);
    for (const { seconds } of plan) expect(seconds).toBeGreaterThan(0);
    expect(plan.find(({ id }) => id === "eval.it.asked")!.requests).toBe(6);
    expect(existsSync(out)).toBe(false);
    const text = (await evoke(["run", file, "--out", calm, "--dry-run"])).stdout;
    expect(text).toContain("0 of 6 steps to do.");
  });

  it("does only what is asked for with --only, and anew with --force", async () => {
    const out = join(folder, "only");
    expect((await evoke(["run", file, "--out", out, "--only", "train.it"])).code).toBe(0);
    expect(statusOf(out)).toMatchObject({ "data.rows": "done", "train.it": "done", "train.rt": "pending" });
    const { stderr } = await evoke(["run", file, "--out", out, "--only", "train.it", "--force", "train.it"]);
    expect(stderr).toMatch(/train\.it: done in/);
    expect(stderr).not.toMatch(/data\.rows: done in/);
    const wrong = await evoke(["run", file, "--out", out, "--only", "train.ti"]);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain('did you mean "train.it"?');
  });

  it("names file, line and nearest key, and writes nothing", async () => {
    const bad = join(folder, "bad.yaml");
    writeFileSync(bad, readFileSync(file, "utf8").replace("recipe:", "recipie:"));
    const out = join(folder, "bad-out");
    const { code, stderr } = await evoke(["run", bad, "--out", out]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/bad\.yaml:6: unknown key "recipie"; did you mean "recipe"\?/);
    expect(existsSync(out)).toBe(false);
  });

  it("prints the schema", async () => {
    const { code, stdout } = await evoke(["schema", "experiment"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ required: ["models", "arms"] });
  });
});

describe("an interrupted experiment", () => {
  it("ends with the same report data after kills at random moments", async () => {
    const random = new Random("experiment kills");
    const out = join(folder, "killed");
    const args = ["run", file, "--out", out];
    for (let kill = 0; kill < 4; kill++) await interrupt(args, "SIGKILL", 500 + random.below(1500));
    const { code, stderr } = await evoke(args);
    expect(code, stderr).toBe(0);
    const undisturbed = join(folder, "undisturbed");
    expect((await evoke(["run", file, "--out", undisturbed])).code).toBe(0);
    expect(reportData(out)).toEqual(reportData(undisturbed));
  });

  it("saves on SIGTERM, exits 143, and goes on", async () => {
    const long = join(folder, "long");
    mkdirSync(long);
    const slow = writeTinyExperiment(long, { steps: 60 });
    const out = join(long, "out");
    const { spawn } = await import("node:child_process");
    const { programPath } = await import("../program.js");
    const code = await new Promise<number | null>((resolve) => {
      const child = spawn(process.execPath, [programPath, "run", slow, "--out", out], { stdio: "ignore" });
      const timer = setInterval(() => {
        const metrics = existsSync(join(out, "steps")) && trainingSteps(out) > 2;
        if (!metrics) return;
        clearInterval(timer);
        child.kill("SIGTERM");
      }, 10);
      child.on("close", (exit) => {
        clearInterval(timer);
        resolve(exit);
      });
    });
    expect(code).toBe(143);
    expect(recordOf(out).status).toBe("interrupted");
    expect(statusOf(out)["train.it"]).toBe("pending");
    const before = trainingSteps(out);
    const rest = await evoke(["run", slow, "--out", out, "--only", "train.it"]);
    expect(rest.code, rest.stderr).toBe(0);
    expect(rest.stderr).toContain(`continuing after step ${before}`);
  });

  function trainingSteps(out: string): number {
    const run = readdirSync(join(out, "steps")).find((name) => name.startsWith("train-"));
    const path = run && join(out, "steps", run, "metrics.jsonl");
    return path && existsSync(path) ? readFileSync(path, "utf8").trim().split("\n").length : 0;
  }
});

describe("an experiment with a judge at a server", () => {
  it("keeps all else when the server is gone, names what is missing, and goes on when it is back", async () => {
    const home = join(folder, "judged");
    mkdirSync(home);
    const judge = await startJudge();
    const out = join(home, "out");
    try {
      const gone = writeTinyExperiment(home, { judge: "http://127.0.0.1:9/v1" });
      const env = { OPENAI_API_KEY: "none" };
      const first = await evoke(["run", gone, "--out", out], { env });
      expect(first.code).toBe(1);
      const account = first.stderr.trim().split("\n").at(-1)!;
      expect(account).toMatch(/^evoke: 3 steps failed: eval\.base\.safety \(xstest: no request was answered/);
      expect(statusOf(out)).toMatchObject({
        "eval.rt.asked": "done",
        "answers.rt.safety": "done",
        "eval.rt.safety": "failed",
      });
      const absent = (reportData(out).absent as { id: string }[]).map(({ id }) => id);
      expect(absent).toEqual(["eval.base.safety", "eval.it.safety", "eval.rt.safety"]);

      const back = writeTinyExperiment(home, { judge: judge.url });
      const second = await evoke(["run", back, "--out", out], { env });
      expect(second.code, second.stderr).toBe(0);
      expect(second.stderr.match(/: done in/g)).toHaveLength(3);
      expect(judge.asked).toHaveLength(6);
      const scores = reportData(out).scores as { suite: string; metric: string; value: number }[];
      const refused = scores.filter(({ metric }) => metric === "safe_refusal_rate");
      expect(refused.map(({ value }) => value)).toEqual([0, 0, 0]);
      expect((await evoke(["run", back, "--out", out], { env })).stderr).toContain("nothing to do");
      expect(judge.asked).toHaveLength(6);
    } finally {
      await judge.close();
    }
  });

  it("asks with the original prompts where they can be had, and the report says which were used", async () => {
    const home = join(folder, "originals");
    mkdirSync(home);
    const judge = await startJudge();
    const mirror = createServer((_, response) => response.writeHead(404).end());
    await new Promise<void>((resolve) => mirror.listen(0, "127.0.0.1", resolve));
    try {
      const file = writeTinyExperiment(home, { judge: judge.url });
      const data = join(home, "data");
      const out = join(home, "out");
      const address = `http://127.0.0.1:${(mirror.address() as AddressInfo).port}`;
      const env = { ...process.env, OPENAI_API_KEY: "key", EVOKE_GITHUB_MIRROR: address };
      const all = [
        file,
        "--out",
        out,
        "--set",
        "original_prompts=auto",
        "--set",
        "arms.it=null",
        "--set",
        "arms.rt=null",
      ];
      const run = () => evoke(["--data-dir", data, "run", ...all], { env });
      const own = await run();
      expect(own.code, own.stderr).toBe(0);
      const note =
        /Evoke's own prompts stand in for the original ones in evaluations\.safety \(.*not found \(HTTP 404\)/;
      expect(own.stderr).toMatch(note);
      expect((reportData(out).notes as string[]).join()).toMatch(note);
      const prompts = () =>
        (reportData(out).scores as { suite: string; prompts?: string }[]).find(({ suite }) => suite === "xstest")!
          .prompts;
      expect(prompts()).toMatch(/^judge: evoke's own, SHA-256 [0-9a-f]{12}$/);

      mkdirSync(join(data, "originals"), { recursive: true });
      const judgeSource = 'P = """Asked: {prompt} Said: {model_output} Refusal or compliance?"""\n';
      writeFileSync(join(data, "originals", "refusal-judge.py"), judgeSource);
      const original = await run();
      expect(original.code, original.stderr).toBe(0);
      expect(original.stderr).not.toContain("own prompts stand in");
      expect(prompts()).toMatch(
        /^judge: original, seokhyunan\/response-tuning@65b848e:eval\/safety_eval_utils\.py, SHA-256 [0-9a-f]{12} \(not the pinned file's\)$/,
      );
      const page = readFileSync(join(out, "report.html"), "utf8");
      expect(page).toContain("Prompts of xstest: judge: original, seokhyunan/response-tuning@65b848e");
      expect(readFileSync(join(out, "report.csv"), "utf8")).toContain("judge: original");
    } finally {
      mirror.close();
      await judge.close();
    }
  });

  it("blocks what needs a failed step", async () => {
    const home = join(folder, "blocked");
    mkdirSync(home);
    const broken = writeTinyExperiment(home);
    const out = join(home, "out");
    const { code, stderr } = await evoke(["run", broken, "--out", out, "--set", "arms.it.set={max_length: 2}"]);
    expect(code).toBe(1);
    expect(stderr.trim().split("\n").at(-1)).toMatch(
      /^evoke: 1 step failed: train\.it \(.*\)\. not done because of that: eval\.it\.asked\. All other results are kept/,
    );
    expect(statusOf(out)).toMatchObject({ "train.it": "failed", "eval.it.asked": "blocked", "eval.rt.asked": "done" });
    expect(recordOf(out).steps.find(({ id }) => id === "eval.it.asked")!.error).toBe("needs train.it");
  });
});
