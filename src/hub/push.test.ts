import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { HubServer } from "../../tests/support/hub-server.js";
import { FailureError, UsageError } from "../errors.js";
import { type PushFile, type PushOptions, pushToHub } from "./push.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-push-test-"));
afterAll(() => rmSync(folder, { recursive: true }));
const weights = join(folder, "adapter_model.safetensors");
writeFileSync(weights, Buffer.alloc(3000, 7));
const files: PushFile[] = [
  { path: "adapter_model.safetensors", file: weights },
  { path: "README.md", text: "# A card\n" },
];
const options: PushOptions = { private: true, title: "Upload" };
let hub: HubServer;
beforeEach(async () => {
  hub = new HubServer();
  vi.stubEnv("HF_ENDPOINT", await hub.start());
  vi.stubEnv("HF_TOKEN", hub.token);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.close();
});
const uploads = (): number => hub.requests.filter((line) => line.startsWith("PUT /lfs/")).length;

describe("a push", () => {
  it("creates a private repository with one commit, weights by LFS", async () => {
    const result = await pushToHub("ORG/NAME", files, options);
    const repository = hub.repositories.get("ORG/NAME")!;
    expect(repository.private).toBe(true);
    expect(repository.files.get("adapter_model.safetensors")).toMatchObject({
      bytes: Buffer.alloc(3000, 7),
      lfs: expect.any(String),
    });
    expect(repository.files.get("README.md")!.bytes.toString()).toBe("# A card\n");
    expect(result).toMatchObject({
      created: true,
      sent: files.map(({ path }) => path),
      unchanged: [],
      commit: repository.sha,
    });
    expect(hub.requests.filter((line) => /\/commit\//.test(line))).toHaveLength(1);
  });

  it("may be public", async () => {
    await pushToHub("ORG/NAME", files, { ...options, private: false });
    expect(hub.repositories.get("ORG/NAME")!.private).toBe(false);
  });

  it("sends again only what differs", async () => {
    await pushToHub("ORG/NAME", files, options);
    expect(await pushToHub("ORG/NAME", files, options)).toMatchObject({ created: false, sent: [] });
    const changed = [files[0]!, { path: "README.md", text: "# Another\n" }];
    expect(await pushToHub("ORG/NAME", changed, options)).toMatchObject({
      sent: ["README.md"],
      unchanged: ["adapter_model.safetensors"],
    });
    expect(uploads()).toBe(1);
  });

  it("goes on where it was cut off: weights that arrived are not sent again", async () => {
    hub.failures = [{ line: /\/commit\//, status: 503, times: 99 }];
    await expect(pushToHub("ORG/NAME", files, options)).rejects.toThrow(/answers 503: push again later/);
    expect(uploads()).toBe(1);
    hub.failures = [];
    await pushToHub("ORG/NAME", files, options);
    expect(uploads()).toBe(1);
    expect(hub.repositories.get("ORG/NAME")!.files.size).toBe(2);
  });

  it("only looks, in a dry run", async () => {
    const result = await pushToHub("ORG/NAME", files, { ...options, dryRun: true });
    expect(result).toMatchObject({ created: true, sent: files.map(({ path }) => path) });
    expect(hub.repositories.size).toBe(0);
    expect(hub.requests.every((line) => line.startsWith("GET "))).toBe(true);
  });

  it("needs a token that is known", async () => {
    vi.stubEnv("HF_TOKEN", "hf_wrong");
    await expect(pushToHub("ORG/NAME", files, options)).rejects.toThrow(
      /answers 401: the token in HF_TOKEN is not known/,
    );
    vi.stubEnv("HF_TOKEN", "");
    vi.stubEnv("HF_HOME", folder);
    await expect(pushToHub("ORG/NAME", files, options)).rejects.toThrow(UsageError);
  });

  it.each([
    [/repos\/create/, 403, /answers 403: the token may not write there/],
    [/\/commit\//, 403, /answers 403: the token may not write there/],
    [/\/commit\//, 409, /answers 409: somebody else changed the repository/],
    [/\/commit\//, 412, /answers 412: somebody else changed the repository/],
  ])("%s answered with %i is told in one line", async (line, status, message) => {
    hub.failures = [{ line, status, times: 99 }];
    const error = await pushToHub("ORG/NAME", files, options).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(FailureError);
    expect(String(error)).toMatch(message);
  });

  it("goes to a repository, not to a revision", async () => {
    await expect(pushToHub("ORG/NAME@v1", files, options)).rejects.toThrow(UsageError);
    await expect(pushToHub("NAME", files, options)).rejects.toThrow(UsageError);
  });
});
