import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { UsageError } from "../errors.js";
import { readJsonObject } from "./json-object.js";
import { readAllJsonl } from "./jsonl.js";
import { readRegularFile, regularFiles } from "./regular-file.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evoke-regular-"));
  writeFileSync(join(folder, "file.json"), "{}");
  symlinkSync("file.json", join(folder, "link.json"));
  symlinkSync("/dev/zero", join(folder, "device.json"));
  symlinkSync("nowhere", join(folder, "dangling.json"));
  mkdirSync(join(folder, "folder.json"));
  spawnSync("mkfifo", [join(folder, "pipe.json")]);
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("pipes and devices where files belong", () => {
  it("are left out of listings", () => {
    expect(regularFiles(folder)).toEqual(["file.json", "link.json"]);
  });

  it.each(["pipe.json", "device.json", "folder.json"])("%s is refused at once", (name) => {
    expect(() => readRegularFile(join(folder, name))).toThrow(UsageError);
    expect(() => readJsonObject(join(folder, name))).toThrow(join(folder, name));
  });
});

describe("rows that are nested deeply", () => {
  it.each(["[", '{"a":'])("are an error with file and line (%s)", async (open) => {
    const close = open === "[" ? "]" : "}";
    const nested = (levels: number) => `{"x":${open.repeat(levels)}${open === "[" ? "" : "1"}${close.repeat(levels)}}`;
    const path = join(folder, "rows.jsonl");
    writeFileSync(path, `{"x":"[[[["}\n${nested(99)}\n${nested(100_000)}\n`);
    await expect(readAllJsonl(path)).rejects.toThrow(`${path}:3: nested more than 100 levels deep`);
    const skipped: string[] = [];
    expect(await readAllJsonl(path, (message) => skipped.push(message))).toHaveLength(2);
    expect(skipped).toHaveLength(1);
  });
});
