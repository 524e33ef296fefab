import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";

/** Flushes a folder's entries to disk, so that a rename in it survives a power cut. */
export function fsyncFolder(path: string): void {
  if (process.platform === "win32") return; // folders cannot be opened there
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Writes all of `data` to an open file. `writeSync` may write less than asked for. @param path names the file in errors. */
export function writeFully(fd: number, data: Uint8Array, path: string): void {
  naming(path, () => {
    for (let at = 0; at < data.byteLength; ) at += writeSync(fd, data, at, data.byteLength - at);
  });
}

/** What a system error of `work` says, with the path that it concerns: calls on an open file do not know it. */
export function naming<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw named(path, error);
  }
}

/** The same error; a system error without a path gets this one. */
export function named(path: string, error: unknown): unknown {
  if (error instanceof Error && "code" in error && !("path" in error)) Object.assign(error, { path });
  return error;
}

/** Writes a file and fsyncs it; throws whatever the file system says (ENOSPC, EACCES, …). */
export function writeFileDurably(path: string, data: string | Uint8Array): void {
  const fd = openSync(path, "w");
  try {
    writeFully(fd, typeof data === "string" ? new TextEncoder().encode(data) : data, path);
    naming(path, () => fsyncSync(fd));
  } finally {
    closeSync(fd);
  }
}

/** Replaces `path` in one step: readers see the old bytes or the new ones, never a part. */
export function writeFileAtomically(path: string, data: string | Uint8Array): void {
  replaceFile(path, (temporary) => writeFileDurably(temporary, data));
}

/**
 * Replaces `path` in one step by the file that `write` makes, and fsyncs, at the place it is given. What a killed process
 * of this machine left of the same file is removed.
 */
export function replaceFile(path: string, write: (temporary: string) => void): void {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true });
  const prefix = `.${basename(path)}.${hostname()}-`;
  for (const name of readdirSync(folder)) {
    const pid =
      name.startsWith(prefix) && name.endsWith(SUFFIX) ? Number(name.slice(prefix.length, -SUFFIX.length)) : 0;
    if (Number.isInteger(pid) && pid > 0 && (pid === process.pid || !isRunning(pid)))
      rmSync(join(folder, name), { force: true });
  }
  const temporary = join(folder, `${prefix}${process.pid}${SUFFIX}`);
  try {
    write(temporary);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    // The user knows the file by its own name.
    if (error instanceof Error && "path" in error && error.path === temporary) error.path = path;
    throw error;
  }
  fsyncFolder(folder);
}

const SUFFIX = ".tmp";

/** Whether a process of this machine is at work, whoever it belongs to; one that only waits to be collected is not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  return !/^[ZX]/.test(processFields(pid)?.[0] ?? "");
}

/** The fields of /proc/PID/stat from the third, the state, on (proc(5)); undefined on other systems. */
export function processFields(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}
