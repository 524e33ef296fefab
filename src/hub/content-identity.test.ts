import * as hashing from "node:crypto";
import {
  closeSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { sha256, sha256OfFile } from "../files/sha256.js";
import { changedFiles, identifyContent, identifyFile } from "./content-identity.js";

vi.mock("node:crypto", { spy: true });

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "evoke-identity-"));
  vi.stubEnv("EVOKE_CACHE", join(root, "cache"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  rmSync(root, { recursive: true, force: true });
});

/** A folder with a configuration and 4 MB of weights. */
function model(name: string): string {
  const folder = join(root, name);
  mkdirSync(folder);
  writeFileSync(join(folder, "config.json"), "{}");
  writeFileSync(join(folder, "model.safetensors"), Buffer.alloc(4e6, 1));
  return folder;
}

function changeByte(path: string, at: number): void {
  const fd = openSync(path, "r+");
  writeSync(fd, Buffer.from([2]), 0, 1, at);
  closeSync(fd);
}

describe("the identity of a model", () => {
  it("differs where one weight in the middle differs, and names the file", async () => {
    const [first, second] = [model("first"), model("second")];
    changeByte(join(second, "model.safetensors"), 2e6);
    const [a, b] = [await identifyContent({ model: first }), await identifyContent({ model: second })];
    expect(b.id).not.toBe(a.id);
    expect(changedFiles(a.files, b.files)).toEqual(["model/model.safetensors"]);
  });

  it("does not depend on where the model lies, what it is called, or on files that are no part of it", async () => {
    const before = await identifyContent({ model: model("here") });
    cpSync(join(root, "here"), join(root, "there"), { recursive: true });
    writeFileSync(join(root, "there", "README.md"), "about");
    writeFileSync(join(root, "there", "LICENSE.txt"), "may be used");
    expect(await identifyContent({ model: join(root, "there") })).toEqual(before);
  });

  it("keeps parts apart: a model as adapter is something else", async () => {
    const folder = model("one");
    expect((await identifyContent({ adapter: folder })).id).not.toBe((await identifyContent({ model: folder })).id);
  });

  it("names files that one side does not have", () => {
    expect(changedFiles({ a: "1", b: "2" }, { b: "2", c: "3" })).toEqual(["a", "c"]);
  });

  it("refuses what is not there, and a folder in place of a file", async () => {
    await expect(identifyContent({ model: join(root, "none") })).rejects.toThrow(/none: no such file or folder/);
    await expect(identifyFile(root)).rejects.toThrow(/is a folder, a file was expected/);
  });
});

describe("the hash of a file", () => {
  it("is SHA-256 over all bytes, whatever the size", async () => {
    for (const size of [0, 1, (256 << 10) - 1, 256 << 10, (4 << 20) + 1]) {
      const path = join(root, `of-${size}`);
      writeFileSync(path, Buffer.alloc(size, size % 251));
      expect(await identifyFile(path)).toBe(sha256OfFile(path));
    }
  });

  it("is worked out once for a large file that rests, and again when it was written", async () => {
    const path = join(root, "large");
    writeFileSync(path, Buffer.alloc(1e6));
    utimesSync(path, 1e9, 1e9);
    vi.spyOn(Date, "now").mockReturnValue(Date.now() + 3_600_000);
    const first = await identifyFile(path);
    expect(readdirSync(join(root, "cache", "identities"))).toHaveLength(1);
    // A kept hash is believed: nothing is read.
    const reads = vi.mocked(hashing.createHash).mock.calls.length;
    expect(await identifyFile(path)).toBe(first);
    expect(vi.mocked(hashing.createHash).mock.calls.length - reads).toBe(1); // of the path alone
    changeByte(path, 5e5);
    utimesSync(path, 1e9, 1e9); // size, inode and modification time as before
    expect(await identifyFile(path)).toBe(sha256OfFile(path));
    expect(await identifyFile(path)).not.toBe(first);
  });

  it("is not kept of a file that was written a moment ago", async () => {
    const path = join(root, "fresh");
    writeFileSync(path, Buffer.alloc(1e6));
    const before = await identifyFile(path);
    changeByte(path, 5e5);
    expect(await identifyFile(path)).not.toBe(before);
  });

  it("is worked out anew where its entry in the cache is damaged or the cache cannot be written", async () => {
    const path = join(root, "large");
    writeFileSync(path, Buffer.alloc(1e6));
    mkdirSync(join(root, "cache"));
    writeFileSync(join(root, "cache", "identities"), "in the way");
    expect(await identifyFile(path)).toBe(sha256OfFile(path));
    expect(sha256("")).toHaveLength(64);
  });
});
