import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FailureError, UsageError } from "../../errors.js";
import { fetchResult } from "./result.js";
import { openObject } from "./s3.js";
import { checkStorage } from "./storage-check.js";

const contents = { "adapter_config.json": "{}", "adapter_model.safetensors": "x".repeat(100_000), "empty.txt": "" };
const result = {
  kind: "adapter" as const,
  files: Object.entries(contents).map(([name, text]) => ({
    name,
    size: text.length,
    sha256: createHash("sha256").update(text).digest("hex"),
  })),
  pieces: new Map(),
};
let folder: string;
let target: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evoke-result-"));
  target = join(folder, "run", "adapter");
  mkdirSync(target, { recursive: true });
  writeFileSync(join(target, "old"), "old");
});

const read = (): Record<string, string> =>
  Object.fromEntries(readdirSync(target).map((name) => [name, readFileSync(join(target, name), "utf8")]));

describe("a result in a shared folder", () => {
  beforeEach(() => {
    mkdirSync(join(folder, "shared", "job-1", "adapter"), { recursive: true });
    for (const [name, text] of Object.entries(contents))
      writeFileSync(join(folder, "shared", "job-1", "adapter", name), text);
  });
  const fetchIt = (storage_local?: string) =>
    fetchResult(result, target, "job-1", {
      storage: storage_local ? "/elsewhere" : join(folder, "shared"),
      storage_local,
    });

  it("replaces what was there", async () => {
    await fetchIt();
    expect(read()).toEqual(contents);
  });
  it("is found under the name the folder has on this machine", async () => {
    await fetchIt(join(folder, "shared"));
    expect(read()).toEqual(contents);
  });
  it("leaves what was there when a file is missing, cut off or altered", async () => {
    const path = join(folder, "shared", "job-1", "adapter", "adapter_model.safetensors");
    for (const text of ["x".repeat(99_999), `${"x".repeat(99_999)}y`]) {
      writeFileSync(path, text);
      await expect(fetchIt()).rejects.toThrow(/adapter_model.safetensors: came damaged or cut off/);
    }
    await expect(fetchIt(join(folder, "nowhere"))).rejects.toThrow(/is not there; .* cluster.storage_local/);
    expect(read()).toEqual({ old: "old" });
    expect(existsSync(`${target}.tmp`)).toBe(false);
  });
});

describe("a result in S3-compatible storage", () => {
  const seen: { url: string; authorization: string }[] = [];
  const failures: number[] = [];
  const server = createServer((request, response) => {
    seen.push({ url: request.url!, authorization: request.headers.authorization ?? "" });
    const failure = failures.shift();
    if (failure) return void response.writeHead(failure).end("<Error><Code>SlowDown</Code></Error>");
    const name = request.url!.replace("/bucket/pre%20fix/job-1/adapter/", "") as keyof typeof contents;
    if (contents[name] === undefined) return void response.writeHead(404).end("<Error><Code>NoSuchKey</Code></Error>");
    response.end(contents[name]);
  });
  const variables = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_REGION"] as const;
  beforeEach(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    for (const [i, value] of ["AKID", "secret", endpoint, "eu-central-1"].entries()) process.env[variables[i]!] = value;
    seen.length = 0;
  });
  afterEach(async () => {
    for (const name of variables) delete process.env[name];
    await new Promise((resolve) => server.close(resolve));
  });

  it("comes by signed requests, and again after trouble on the server", async () => {
    failures.push(503);
    await fetchResult(result, target, "job-1", { storage: "s3://bucket/pre fix/" });
    expect(read()).toEqual(contents);
    expect(seen).toHaveLength(4);
    for (const { authorization } of seen)
      expect(authorization).toMatch(
        /^AWS4-HMAC-SHA256 Credential=AKID\/\d{8}\/eu-central-1\/s3\/aws4_request, SignedHeaders=/,
      );
  });

  it("is asked for before a job is submitted", async () => {
    const say = (_line: string): void => {};
    const check = (storage: string, env: string[] = [], told = say) =>
      checkStorage({ storage, env, runtime_env: {} }, "job-9", told);
    await check("s3://bucket/pre fix");
    expect(seen[0]!.url).toBe("/bucket/pre%20fix/job-9/manifest.json");
    failures.push(403);
    await expect(check("s3://bucket/pre fix")).rejects.toThrow(UsageError);
    const said: string[] = [];
    await check("s3://bucket/x", ["AWS_ACCESS_KEY_ID"], (line: string) => void said.push(line));
    expect(said).toEqual([
      "the job is not given AWS_SECRET_ACCESS_KEY (cluster.env): its workers need access to s3://bucket/x of their own",
    ]);
  });

  it("says what the storage answers, or what it lacks", async () => {
    await expect(openObject("s3://bucket/none")).rejects.toThrow(
      /s3:\/\/bucket\/none: the storage answers 404 \(NoSuchKey\)/,
    );
    await expect(openObject("s3://bucket/none", { HOME: folder })).rejects.toThrow(UsageError);
    const down = { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b", AWS_ENDPOINT_URL: "http://127.0.0.1:1" };
    await expect(openObject("s3://bucket/none", down)).rejects.toThrow(FailureError);
  });
});

it("a result in the job's output is put together from its pieces, whatever their order", async () => {
  const text = contents["adapter_model.safetensors"];
  const pieces = new Map([
    ["adapter_model.safetensors", new Map([50_000, 0].map((at) => [at, Buffer.from(text.slice(at, at + 50_000))]))],
    ["adapter_config.json", new Map([[0, Buffer.from("{}")]])],
  ]);
  await fetchResult({ ...result, pieces }, target, "job-1", { storage: "job" });
  expect(read()).toEqual(contents);
});
