import {
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { FailureError } from "../errors.js";
import { isRunning, processFields } from "./atomic-write.js";

/** A held lock; `release` may be called more than once. */
export interface RunLock {
  release(): void;
}

interface Holder {
  pid: number;
  host: string;
  /** Start time of the process in clock ticks since boot where the system tells it, so that a reused pid is noticed. */
  start?: string;
}

const LOCK_NAME = "lock.json";
const ATTEMPTS = 100;
const PAUSE_MS = 20;
/** A lock without content this young is being written, where it cannot be created with its content in one step. */
const WRITING_MS = 2_000;

/**
 * Makes this process the only writer of a run folder, which is created if needed.
 * @throws FailureError when another process holds the folder.
 */
export function acquireRunLock(folder: string): RunLock {
  mkdirSync(folder, { recursive: true });
  return acquireLock(join(folder, LOCK_NAME), folder);
}

/**
 * Takes the lock `path`, a file that is there as long as the lock is held. A lock left by a process that has gone is taken
 * over; one of another machine is not, since nothing can be known of it.
 *
 * @param what is locked, for messages.
 * @throws FailureError when another process holds it.
 */
export function acquireLock(path: string, what: string): RunLock {
  const mine: Holder = { pid: process.pid, host: hostname(), start: startOf(process.pid) };
  const text = `${JSON.stringify(mine)}\n`;
  const aside = `${asidePrefix(path)}${process.pid}-${Math.random().toString(36).slice(2)}`;
  removeLeftovers(path);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (claim(path, text, aside)) return { release: () => release(path, text) };
    const held = readText(path);
    if (held === undefined) continue; // released in between
    const holder = parse(held);
    if (holder && isAlive(holder)) throw inUse(what, path, holder, mine.host);
    if (held === "" && isYoung(path)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
    // Of several processes that find the same dead lock only the one whose rename hits that very lock proceeds.
    else removeExactly(path, held, aside);
  }
  throw new FailureError(`${what}: other processes keep taking its lock; try again`);
}

/** Whether a process, of this machine or another, holds the folder now. */
export function isLocked(folder: string): boolean {
  const held = readText(join(folder, LOCK_NAME));
  const holder = held === undefined ? undefined : parse(held);
  return holder !== undefined && isAlive(holder);
}

/** Creates the lock with its content in one step (a link fails if the name exists). */
function claim(path: string, text: string, aside: string): boolean {
  writeFileSync(aside, text);
  try {
    linkOrCreate(aside, path, text);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

/** Where there are no hard links (exFAT, some network and container mounts), exclusive creation comes next. */
function linkOrCreate(aside: string, path: string, text: string): void {
  try {
    linkSync(aside, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EACCES"].includes(code ?? "")) throw error;
    const fd = openSync(path, "wx");
    try {
      writeFileSync(fd, text);
    } finally {
      closeSync(fd);
    }
  }
}

function removeExactly(path: string, expected: string, aside: string): void {
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  const found = readText(aside) ?? "";
  if (found !== expected) claimBack(aside, path, found); // it was a fresh lock: put it back
  rmSync(aside, { force: true });
}

function claimBack(aside: string, path: string, text: string): void {
  try {
    linkOrCreate(aside, path, text);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

function release(path: string, text: string): void {
  if (readText(path) === text) rmSync(path, { force: true });
}

function asidePrefix(path: string): string {
  return `${path}.${hostname()}-`;
}

/** A process that was killed while it took the lock leaves its file aside. */
function removeLeftovers(path: string): void {
  const prefix = basename(asidePrefix(path));
  for (const name of readdirSync(dirname(path))) {
    const pid = name.startsWith(prefix) ? Number(name.slice(prefix.length).split("-")[0]) : 0;
    if (Number.isInteger(pid) && pid > 0 && !isRunning(pid)) rmSync(join(dirname(path), name), { force: true });
  }
}

function isYoung(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && Date.now() - stat.mtimeMs < WRITING_MS;
}

function inUse(what: string, path: string, holder: Holder, host: string): FailureError {
  if (holder.host !== host)
    return new FailureError(
      `${what}: in use by process ${holder.pid} on ${holder.host}; if it has ended, delete ${path}`,
    );
  return new FailureError(`${what}: in use by process ${holder.pid}; stop it or choose another folder`);
}

function isAlive(holder: Holder): boolean {
  if (holder.host !== hostname()) return true;
  return isRunning(holder.pid) && holder.start === startOf(holder.pid);
}

/** Field 22 of /proc/PID/stat. */
function startOf(pid: number): string | undefined {
  return processFields(pid)?.[19];
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (["ENOENT", "ESRCH", "ENOTDIR"].includes(code ?? "")) return undefined;
    if (code !== "EISDIR") throw error;
    rmdirSync(path); // an earlier version's lock was a folder, which it left empty
    return undefined;
  }
}

function parse(text: string): Holder | undefined {
  try {
    const { pid, host, start } = JSON.parse(text) as Partial<Holder>;
    if (Number.isInteger(pid) && typeof host === "string") return { pid: pid as number, host, start };
  } catch {
    // a damaged lock belongs to nobody
  }
  return undefined;
}
