import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, writeSync } from "node:fs";
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

/** Writes all of `data` to an open file. `writeSync` may write less than asked for. */
export function writeFully(fd: number, data: Uint8Array): void {
  for (let at = 0; at < data.byteLength; ) at += writeSync(fd, data, at, data.byteLength - at);
}

/** Writes a file and fsyncs it; throws whatever the file system says (ENOSPC, EACCES, …). */
export function writeFileDurably(path: string, data: string | Uint8Array): void {
  const fd = openSync(path, "w");
  try {
    writeFully(fd, typeof data === "string" ? new TextEncoder().encode(data) : data);
    fsyncSync(fd);
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
    throw error;
  }
  fsyncFolder(folder);
}

const SUFFIX = ".tmp";

/** Whether a process of this machine exists, whoever it belongs to. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
