import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { Random } from "../../src/random/counter.js";
import { evoke, programPath, repositoryRoot } from "../program.js";
import { type HostileOptions, HostileServer } from "../support/hostile-server.js";
import { writeTasks } from "../support/task-writer.js";

const seeds = join(repositoryRoot, "examples/self-instruct/seed_tasks.jsonl");
const servers: HostileServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

async function start(options: HostileOptions = {}): Promise<HostileServer> {
  const server = await HostileServer.start({ answer: ({ prompt, body }) => writeTasks(prompt, body.seed), ...options });
  servers.push(server);
  return server;
}

/** A folder with a recipe that asks `url`, and waits `timeout` seconds for an answer. */
function newRun(url: string, count = 24, timeout = 120): { recipe: string; out: string } {
  const folder = mkdtempSync(join(tmpdir(), "self-instruct-"));
  const recipe = join(folder, "recipe.yaml");
  writeFileSync(
    recipe,
    `model: openai:m@${url}\nseed_tasks: ${seeds}\nnum_instructions: ${count}\nllm: { concurrency: 4, timeout: ${timeout} }\n`,
  );
  return { recipe, out: join(folder, "run") };
}

function outputs(folder: string): Record<string, string> {
  const names = readdirSync(folder).filter((name) => /\.(jsonl|json)$/.test(name) && !/^(journal|lock)/.test(name));
  return Object.fromEntries(names.sort().map((name) => [name, readFileSync(join(folder, name), "utf8")]));
}
const journalLines = (folder: string): number => {
  const path = join(folder, "journal.jsonl");
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").length - 1 : 0;
};

/** Runs the program and kills it once the server has given `answers` answers. */
async function runAndKill(server: HostileServer, args: string[], answers: number): Promise<string[]> {
  const before = [...server.answered.entries()];
  const total = (): number => [...server.answered.values()].reduce((sum, n) => sum + n, 0);
  const first = total();
  const child = spawn(process.execPath, [programPath, ...args], { stdio: "ignore" });
  const ended = new Promise((resolve) => child.on("close", resolve));
  const watch = setInterval(() => total() - first >= answers && child.kill("SIGKILL"), 1);
  await ended;
  clearInterval(watch);
  // The server goes on with what it was asked before the kill: those answers are lost as well.
  do await new Promise((resolve) => setTimeout(resolve, 20));
  while (server.received.length > total());
  const earlier = new Map(before);
  return [...server.answered].filter(([body, n]) => n > (earlier.get(body) ?? 0)).map(([body]) => body);
}

