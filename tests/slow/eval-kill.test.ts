/**
 * An evaluation that is killed over and over: it asks neither model nor judge for anything that was finished, and ends
 * with the results and samples of an undisturbed run. Once over HTTP with a judge, once with our own engine.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Random } from "../../src/random/counter.js";
import { programPath } from "../program.js";
import { HostileServer, type Received } from "../support/hostile-server.js";

const KILLS = 20;
const folder = mkdtempSync(join(tmpdir(), "evoke-eval-kill-"));

/** Tells a request apart in the journals: every answer of the server carries it. */
const tagOf = ({ body, prompt }: Received): string =>
  `#${createHash("sha256").update(`${body.model}\n${prompt}`).digest("hex").slice(0, 12)}`;

/** Answers depend on the request alone; judges give scores or a label as their prompt asks, and sometimes neither. */
function answer(received: Received): string {
  const tag = tagOf(received);
  const number = Number.parseInt(tag.slice(1, 7), 16);
  if (received.body.model === "subject") return number % 5 ? `An answer ${tag}` : `I'm sorry, but no. ${tag}`;
  if (number % 11 === 0) return `Hard to say. ${tag}`;
  const aspects = received.prompt.includes("helpfulness")
    ? ["helpfulness", "clarity", "factuality", "depth", "engagement"]
    : ["safety"];
  if (!received.prompt.includes('"score"')) return `${tag} The label: ${number % 2 ? "refusal" : "compliance"}`;
  const say = (_: string, i: number) => ({ reason: tag, score: String(1 + ((number >> i) % 5)) });
  return JSON.stringify(Object.fromEntries(aspects.map((aspect, i) => [aspect, say(aspect, i)])));
}

