import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { whileFailing } from "../../tests/support/broken-fs.js";
import { replaceFile, writeFileAtomically } from "./atomic-write.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evoke-atomic-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it.each(["writeSync", "fsyncSync"] as const)(
  "names the file, not its stand-in, when the disk is full (%s)",
  async (call) => {
    const path = join(folder, "file.txt");
    const failure = await whileFailing(call, "ENOSPC", 0, () => {
      try {
        writeFileAtomically(path, "text");
      } catch (error) {
        return error;
      }
    });
    expect(failure).toMatchObject({ code: "ENOSPC", path }); // from which the command line makes its one line
    expect(readdirSync(folder)).toEqual([]);
  },
);

it("replaces a file, making its folder, and leaves nothing beside it", () => {
  const path = join(folder, "new", "file.txt");
  writeFileAtomically(path, "one");
  writeFileAtomically(path, new TextEncoder().encode("two"));
  expect(readFileSync(path, "utf8")).toBe("two");
  expect(readdirSync(join(folder, "new"))).toEqual(["file.txt"]);
});

it("keeps the old file when writing fails half-way", () => {
  const path = join(folder, "file.txt");
  writeFileAtomically(path, "old");
  expect(() =>
    replaceFile(path, (temporary) => {
      writeFileSync(temporary, "ne");
      expect(readFileSync(path, "utf8")).toBe("old");
      throw new Error("no space");
    }),
  ).toThrow("no space");
  expect(readFileSync(path, "utf8")).toBe("old");
  expect(readdirSync(folder)).toEqual(["file.txt"]);
});

it("removes what a killed process left of the same file, and nothing else", () => {
  const gone = spawnSync(process.execPath, ["-e", ""]).pid;
  const host = hostname();
  const others = [
    `.file.txt.${host}-${process.ppid}.tmp`, // a process that runs
    `.file.txt.elsewhere-${gone}.tmp`, // another machine's
    `.other.txt.${host}-${gone}.tmp`,
    `.file.txt.${host}-notes.tmp`,
  ];
  for (const name of [...others, `.file.txt.${host}-${gone}.tmp`]) writeFileSync(join(folder, name), "half");
  writeFileAtomically(join(folder, "file.txt"), "whole");
  expect(readdirSync(folder).sort()).toEqual([...others, "file.txt"].sort());
});