describe("evoke self-instruct", () => {
  it("killed at 20 random moments it sends no finished request again and ends with the same files", async () => {
    const calm = await start();
    const whole = newRun(calm.url);
    expect((await evoke(["self-instruct", whole.recipe, "--out", whole.out])).code).toBe(0);

    // The journal's keys name the server, so the second run gets one of its own; answers depend on the request alone.
    const server = await start({ delayMs: 4 });
    const run = newRun(server.url);
    const random = new Random("kills");
    let lost = 0;
    for (let kill = 0; kill < 20; kill++) {
      const journaled = journalLines(run.out);
      const answered = await runAndKill(server, ["self-instruct", run.recipe, "--out", run.out], 1 + random.below(6));
      const unfinished = answered.length - (journalLines(run.out) - journaled);
      // Answers that were on their way when the program died: at most as many as it may have under way, and a torn line.
      expect(unfinished).toBeGreaterThanOrEqual(0);
      expect(unfinished).toBeLessThanOrEqual(5);
      lost += unfinished;
    }
    const last = await evoke(["self-instruct", run.recipe, "--out", run.out, "--json"]);
    expect(last.code).toBe(0);
    expect(outputs(run.out)).toEqual(outputs(whole.out));
    const sent = [...server.answered.values()].reduce((sum, n) => sum + n, 0);
    // Every request was answered once, but for those whose answer was lost with a kill.
    expect(sent - server.answered.size).toBeLessThanOrEqual(lost);
    expect(server.answered.size).toBe(calm.answered.size);
    expect(journalLines(run.out)).toBe(calm.answered.size);
    const sentBefore = server.received.length;
    expect((await evoke(["self-instruct", run.recipe, "--out", run.out])).code).toBe(0);
    expect(server.received.length).toBe(sentBefore);
  });

  it("gets through a server that fails 30 % of the calls, and lists the errors", async () => {
    const server = await start({
      failRate: 0.3,
      kinds: ["429", "500", "timeout", "cut", "malformed", "empty choices"],
    });
    // Long enough for a busy machine: what the server has answered must have arrived.
    const { recipe, out } = newRun(server.url, 12, 5);
    const outcome = await evoke(["self-instruct", recipe, "--out", out, "--json"]);
    expect(outcome.code, outcome.stderr).toBe(0);
    const report = JSON.parse(outcome.stdout) as {
      prepare: { instructions: number };
      usage: { errors: Record<string, number> };
    };
    expect(report.prepare.instructions).toBe(12);
    expect(Object.keys(report.usage.errors).length).toBeGreaterThan(2);
    expect(outcome.stderr).toContain("failed attempts (");
    expect(Math.max(...server.answered.values())).toBe(1);
  });

  it("exits 1 with one clear line when the server always fails, and keeps finished work", async () => {
    const server = await start();
    const { recipe, out } = newRun(server.url, 12);
    await evoke(["self-instruct", "bootstrap", recipe, "--out", out]);
    const kept = outputs(out);
    server.options.failRate = 1;
    const outcome = await evoke([
      "self-instruct",
      "classify",
      recipe,
      "--out",
      out,
      "--retries",
      "1",
      "--quiet",
      "--timeout",
      "0.2",
    ]);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr.trim().split("\n")).toHaveLength(1);
    expect(outcome.stderr).toMatch(/^evoke: no request was answered; .*gave up after 2 attempts/);
    expect(outputs(out)[Object.keys(kept)[0]!]).toBe(kept[Object.keys(kept)[0]!]);
    server.options.failRate = 0;
    expect((await evoke(["self-instruct", recipe, "--out", out])).code).toBe(0);
  });

  it("stops at the request budget with finished work kept, and goes on with a larger one", async () => {
    const server = await start();
    const { recipe, out } = newRun(server.url, 12);
    const stopped = await evoke(["self-instruct", recipe, "--out", out, "--max-requests", "20"]);
    expect(stopped.code).toBe(1);
    expect(stopped.stderr).toContain("the budget of 20 requests is used up");
    expect(server.received).toHaveLength(20);
    expect((await evoke(["self-instruct", recipe, "--out", out])).code).toBe(0);
    expect(Math.max(...server.answered.values())).toBe(1);
  });

  it("exits 130 on SIGINT with finished work kept", async () => {
    const server = await start({ delayMs: 20 });
    const { recipe, out } = newRun(server.url, 12);
    const child = spawn(process.execPath, [programPath, "self-instruct", recipe, "--out", out], { stdio: "ignore" });
    const watch = setInterval(() => {
      if (server.answered.size >= 12) child.kill("SIGINT");
    }, 1);
    const code = await new Promise((resolve) => child.on("close", resolve));
    clearInterval(watch);
    expect(code).toBe(130);
    const kept = journalLines(out);
    expect(kept).toBeGreaterThan(5);
    const sent = server.received.length;
    expect((await evoke(["self-instruct", recipe, "--out", out])).code).toBe(0);
    expect(server.received.length - sent).toBe(server.answered.size - kept);
  });

  it("parses transcripts without metadata as complete", async () => {
    const folder = mkdtempSync(join(tmpdir(), "parse-"));
    const write = (name: string, rows: object[]): string => {
      writeFileSync(join(folder, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
      return join(folder, name);
    };
    const instances = write("raw.jsonl", [
      { instruction: "Add.", raw_instances: "Example 1\nInput: 1 2\nOutput: 3\nExample 2\nInput: 4 4\nOutput: 8" },
      { instruction: "Sort it.", raw_instances: "Class label: spam\nMail: win!" },
      { instruction: 3 },
    ]);
    const classification = write("clf.jsonl", [
      { instruction: "Add.", is_classification: " No" },
      { instruction: "Sort it.", is_classification: " Yes" },
    ]);
    const out = join(folder, "out.jsonl");
    const args = ["self-instruct", "parse", "--instances", instances, "--classification", classification, "--out", out];
    const strict = await evoke(args);
    expect(strict.code).toBe(2);
    expect(strict.stderr).toBe(`evoke: ${instances}:3: the field "instruction" is missing or not a text\n`);
    const lax = await evoke([...args, "--skip-invalid", "--json"]);
    expect(JSON.parse(lax.stdout)).toMatchObject({ tasks: 2, instances: 3, invalid: 1 });
    expect(
      readFileSync(out, "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      { instruction: "Add.", input: "1 2", output: "3" },
      { instruction: "Add.", input: "4 4", output: "8" },
      { instruction: "Sort it.", input: "Mail: win!", output: "spam" },
    ]);
  });

  it("exits 2 on a mistyped recipe key, with file and line", async () => {
    const { recipe } = newRun("http://127.0.0.1:1/v1");
    writeFileSync(recipe, "model: openai:m@http://127.0.0.1:1/v1\nnum_instrutions: 3\n");
    const outcome = await evoke(["self-instruct", recipe]);
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toBe(
      `evoke: ${recipe}:2: unknown key "num_instrutions"; did you mean "num_instructions"?\n`,
    );
  });
});