let server: HostileServer;
beforeAll(async () => {
  server = await HostileServer.start({ answer, delayMs: 15 });
  const lines = (name: string, rows: unknown[]): void =>
    writeFileSync(join(folder, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
  lines(
    "just.jsonl",
    numbers(60).map((i) => ({
      id: i,
      instruction: `Tell me about the number ${i}.`,
      category: i % 4 ? "regular" : "safety",
    })),
  );
  const xstest = numbers(60).map((i) => `${i},How do I count to ${i}?,counting,${i % 3 ? "safe" : "unsafe"},,`);
  writeFileSync(join(folder, "xstest.csv"), `id,prompt,type,label,focus,note\n${xstest.join("\n")}\n`);
  lines(
    "arc.jsonl",
    numbers(400).map((i) => ({
      id: `q${i}`,
      question: `Which animal is number ${i}?`,
      choices: { text: ["the cat", "a dog", "some bird", "no fish"], label: ["A", "B", "C", "D"] },
      answerKey: "ABCD"[i % 4],
    })),
  );
  lines(
    "own.jsonl",
    numbers(400).map((i) => ({ instruction: `Say the number ${i} and stop.` })),
  );
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const journals = (run: string): string[] =>
  existsSync(run)
    ? readdirSync(run)
        .filter((name) => name.startsWith("journal") && name.endsWith(".jsonl"))
        .map((name) => join(run, name))
    : [];
/** Whole lines of all journals; a torn one is not finished. */
const finishedLines = (run: string): string[] =>
  journals(run).flatMap((path) => readFileSync(path, "utf8").split("\n").slice(0, -1));
const finishedTags = (run: string): Set<string> =>
  new Set(finishedLines(run).map((line) => /#[0-9a-f]{12}/.exec(line)?.[0] ?? line));

function live(args: string[], kill: () => boolean = () => false): Promise<number | null> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [programPath, "eval", ...args, "--quiet"], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    const timer = setInterval(() => kill() && child.kill("SIGKILL"), 2);
    child.on("close", (code) => {
      clearInterval(timer);
      resolve(code);
    });
  });
}

function outcome(run: string): Record<string, string> {
  const samples = readdirSync(join(run, "samples")).map((name) => join("samples", name));
  return Object.fromEntries(["results.json", ...samples].map((name) => [name, readFileSync(join(run, name), "utf8")]));
}

/** Kills a run at random moments, most of them after a few more finished calls; `lived` looks at each life. */
async function killOverAndOver(args: string[], run: string, most: number, lived: (finished: Set<string>) => void) {
  const random = new Random("eval kills", run.endsWith("http") ? 1 : 2);
  for (let kill = 0; kill < KILLS; kill++) {
    const finished = finishedTags(run);
    const lines = finishedLines(run).length;
    const more = 1 + random.below(most);
    const anyMoment = kill % 4 === 3 ? performance.now() + 150 + random.below(1200) : Number.POSITIVE_INFINITY;
    const moment = random.below(25);
    let due = Number.POSITIVE_INFINITY;
    const code = await live(args, () => {
      if (finishedLines(run).length >= lines + more) due = Math.min(due, performance.now() + moment);
      return performance.now() >= Math.min(due, anyMoment);
    });
    expect(code, `kill ${kill}`).toBeNull();
    lived(finished);
  }
}

it(`over HTTP, killed ${KILLS} times, repeats no finished call of model or judge and ends with the same files`, async () => {
  const base = [
    "just_eval",
    "xstest",
    "--model",
    `openai:subject@${server.url}`,
    "--judge",
    `openai:judge@${server.url}`,
  ];
  const rows = ["--rows", `just_eval=${join(folder, "just.jsonl")}`, `xstest=${join(folder, "xstest.csv")}`];
  // Each life would ask what no judge could read once more.
  const once = ["--retry-unreadable", "0"];
  const args = (run: string): string[] => [...base, ...rows, "--concurrency", "3", ...once, "--out", run];
  const calm = join(folder, "calm-http");
  expect(await live(args(calm))).toBe(0);
  expect(server.received).toHaveLength(240);

  const run = join(folder, "http");
  let seen = server.received.length;
  await killOverAndOver(args(run), run, 9, (finished) => {
    const asked = server.received.slice(seen).map(tagOf);
    seen = server.received.length;
    expect(asked.filter((tag) => finished.has(tag))).toEqual([]);
  });
  const finished = finishedTags(run);
  expect(await live(args(run))).toBe(0);
  expect(
    server.received
      .slice(seen)
      .map(tagOf)
      .filter((tag) => finished.has(tag)),
  ).toEqual([]);
  expect(finishedLines(run)).toHaveLength(240);
  expect(outcome(run)).toEqual(outcome(calm));

  seen = server.received.length;
  expect(await live(args(run))).toBe(0);
  expect(server.received).toHaveLength(seen);
}, 600_000);

const heldOut = "examples/data/mini-heldout.jsonl";
it.each([
  [
    "benchmarks",
    ["arc_easy", "instruct"],
    { arc_easy: join(folder, "arc.jsonl"), instruct: join(folder, "own.jsonl") },
  ],
  [
    "rankings, likelihoods and answers by rules",
    [
      "response_ranking",
      "reference_likelihood",
      "instruct",
      "--rules",
      "eos,diversity,uniform",
      "--chat-template",
      "tulu",
    ],
    { response_ranking: heldOut, reference_likelihood: heldOut, instruct: join(folder, "own.jsonl") },
  ],
])(
  `%s with our own engine, killed ${KILLS} times, end with the same files`,
  async (name, suites, files) => {
    const base = [...suites, "--model", "bundled:mini", "--device", "cpu", "--max-new-tokens", "24"];
    const rows = ["--rows", ...Object.entries(files).map(([suite, path]) => `${suite}=${path}`)];
    const args = (run: string): string[] => [...base, ...rows, "--out", run];
    const calm = join(folder, `calm ${name}`);
    expect(await live(args(calm))).toBe(0);

    const run = join(folder, name);
    await killOverAndOver(args(run), run, 2, () => {});
    expect(await live(args(run))).toBe(0);
    expect(finishedLines(run)).toHaveLength(finishedLines(calm).length);
    expect(outcome(run)).toEqual(outcome(calm));
  },
  600_000,
);
