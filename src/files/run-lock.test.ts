import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { whileFailing } from "../../tests/support/broken-fs.js";
import { FailureError } from "../errors.js";
import { acquireLock, acquireRunLock } from "./run-lock.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "evoke-lock-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const lockPath = () => join(folder, "lock.json");

describe("acquireRunLock", () => {
  it("holds a folder, refuses a second writer, and lets it in after release", () => {
    const lock = acquireRunLock(folder);
    expect(() => acquireRunLock(folder)).toThrow(FailureError);
    expect(() => acquireRunLock(folder)).toThrow(`in use by process ${process.pid}`);
    lock.release();
    expect(readdirSync(folder)).toEqual([]);
    acquireRunLock(folder).release();
  });

  it("creates the folder", () => {
    const deeper = join(folder, "a", "b");
    acquireRunLock(deeper);
    expect(existsSync(join(deeper, "lock.json"))).toBe(true);
  });

  it("takes over the lock of a process that has gone", async () => {
    const child = spawn(process.execPath, ["-e", ""]);
    await new Promise((resolve) => child.on("close", resolve));
    writeFileSync(lockPath(), JSON.stringify({ pid: child.pid, host: hostname() }));
    acquireRunLock(folder);
    expect(JSON.parse(readFileSync(lockPath(), "utf8"))).toMatchObject({ pid: process.pid });
  });

  it.runIf(existsSync("/proc/self/stat"))("notices that a pid now belongs to another process", () => {
    writeFileSync(lockPath(), JSON.stringify({ pid: process.pid, host: hostname(), start: "1" }));
    acquireRunLock(folder).release();
  });

  it.runIf(existsSync("/proc/self/stat"))("takes over the lock of a zombie", async () => {
    // The shell's child has ended, and sleep, which took the shell's place, never collects it.
    const parent = spawn("sh", ["-c", "sleep 1 & echo $!; exec sleep 600"], { stdio: ["ignore", "pipe", "ignore"] });
    const pid = Number(await new Promise((resolve) => parent.stdout.once("data", resolve)));
    await expect.poll(() => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]![0]).toBe("Z");
    const start = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")[19];
    writeFileSync(lockPath(), JSON.stringify({ pid, host: hostname(), start }));
    acquireRunLock(folder).release();
    parent.kill("SIGKILL");
  });

  it.each(["EPERM", "ENOTSUP", "ENOSYS"])("does without hard links (%s)", async (code) => {
    await whileFailing("linkSync", code, 0, () => {
      const lock = acquireRunLock(folder);
      expect(() => acquireRunLock(folder)).toThrow("in use by process");
      lock.release();
      writeFileSync(lockPath(), JSON.stringify({ pid: 1, host: hostname(), start: "never" }));
      acquireRunLock(folder).release();
      expect(readdirSync(folder)).toEqual([]);
    });
  });

  it("leaves a lock alone that is being written, and takes over one that never was", () => {
    writeFileSync(lockPath(), "");
    const [soon, before] = [60, -60].map((seconds) => Date.now() / 1000 + seconds);
    utimesSync(lockPath(), soon!, soon!);
    expect(() => acquireRunLock(folder)).toThrow("other processes keep taking its lock");
    utimesSync(lockPath(), before!, before!);
    acquireRunLock(folder).release();
  });

  it("removes what killed processes left beside it, and a folder that an earlier version used as lock", async () => {
    const child = spawn(process.execPath, ["-e", ""]);
    await new Promise((resolve) => child.on("close", resolve));
    writeFileSync(`${lockPath()}.${hostname()}-${child.pid}-x1`, "");
    mkdirSync(join(folder, "journal.lock"));
    acquireRunLock(folder).release();
    acquireLock(join(folder, "journal.lock"), "journal").release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it("takes over a damaged lock, but never one of another machine", () => {
    writeFileSync(lockPath(), "{tor");
    acquireRunLock(folder).release();
    writeFileSync(lockPath(), JSON.stringify({ pid: 1, host: "elsewhere.example" }));
    expect(() => acquireRunLock(folder)).toThrow(/process 1 on elsewhere\.example; if it has ended, delete/);
  });

  it("releases only its own lock, and only once", () => {
    const lock = acquireRunLock(folder);
    lock.release();
    const next = acquireRunLock(folder);
    writeFileSync(lockPath(), `${readFileSync(lockPath(), "utf8")}\n`);
    lock.release();
    next.release();
    expect(existsSync(lockPath())).toBe(true);
  });
});
