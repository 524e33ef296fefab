/**
 * Commands that are killed at random moments and started again: they end with the bytes of an undisturbed run, ask for nothing
 * that was finished, and leave nothing behind. Training, evaluations, Self-Instruct and experiments have tests of their own.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Random } from "../../src/random/counter.js";
import { evoke, programPath } from "../program.js";
import { HostileServer } from "../support/hostile-server.js";
import { writeTinyModel, writeTinyRows } from "../support/tiny-model.js";

const KILLS = 4;
const folder = mkdtempSync(join(tmpdir(), "evoke-command-kill-"));
const model = join(folder, "model");
const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const WEIGHTS = Buffer.alloc(2_000_000, "weights that take a while to come ");

let refiner: HostileServer;
let hub: Server;
let hubUrl: string;
/** Bytes of weights that the hub has sent. */
let sent = 0;

beforeAll(async () => {
  writeTinyModel(model);
  const lines = (name: string, row: (i: number) => object): void =>
    writeFileSync(join(folder, name), Array.from({ length: 60 }, (_, i) => `${JSON.stringify(row(i))}\n`).join(""));
  lines("prompts.jsonl", (i) => ({ prompt: `the river ${i} runs` }));
  lines("pairs.jsonl", (i) => ({ context: `the river ${i}`, continuation: ` runs to sea ${i}` }));
  lines("rows.jsonl", (i) => ({ prompt: `ask ${i}`, completion: `answer ${i}`, source: "x", index: i }));
  writeTinyRows(join(folder, "train.jsonl"), 64);
  writeFileSync(
    join(folder, "recipe.yaml"),
    `model: ${model}\nmethod: lora\nmode: it\ndata: { path: train.jsonl }\nbatch: { micro: 4 }\nmax_steps: 8\n`,
  );
  refiner = await HostileServer.start({
    delayMs: 10,
    answer: ({ prompt }) => `Refined response: better ${prompt.length}`,
  });
  hub = createServer(answerAsHub);
  await new Promise<void>((resolve) => hub.listen(0, "127.0.0.1", resolve));
  hubUrl = `http://127.0.0.1:${(hub.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await refiner.stop();
  hub.closeAllConnections();
  hub.close();
  rmSync(folder, { recursive: true });
});

/** The part of the Hub's HTTP API that a download needs; weights come slowly. */
function answerAsHub(
  request: { url?: string; headers: { range?: string } },
  response: import("node:http").ServerResponse,
): void {
  const url = request.url!.split("?")[0]!;
  const sha256 = createHash("sha256").update(WEIGHTS).digest("hex");
  const config = '{"model_type": "llama"}';
  const sha1 = createHash("sha1").update(`blob ${config.length}\0${config}`).digest("hex");
  const size = WEIGHTS.length;
  const tree = [
    { type: "file", path: "config.json", size: config.length, oid: sha1 },
    {
      type: "file",
      path: "model.safetensors",
      size,
      oid: "0".repeat(40),
      lfs: { oid: sha256, size, pointerSize: 134 },
    },
  ];
  if (url.startsWith("/api/models/org/tiny/revision/"))
    return void response.end(JSON.stringify({ id: "org/tiny", sha: COMMIT, siblings: [], tags: [] }));
  if (url.startsWith("/api/models/org/tiny/tree/")) return void response.end(JSON.stringify(tree));
  if (url.endsWith("/config.json")) return void response.end(config);
  const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
  response.writeHead(from ? 206 : 200, {
    "content-length": size - from,
    ...(from ? { "content-range": `bytes ${from}-${size - 1}/${size}` } : {}),
  });
  let at = from;
  const timer = setInterval(() => {
    const piece = WEIGHTS.subarray(at, at + 40_000);
    response.write(piece);
    at += piece.length;
    sent += piece.length;
    if (at < size) return;
    clearInterval(timer);
    response.end();
  }, 5);
  response.once("close", () => clearInterval(timer));
}

interface Case {
  name: string;
  args: (out: string) => string[];
  /** How far the work is, in any unit that grows. */
  progress: (out: string) => number;
  /** Most ms between progress and the kill, default 150. */
  longestDelay?: number;
  /** The file or folder that is compared. */
  result: (out: string) => string;
  env?: (out: string) => NodeJS.ProcessEnv;
}

const size = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
const cases: Case[] = [
  {
    name: "generate",
    args: (out) => [
      "generate",
      model,
      "--in",
      join(folder, "prompts.jsonl"),
      "--out",
      join(out, "o.jsonl"),
      "--max-tokens",
      "40",
    ],
    progress: (out) => size(join(out, "o.jsonl.partial")),
    result: (out) => join(out, "o.jsonl"),
  },
  {
    name: "score",
    args: (out) => ["score", model, "--in", join(folder, "pairs.jsonl"), "--out", join(out, "o.jsonl")],
    progress: (out) => size(join(out, "o.jsonl.partial")) + readdirSync(out).length,
    result: (out) => join(out, "o.jsonl"),
  },
  {
    name: "data refine",
    args: (out) => [
      "data",
      "refine",
      join(folder, "rows.jsonl"),
      "--refiner",
      `openai:r@${refiner.url}`,
      "--out",
      join(out, "o.jsonl"),
    ],
    progress: () => refiner.received.length,
    result: (out) => join(out, "o.jsonl"),
  },
  {
    name: "model pull",
    args: () => ["model", "pull", "hf:org/tiny"],
    progress: () => sent,
    result: (out) => join(out, "hub/models--org--tiny/snapshots", COMMIT),
    env: (out) => ({ HF_ENDPOINT: hubUrl, HF_HOME: out, HF_TOKEN: "", HF_HUB_OFFLINE: "" }),
  },
  {
    name: "export recipe",
    args: (out) => [
      "export",
      "recipe",
      join(folder, "recipe.yaml"),
      "--to",
      "trl",
      "--out",
      join(out, "export"),
      "--force",
    ],
    progress: (out) => statSync(out).mtimeMs,
    longestDelay: 8,
    result: (out) => join(out, "export"),
  },
];

/** Runs the command, and kills it `delay` ms after it has got further than it was; true when it was killed. */
function killed({ args, progress, env }: Case, out: string, delay: number): Promise<boolean> {
  const before = progress(out);
  const child = spawn(process.execPath, [programPath, ...args(out)], {
    stdio: "ignore",
    env: { ...process.env, ...env?.(out) },
  });
  const watch = setInterval(() => {
    if (progress(out) === before) return;
    clearInterval(watch);
    setTimeout(() => child.kill("SIGKILL"), delay);
  }, 2);
  return new Promise((resolve) =>
    child.once("close", (code) => {
      clearInterval(watch);
      resolve(code === null);
    }),
  );
}

/** Every file below a place with its content; links by what they lead to. */
function contents(path: string, prefix = ""): Record<string, string> {
  if (!statSync(path).isDirectory()) return { [prefix]: createHash("sha256").update(readFileSync(path)).digest("hex") };
  return Object.assign(
    {},
    ...readdirSync(path)
      .sort()
      .map((name) => contents(join(path, name), `${prefix}/${name}`)),
  );
}

it.each(cases)(
  `$name ends the same after ${KILLS} kills`,
  async (one) => {
    const random = new Random("command kills", one.name);
    const [calm, torn] = ["calm", "torn"].map((kind) => join(folder, `${one.name.replace(" ", "-")}-${kind}`));
    for (const out of [calm!, torn!]) mkdirSync(out);
    const finish = async (out: string): Promise<void> => {
      const { code, stderr } = await evoke(one.args(out), { env: one.env?.(out) });
      expect(code, stderr).toBe(0);
    };
    await finish(calm!);
    refiner.answered.clear();
    let kills = 0;
    // A short command may have ended before its kill.
    for (let tries = 0; kills < KILLS && tries < 10 * KILLS; tries++)
      if (await killed(one, torn!, random.below(one.longestDelay ?? 150))) kills++;
    await finish(torn!);
    expect(kills).toBeGreaterThan(0);
    expect(contents(one.result(torn!))).toEqual(contents(one.result(calm!)));
    // What a kill leaves is gone when the work has ended.
    expect(Object.keys(contents(torn!))).toEqual(Object.keys(contents(calm!)));
    if (one.name === "data refine") {
      // Eight requests are under way at once; only those of a kill may come again.
      const again = [...refiner.answered.values()].reduce((sum, times) => sum + times - 1, 0);
      expect(again).toBeLessThanOrEqual(8 * kills);
    }
    expect(existsSync(one.result(torn!))).toBe(true);
  },
  300_000,
);
