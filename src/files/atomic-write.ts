import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";

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
  mkdirSync(dirname(path), { recursive: true });
  const temporary = join(dirname(path), `.${process.pid}-${Date.now()}-${Math.random().toString(36).slice(2)}.tmp`);
  try {
    writeFileDurably(temporary, data);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  fsyncFolder(dirname(path));
}
