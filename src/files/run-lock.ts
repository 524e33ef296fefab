import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { FailureError } from "../errors.js";
import { isRunning } from "./atomic-write.js";

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

/**
 * Makes this process the only writer of a run folder, which is created if needed. A lock left by a process that
 * has gone is taken over; one of another machine is not, since nothing can be known of it.
 *
 * @throws FailureError when another process holds the folder.
 */
export function acquireRunLock(folder: string): RunLock {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, LOCK_NAME);
  const mine: Holder = { pid: process.pid, host: hostname(), start: startOf(process.pid) };
  const text = `${JSON.stringify(mine)}\n`;
  const aside = `${path}.${process.pid}-${Math.random().toString(36).slice(2)}`;
  for (let attempt = 0; attempt < 10; attempt++) {
    if (claim(path, text, aside)) return { release: () => release(path, text) };
    const held = readText(path);
    if (held === undefined) continue; // released in between
    const holder = parse(held);
    if (holder && isAlive(holder)) throw inUse(folder, path, holder, mine.host);
    // Of several processes that find the same dead lock only the one whose rename hits that very lock proceeds.
    removeExactly(path, held, aside);
  }
  throw new FailureError(`${folder}: other processes keep taking its lock; try again`);
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
    linkSync(aside, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function removeExactly(path: string, expected: string, aside: string): void {
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  if (readText(aside) !== expected) claimBack(aside, path); // it was a fresh lock: put it back
  rmSync(aside, { force: true });
}

function claimBack(aside: string, path: string): void {
  try {
    linkSync(aside, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

function release(path: string, text: string): void {
  if (readText(path) === text) rmSync(path, { force: true });
}

function inUse(folder: string, path: string, holder: Holder, host: string): FailureError {
  if (holder.host !== host)
    return new FailureError(
      `${folder}: in use by process ${holder.pid} on ${holder.host}; if it has ended, delete ${path}`,
    );
  return new FailureError(`${folder}: in use by process ${holder.pid}; stop it or choose another folder`);
}

function isAlive(holder: Holder): boolean {
  if (holder.host !== hostname()) return true;
  return isRunning(holder.pid) && holder.start === startOf(holder.pid);
}

/** Field 22 of /proc/PID/stat (proc(5)); undefined on other systems. */
function startOf(pid: number): string | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ESRCH", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
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
