import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { downloadFromHub, hubSource, pinnedReference } from "./hub.js";
import { resolveAdapter } from "./resolve-adapter.js";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const CONFIG = Buffer.from('{"model_type": "llama"}');
const WEIGHTS = Buffer.alloc(300_000, "weights that fill more than one piece ");
const sha256 = createHash("sha256").update(WEIGHTS).digest("hex");
const sha1 = createHash("sha1").update(`blob ${CONFIG.length}\0`).update(CONFIG).digest("hex");

interface Behaviour {
  status?: number;
  /** Answers 429 so many times first, with these headers. */
  busy?: number;
  busyHeaders?: Record<string, string>;
  /** A web page, with status 200, in place of everything. */
  page?: boolean;
  commit?: string;
  /** Bytes after which the connection is cut, by number of the weights request. */
  cutAfter?: (request: number) => number | undefined;
  weights?: Buffer;
  ignoreRange?: boolean;
  entries?: unknown[];
}

let behaviour: Behaviour = {};
let requests: { url: string; range?: string; authorization?: string }[] = [];
let server: Server;
let folder: string;
const lines: string[] = [];
const options = { backoff: 1, say: (line: string) => void lines.push(line) };

const TREE = [
  { type: "file", path: "config.json", size: CONFIG.length, oid: sha1 },
  {
    type: "file",
    path: "model.safetensors",
    size: WEIGHTS.length,
    oid: "0".repeat(40),
    lfs: { oid: sha256, size: WEIGHTS.length, pointerSize: 134 },
  },
  { type: "file", path: "pytorch_model.bin", size: 9, oid: "1".repeat(40) },
  { type: "file", path: "onnx/model.onnx", size: 9, oid: "1".repeat(40) },
  { type: "directory", path: "onnx", size: 0, oid: "1".repeat(40) },
];

/** The part of the Hub's HTTP API that a download needs. */
function answer(request: IncomingMessage): {
  status: number;
  body: Buffer | string;
  headers?: Record<string, string>;
  cut?: number;
} {
  const url = new URL(request.url!, "http://x").pathname;
  if (behaviour.busy) {
    behaviour.busy--;
    return { status: 429, body: "{}", headers: behaviour.busyHeaders ?? { "retry-after": "0" } };
  }
  if (behaviour.page) return { status: 200, body: "<html>Sign in</html>", headers: { "content-type": "text/html" } };
  if (behaviour.status)
    return { status: behaviour.status, body: "{}", headers: { "content-type": "application/json" } };
  if (/^\/api\/models\/org\/tiny\/revision\/(main|v1|0123456789abcdef.*)$/.test(url)) {
    return {
      status: 200,
      body: JSON.stringify({
        _id: "x",
        id: "org/tiny",
        sha: behaviour.commit ?? COMMIT,
        siblings: [],
        tags: [],
        lastModified: "2024-01-01",
      }),
    };
  }
  if (url === `/api/models/org/tiny/tree/${COMMIT}`)
    return { status: 200, body: JSON.stringify(behaviour.entries ?? TREE) };
  if (/^\/org\/tiny\/resolve\/[0-9a-f]{40}\/(config|adapter_config|tokenizer)\.json$/.test(url))
    return { status: 200, body: CONFIG };
  if (/^\/org\/tiny\/resolve\/[0-9a-f]{40}\/(adapter_)?model\.safetensors$/.test(url)) {
    const whole = behaviour.weights ?? WEIGHTS;
    const cut = behaviour.cutAfter?.(requests.filter(({ url }) => url.endsWith("model.safetensors")).length);
    const from = behaviour.ignoreRange ? 0 : Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const headers = { "content-range": `bytes ${from}-${whole.length - 1}/${whole.length}` };
    return from ? { status: 206, body: whole.subarray(from), headers, cut } : { status: 200, body: whole, cut };
  }
  return { status: 404, body: "no" };
}

