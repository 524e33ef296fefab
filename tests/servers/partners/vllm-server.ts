/** vLLM as the tests start it: by the command that `serve --engine vllm --print` prints. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { expect } from "vitest";
import { evoke, repositoryRoot } from "../../program.js";

/** The `bin` folder of the environment that run.sh makes. */
const vllm = process.env.EVOKE_TEST_VLLM;
/** Benchmarks' rows in place of the network, where there are some. */
const dataDir = process.env.EVOKE_DATA ?? join(repositoryRoot, "..", "shared", "data");

/** Runs a command that must succeed. */
export async function run(...args: string[]): Promise<string> {
  const env = existsSync(dataDir) ? { EVOKE_DATA: dataDir } : {};
  const { code, stdout, stderr } = await evoke(args, { env });
  expect(code, `${args.join(" ")}\n${stderr}`).toBe(0);
  return stdout;
}

export function rowsOf(path: string): Record<string, unknown>[] {
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

export interface Vllm {
  /** Base URL, up to `/v1`. */
  url: string;
  stop(): Promise<void>;
}

interface Settings {
  /** Most tokens of a request, prompt included. */
  maxTokens: number;
  /** Further flags of `evoke serve`. */
  flags?: string[];
}

/**
 * Runs the printed command as a shell reads it, and waits until it serves; the model is called `base`.
 * @throws when vLLM ends before that, with what it said.
 */
export async function startVllm(model: string, { maxTokens, flags = [] }: Settings): Promise<Vllm> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/v1`;
  const serve = ["serve", "--engine", "vllm", model, "--name", "base", "--template", "tulu", ...flags];
  const more = ["--dtype", "float32", "--port", String(port), "--print"];
  const line = await run(...serve, ...more, "--", "--max-model-len", String(maxTokens), "--enforce-eager");
  const child = spawn("sh", ["-c", `exec ${line}`], {
    env: { ...process.env, PATH: `${vllm}${delimiter}${process.env.PATH}`, VLLM_CPU_KVCACHE_SPACE: "1" },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true, // a process group of its own
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-20_000)));
  let ended = false;
  child.once("close", () => (ended = true));
  while (!ended) {
    const answer = await fetch(url.replace("/v1", "/health")).catch(() => undefined);
    if (answer?.ok) return { url, stop: () => stop(child) };
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new Error(`vLLM did not start: ${said}`);
}

/** Ends vLLM with all its processes: asked first, then not asked. */
async function stop(child: ChildProcess): Promise<void> {
  const end = (signal: NodeJS.Signals): void => {
    try {
      process.kill(-child.pid!, signal);
    } catch {
      // none of the group is left
    }
  };
  const exited = new Promise<void>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once("exit", () => resolve());
  });
  end("SIGTERM");
  const patience = setTimeout(() => end("SIGKILL"), 60_000);
  await exited;
  clearTimeout(patience);
  end("SIGKILL");
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
