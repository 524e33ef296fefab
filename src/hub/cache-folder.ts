import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { FailureError } from "../errors.js";
import { acquireLock } from "../files/run-lock.js";

export interface FetchOptions {
  /** Takes one line of progress at a time. */
  say?: (line: string) => void;
  signal?: AbortSignal;
  /** false: of a model on the Hub, configuration and tokenizer are enough. Default true. */
  weights?: boolean;
}

/** Runs `work` while no other process fetches into the same place; waits for one that does. */
export async function whileLocked<T>(lockPath: string, options: FetchOptions, work: () => Promise<T>): Promise<T> {
  for (let waited = false; ; waited = true) {
    options.signal?.throwIfAborted();
    let lock: { release(): void };
    try {
      mkdirSync(dirname(lockPath), { recursive: true });
      lock = acquireLock(lockPath, lockPath);
    } catch (error) {
      if (!(error instanceof FailureError)) throw error;
      if (!waited) options.say?.(`waiting for another download: ${error.message}`);
      await new Promise((resolve) => setTimeout(resolve, 500));
      continue;
    }
    try {
      return await work();
    } finally {
      lock.release();
    }
  }
}
