import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { PinnedFile } from "../data/pinned-file.js";
import { sha256 } from "../files/sha256.js";
import { PromptChoice } from "./original-prompts.js";

const dataDir = mkdtempSync(join(tmpdir(), "evoke-prompts-"));
const asked: string[] = [];
let server: Server;
let mirror: string;
beforeAll(async () => {
  server = createServer(({ url }, response) => {
    asked.push(url!);
    if (url!.includes("gone")) response.writeHead(404).end();
    else response.end("text");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  mirror = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const file = (name: string, text = "text"): PinnedFile => ({
  local: [`originals/${name}`],
  remote: { url: `https://raw.githubusercontent.com/org/tool/abcdef0123/${name}`, sha256: sha256(text) },
});
const choice = (env: NodeJS.ProcessEnv = { EVOKE_GITHUB_MIRROR: mirror }, fetchMissing = true) =>
  new PromptChoice({ dataDir, env, fetchMissing });

it("fetches what is asked with, all of it or none", async () => {
  const prompts = choice();
  const [a, b, gone] = [file("a.txt"), file("b.txt"), file("gone.txt")];
  expect(await prompts.originals("auto", [a, b], "evaluations.x")).toHaveLength(2);
  expect(await prompts.originals("auto", [a, gone], "evaluations.y")).toBeUndefined();
  expect(await prompts.originals("auto", [gone], "data.z")).toBeUndefined();
  expect(asked.filter((url) => url.includes("gone"))).toHaveLength(1);
  expect(prompts.notes).toEqual([
    expect.stringMatching(/^Evoke's own prompts stand in .* in evaluations\.y, data\.z \(.*gone\.txt: not found/),
  ]);
  await expect(prompts.originals(true, [gone], "evaluations.y")).rejects.toThrow(/not found \(HTTP 404\)/);
});

it("takes no text that is not the pinned one", async () => {
  const prompts = choice();
  expect(await prompts.originals("auto", [file("c.txt", "other")], "evaluations.x")).toBeUndefined();
  expect(prompts.notes[0]).toMatch(/SHA-256 is/);
});

it("asks nobody when nothing is wanted, only looked at, or offline", async () => {
  const before = asked.length;
  expect(await choice().originals(false, [file("d.txt")], "x")).toBeUndefined();
  expect(await choice().originals(true, [], "x")).toBeUndefined();
  expect(await choice({}, false).originals("auto", [file("d.txt")], "x")).toBeUndefined();
  expect(await choice({}, false).originals(true, [file("d.txt")], "x")).toEqual([]);
  const offline = choice({ EVOKE_GITHUB_MIRROR: mirror, HF_HUB_OFFLINE: "1" });
  expect(await offline.originals("auto", [file("d.txt"), file("e.txt")], "x")).toBeUndefined();
  expect(offline.notes).toEqual([expect.stringMatching(/HF_HUB_OFFLINE forbids fetching it\)\.$/)]);
  expect(asked.length).toBe(before);
});
