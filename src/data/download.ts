import { createWriteStream, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { FailureError, UsageError } from "../errors.js";

const TRIES = 4;

export interface DownloadOptions {
  /** Bearer token, sent to this URL's own host only (fetch drops it on a redirect to another host). */
  token?: string;
  signal?: AbortSignal;
  fetch?: typeof fetch;
  /** Milliseconds before the first repetition, doubled each time. */
  firstWaitMs?: number;
}

/**
 * Saves a URL as a file; the file appears under its name only when it is complete.
 *
 * @throws UsageError when access is refused or the file is not there, FailureError when the server cannot be reached.
 */
export async function downloadFile(url: string, path: string, options: DownloadOptions = {}): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const partial = `${path}.${process.pid}.part`;
  try {
    for (let attempt = 1; ; attempt++) {
      const problem = await tryOnce(url, partial, options);
      if (problem === undefined) break;
      options.signal?.throwIfAborted();
      if (attempt === TRIES) throw new FailureError(`${url}: ${problem} (tried ${TRIES} times)`);
      await new Promise((resolve) => setTimeout(resolve, (options.firstWaitMs ?? 1000) * 2 ** (attempt - 1)));
    }
    renameSync(partial, path);
  } finally {
    rmSync(partial, { force: true });
  }
}

/** Undefined when done, or what went wrong if it may go better next time. */
async function tryOnce(url: string, partial: string, options: DownloadOptions): Promise<string | undefined> {
  const { token, signal, fetch: get = fetch } = options;
  try {
    const response = await get(url, { signal, headers: token ? { Authorization: `Bearer ${token}` } : {} });
    if (response.status === 401 || response.status === 403)
      throw new UsageError(`${url}: access refused (HTTP ${response.status}); accept its terms and set HF_TOKEN`);
    if (response.status === 404) throw new UsageError(`${url}: not found (HTTP 404)`);
    if (!response.ok || !response.body) return `HTTP ${response.status}`;
    const length = response.headers.get("content-length");
    const encoded = response.headers.get("content-encoding");
    const file = createWriteStream(partial);
    await pipeline(Readable.fromWeb(response.body as import("node:stream/web").ReadableStream), file);
    if (length !== null && !encoded && file.bytesWritten !== Number(length))
      return `${file.bytesWritten} of ${length} bytes arrived`;
    return undefined;
  } catch (error) {
    if (error instanceof UsageError || (error as NodeJS.ErrnoException).code === "ENOSPC") throw error;
    let cause = error as Error;
    while (cause.cause instanceof Error) cause = cause.cause;
    return cause.message;
  }
}
