/** What a second run of an experiment asks, keeps, refuses and continues. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, it, vi } from "vitest";
import { evoke } from "../program.js";
import { HostileServer } from "../support/hostile-server.js";

// Each test runs the program several times, which a busy machine makes long.
vi.setConfig({ testTimeout: 600_000 });

const root = mkdtempSync(join(tmpdir(), "evoke-again-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let server: HostileServer;
let folder = "";
let count = 0;
beforeEach(async () => {
  server = await HostileServer.start();
  folder = join(root, String(count++));
  mkdirSync(folder);
  const questions = Array.from({ length: 6 }, (_, i) => `${JSON.stringify({ instruction: `question ${i}` })}\n`);
  writeFileSync(join(folder, "questions.jsonl"), questions.join(""));
  writeFileSync(
    join(folder, "e.yaml"),
    `name: again
models: { base: "openai:m@${server.url}" }
arms: { base: {} }
evaluations: { asked: { suites: instruct, rows: { instruct: questions.jsonl } } }
llm: { retries: 0, concurrency: 1 }
`,
  );
});
afterEach(() => server.stop());

const run = (...args: string[]) =>
  evoke(["run", join(folder, "e.yaml"), "--out", join(folder, "out"), ...args], { env: { OPENAI_API_KEY: "none" } });
const asked = (): number => server.received.length;

it("--force does a step again from the answers it has; --discard asks for them again", async () => {
  expect((await run()).code).toBe(0);
  expect(asked()).toBe(6);
  const forced = await run("--force", "eval.base.asked");
  expect([forced.code, asked()], forced.stderr).toEqual([0, 6]);
  expect(forced.stderr).toContain("eval.base.asked: done in");
  const discarded = await run("--force", "eval.base.asked", "--discard");
  expect([discarded.code, asked()], discarded.stderr).toEqual([0, 12]);
});

it("a budget that is raised goes on where it stopped", async () => {
  const first = await run("--set", "llm.max_requests=2");
  expect([first.code, asked()], first.stderr).toEqual([0, 2]);
  expect(first.stderr).toContain("4 requests open; run again to ask them");
  const raised = await run("--set", "llm.max_requests=20");
  expect([raised.code, asked()], raised.stderr).toEqual([0, 6]);
  expect([(await run()).code, asked()]).toEqual([0, 6]);
});

it("refuses the folder of another experiment, and of another kind of run", async () => {
  expect((await run()).code).toBe(0);
  const before = readFileSync(join(folder, "out", "experiment.json"), "utf8");
  const other = await run("--set", "name=other");
  expect([other.code, other.stderr]).toEqual([
    2,
    expect.stringMatching(/out: holds the experiment "again", this one is "other"; use another --out\n$/),
  ]);
  expect(readFileSync(join(folder, "out", "experiment.json"), "utf8")).toBe(before);
  const evaluated = join(folder, "evaluated");
  mkdirSync(evaluated);
  writeFileSync(join(evaluated, "results.json"), "{}");
  const refused = await evoke(["run", join(folder, "e.yaml"), "--out", evaluated]);
  expect([refused.code, refused.stderr]).toEqual([
    2,
    expect.stringMatching(/holds another kind of run \(results\.json\); use another --out\n$/),
  ]);
  expect(existsSync(join(evaluated, "experiment.json"))).toBe(false);
});

it("--seed reaches sampled refinement and what is drawn, each in its record", async () => {
  const rows = Array.from({ length: 8 }, (_, i) => `${JSON.stringify({ prompt: `p${i}`, completion: `c${i}` })}\n`);
  writeFileSync(join(folder, "rows.jsonl"), rows.join(""));
  const seeds = (): unknown[] => server.received.map(({ body }) => body.seed);
  const refine = async (out: string, ...flags: string[]) => {
    server.received.length = 0;
    const args = ["data", "refine", join(folder, "rows.jsonl"), "--refiner", `openai:m@${server.url}`];
    const { code, stderr } = await evoke([...args, "--out", join(folder, out), "--concurrency", "1", ...flags], {
      env: { OPENAI_API_KEY: "none" },
    });
    expect(code, stderr).toBe(0);
    const record = JSON.parse(readFileSync(join(folder, `${out}.record.json`), "utf8"));
    return { sent: seeds(), seed: record.settings.seed as number };
  };
  const greedy = await refine("greedy.jsonl", "--seed", "5");
  expect(new Set(greedy.sent)).toEqual(new Set([undefined]));
  const sampled = await refine("a.jsonl", "--temperature", "0.7");
  const again = await refine("b.jsonl", "--temperature", "0.7", "--seed", "0");
  const other = await refine("c.jsonl", "--temperature", "0.7", "--seed", "5");
  expect(new Set(sampled.sent).size).toBe(8);
  expect(again).toEqual(sampled);
  expect(other.sent).not.toEqual(sampled.sent);
  expect([sampled.seed, other.seed]).toEqual([0, 5]);
  const draw = async (...flags: string[]) => {
    const out = join(folder, "drawn.jsonl");
    const args = ["data", "prepare", join(folder, "rows.jsonl"), "--out", out, "--max-examples", "4", "--quiet"];
    expect((await evoke([...args, ...flags])).code).toBe(0);
    return {
      rows: readFileSync(out, "utf8"),
      seed: JSON.parse(readFileSync(`${out}.record.json`, "utf8")).settings.seed,
    };
  };
  const [first, second] = [await draw(), await draw("--seed", "3")];
  expect([first.seed, second.seed]).toEqual([0, 3]);
  expect(second.rows).not.toBe(first.rows);
});