beforeAll(async () => {
  server = createServer((request, response) => {
    const { range, authorization } = request.headers;
    requests.push({ url: request.url!.split("?")[0]!, range, authorization });
    const { status, body, headers, cut } = answer(request);
    response.writeHead(status, { "content-length": Buffer.byteLength(body), ...headers });
    if (cut === undefined) response.end(body);
    else response.write(Buffer.from(body).subarray(0, cut), () => response.socket?.end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evoke-hub-"));
  behaviour = {};
  requests = [];
  lines.length = 0;
  vi.stubEnv("HF_ENDPOINT", `http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  vi.stubEnv("HF_HOME", folder);
  for (const name of ["HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "HF_TOKEN_PATH"]) vi.stubEnv(name, "");
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

const repo = (): string => join(folder, "hub/models--org--tiny");

it("an adapter is a folder, a run folder, or one on the Hub", async () => {
  const run = join(folder, "run");
  mkdirSync(join(run, "adapter"), { recursive: true });
  writeFileSync(join(run, "run.json"), "{}");
  await expect(resolveAdapter(run)).rejects.toThrow("is no PEFT adapter");
  writeFileSync(join(run, "adapter", "adapter_config.json"), "{}");
  expect(await resolveAdapter(run)).toBe(join(run, "adapter"));
  expect(await resolveAdapter(join(run, "adapter"))).toBe(join(run, "adapter"));
  await expect(resolveAdapter(join(folder, "none"))).rejects.toThrow(
    "no such adapter folder; an adapter on the Hub is",
  );
  const weights = { ...TREE[1], path: "adapter_model.safetensors" };
  behaviour.entries = [{ ...TREE[0], path: "adapter_config.json" }, weights];
  const path = await resolveAdapter("hf:org/tiny", options);
  expect(path).toBe(join(repo(), "snapshots", COMMIT));
  vi.stubEnv("HF_HUB_OFFLINE", "1");
  expect(await resolveAdapter("hf:org/tiny")).toBe(path);
});

describe("downloading from the Hub", () => {
  it("fills the standard cache with what a model needs, once", async () => {
    const path = await downloadFromHub("org/tiny", options);
    expect(path).toBe(join(repo(), "snapshots", COMMIT));
    expect(readFileSync(join(path, "model.safetensors")).equals(WEIGHTS)).toBe(true);
    expect(readFileSync(join(path, "config.json")).equals(CONFIG)).toBe(true);
    expect(readFileSync(join(repo(), "refs/main"), "utf8")).toBe(COMMIT);
    expect(readFileSync(join(repo(), "blobs", sha256)).equals(WEIGHTS)).toBe(true);
    if (process.platform !== "win32") expect(readlinkSync(join(path, "config.json"))).toBe(`../../blobs/${sha1}`);
    expect(existsSync(join(path, "pytorch_model.bin"))).toBe(false);
    expect(requests.every(({ authorization }) => authorization === undefined)).toBe(true);
    requests = [];
    expect(await downloadFromHub("org/tiny", options)).toBe(path);
    expect(requests.filter(({ url }) => url.includes("/resolve/"))).toEqual([]);
  });

  it("sends the token of HF_TOKEN, or of the file that signing in leaves", async () => {
    vi.stubEnv("HF_TOKEN", "secret-1");
    await downloadFromHub("org/tiny@v1", options);
    expect(new Set(requests.map(({ authorization }) => authorization))).toEqual(new Set(["Bearer secret-1"]));
    expect(readFileSync(join(repo(), "refs/v1"), "utf8")).toBe(COMMIT);
    vi.stubEnv("HF_TOKEN", "");
    writeFileSync(join(folder, "token"), "secret-2\n");
    requests = [];
    await downloadFromHub("org/tiny", options);
    expect(requests[0]!.authorization).toBe("Bearer secret-2");
  });

  it("asks nothing for a commit that is complete in the cache", async () => {
    const path = await downloadFromHub(`org/tiny@${COMMIT}`, options);
    expect(existsSync(join(repo(), "refs"))).toBe(false);
    requests = [];
    expect(await downloadFromHub(`org/tiny@${COMMIT}`, options)).toBe(path);
    expect(requests).toEqual([]);
  });

  it("completes a commit of which another program fetched the weights alone, and then asks no more", async () => {
    const snapshot = join(repo(), "snapshots", COMMIT);
    mkdirSync(snapshot, { recursive: true });
    writeFileSync(join(snapshot, "config.json"), CONFIG);
    writeFileSync(join(snapshot, "model.safetensors"), WEIGHTS);
    behaviour.entries = [...TREE, { type: "file", path: "tokenizer.json", size: CONFIG.length, oid: sha1 }];
    expect(await downloadFromHub(`org/tiny@${COMMIT}`, options)).toBe(snapshot);
    expect(readFileSync(join(snapshot, "tokenizer.json")).equals(CONFIG)).toBe(true);
    expect(requests.some(({ url }) => url.endsWith("model.safetensors"))).toBe(false);
    requests = [];
    await downloadFromHub(`org/tiny@${COMMIT}`, options);
    expect(requests).toEqual([]);
    rmSync(join(snapshot, "tokenizer.json"));
    await downloadFromHub(`org/tiny@${COMMIT}`, options);
    expect(existsSync(join(snapshot, "tokenizer.json"))).toBe(true);
  });

  it("takes a branch for the same commit as long as the program runs, and can name it", async () => {
    const path = await downloadFromHub("org/tiny", options);
    behaviour.commit = "f".repeat(40);
    expect(await downloadFromHub("org/tiny", options)).toBe(path);
    expect(await pinnedReference("hf:org/tiny")).toBe(`hf:org/tiny@${COMMIT}`);
    expect(hubSource(join(path, "model.safetensors"))).toBe(`hf:org/tiny@${COMMIT}`);
    expect(hubSource("/models/mine")).toBeUndefined();
  });

  it("waits as long as it is asked to where there were too many requests", async () => {
    behaviour.busy = 3;
    expect(existsSync(await downloadFromHub("org/tiny", options))).toBe(true);
    expect(lines.filter((line) => line.includes("too many requests; asking again in 0 s"))).toHaveLength(3);
    behaviour.busy = 1;
    behaviour.busyHeaders = { ratelimit: '"api";r=0;t=9999' };
    await expect(downloadFromHub("org/tiny@v1", options)).rejects.toThrow("429, too many requests");
  });

  it("knows a web page from the Hub's data, and uses the copy that it has", async () => {
    behaviour.page = true;
    await expect(downloadFromHub("org/tiny", options)).rejects.toThrow(
      /answered with a web page in place of data; is there a proxy/,
    );
    behaviour.page = false;
    const path = await downloadFromHub("org/tiny", options);
    const other = `${process.env.HF_ENDPOINT}other`;
    vi.stubEnv("HF_ENDPOINT", other); // where nothing is settled yet
    behaviour.page = true;
    expect(await downloadFromHub("org/tiny", options)).toBe(path);
    expect(lines.at(-1)).toMatch(/web page.*; using the copy in the cache/);
  });

  it("continues a broken download where it stopped", async () => {
    behaviour.cutAfter = (request) => (request <= 2 ? 100_000 : undefined);
    const path = await downloadFromHub("org/tiny", options);
    expect(readFileSync(join(path, "model.safetensors")).equals(WEIGHTS)).toBe(true);
    const ranges = requests.filter(({ url }) => url.endsWith("model.safetensors")).map(({ range }) => range);
    // Each continues behind what had come: all that was sent before the cut, or less where the machine is busy.
    const starts = ranges.map((range) => Number(/^bytes=(\d+)-$/.exec(range ?? "bytes=0-")![1]));
    expect(starts).toHaveLength(3);
    expect(starts[0]).toBe(0);
    expect(starts[1]).toBeGreaterThan(0);
    expect(starts[2]).toBeGreaterThan(starts[1]!);
    expect(lines.join("\n")).toMatch(/continuing at 0\.[12] MB of model.safetensors \(0\.3 MB\)/);
  });

  it("continues in a new run, and starts over when the server ignores the range", async () => {
    behaviour.cutAfter = () => 50_000;
    behaviour.ignoreRange = true;
    await expect(downloadFromHub("org/tiny", options)).rejects.toThrow("the download of model.safetensors broke off");
    expect(existsSync(join(repo(), "blobs", `${sha256}.incomplete`))).toBe(true);
    behaviour.cutAfter = undefined;
    const path = await downloadFromHub("org/tiny", options);
    expect(readFileSync(join(path, "model.safetensors")).equals(WEIGHTS)).toBe(true);
  });

  it("throws away a file with a wrong checksum", async () => {
    behaviour.weights = Buffer.from(WEIGHTS);
    behaviour.weights[1234] = 0;
    await expect(downloadFromHub("org/tiny", options)).rejects.toThrow(
      /model\.safetensors arrived damaged \(sha256 [0-9a-f]{64}, the Hub lists [0-9a-f]{64}\); run again/,
    );
    expect(existsSync(join(repo(), "blobs", `${sha256}.incomplete`))).toBe(false);
    expect(existsSync(join(repo(), "blobs", sha256))).toBe(false);
    behaviour = {};
    expect(existsSync(join(await downloadFromHub("org/tiny", options), "model.safetensors"))).toBe(true);
  });

  it("refuses a file longer than listed", async () => {
    behaviour.weights = Buffer.concat([WEIGHTS, Buffer.alloc(10)]);
    await expect(downloadFromHub("org/tiny", options)).rejects.toThrow("is longer than the 300000 bytes the Hub lists");
  });

  it.each([
    [401, /private or gated; for the latter accept its terms at http.*\/org\/tiny and set HF_TOKEN/],
    [403, /your account may not read it yet; accept its terms at http.*\/org\/tiny/],
    [404, /has no such model or no revision "main"/],
    [429, /too many requests/],
    [500, /answers 500; try again later/],
  ])("says what to do on %i", async (status, message) => {
    behaviour.status = status;
    await expect(downloadFromHub("org/tiny", options)).rejects.toThrow(message);
  });

  it("works offline with what is complete, by wish or by need", async () => {
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    await expect(downloadFromHub("org/tiny", options)).rejects.toThrow("HF_HUB_OFFLINE forbids fetching it");
    expect(requests).toEqual([]);
    vi.stubEnv("HF_HUB_OFFLINE", "0");
    const path = await downloadFromHub("org/tiny", options);
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    expect(await downloadFromHub("org/tiny", options)).toBe(path);
    vi.stubEnv("HF_HUB_OFFLINE", "");
    const nobody = createServer();
    await new Promise<void>((resolve) => nobody.listen(0, "127.0.0.1", resolve));
    const endpoint = `http://127.0.0.1:${(nobody.address() as AddressInfo).port}`;
    await new Promise((resolve) => nobody.close(resolve));
    vi.stubEnv("HF_ENDPOINT", endpoint);
    expect(await downloadFromHub("org/tiny", options)).toBe(path);
    expect(lines.at(-1)).toMatch(/cannot be reached \(ECONNREFUSED\); using the copy in the cache/);
    rmSync(join(path, "model.safetensors"));
    await expect(downloadFromHub("org/tiny", options)).rejects.toThrow(`${endpoint} cannot be reached`);
  });

  it("does not take a snapshot for complete that lacks a shard", async () => {
    const snapshot = join(repo(), "snapshots", COMMIT);
    mkdirSync(snapshot, { recursive: true });
    writeFileSync(join(snapshot, "config.json"), "{}");
    writeFileSync(join(snapshot, "model-00001-of-00002.safetensors"), "");
    writeFileSync(
      join(snapshot, "model.safetensors.index.json"),
      '{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}',
    );
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    await expect(downloadFromHub(`org/tiny@${COMMIT}`, options)).rejects.toThrow("is not complete");
    writeFileSync(join(snapshot, "model-00002-of-00002.safetensors"), "");
    expect(await downloadFromHub(`org/tiny@${COMMIT}`, options)).toBe(snapshot);
  });

  it("takes a lone GGUF file, and explains what it cannot take", async () => {
    const gguf = { ...TREE[1], path: "q/model.gguf" };
    behaviour.entries = [TREE[0], TREE[2]];
    await expect(downloadFromHub("org/tiny", options)).rejects.toThrow("has no safetensors and no .gguf file");
    behaviour.entries = [gguf, { ...gguf, path: "other.gguf" }];
    await expect(downloadFromHub("org/tiny", options)).rejects.toThrow("holds 2 .gguf files");
    behaviour.entries = [{ ...TREE[1], path: "../../evil.safetensors" }];
    await expect(downloadFromHub("org/tiny", options)).rejects.toThrow("cannot be stored safely");
    await expect(downloadFromHub("org/tiny@../x", options)).rejects.toThrow(
      "write hf:ORG/NAME or hf:ORG/NAME@REVISION",
    );
  });

  it("lets two processes want the same model: one downloads, the other waits", async () => {
    const paths = await Promise.all([downloadFromHub("org/tiny", options), downloadFromHub("org/tiny", options)]);
    expect(new Set(paths).size).toBe(1);
    expect(requests.filter(({ url }) => url.endsWith("model.safetensors"))).toHaveLength(1);
    expect(lines.join("\n")).toContain("waiting for another download");
  });

  it("stops when asked to", async () => {
    const abort = new AbortController();
    abort.abort(new Error("stop"));
    await expect(downloadFromHub("org/tiny", { ...options, signal: abort.signal })).rejects.toThrow("stop");
  });
});
