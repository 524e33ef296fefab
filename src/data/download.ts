import { createWriteStream, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { EvokeError, FailureError, UsageError } from "../errors.js";
import { LONGEST_PAUSE, retryAfter } from "../hub/retry-after.js";

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
      const failure = await tryOnce(url, partial, options);
      if (failure === undefined) break;
      const { problem, pause = (options.firstWaitMs ?? 1000) * 2 ** (attempt - 1) } = failure;
      options.signal?.throwIfAborted();
      if (attempt === TRIES) throw new FailureError(`${url}: ${problem} (tried ${TRIES} times)`);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    renameSync(partial, path);
  } finally {
    rmSync(partial, { force: true });
  }
}

/** What went wrong, and how many milliseconds the server asks to wait. */
interface Failure {
  problem: string;
  pause?: number;
}

/** Undefined when done, or what went wrong if it may go better next time. */
async function tryOnce(url: string, partial: string, options: DownloadOptions): Promise<Failure | undefined> {
  const { token, signal, fetch: get = fetch } = options;
  try {
    const response = await get(url, { signal, headers: token ? { Authorization: `Bearer ${token}` } : {} });
    if (response.status === 401 || response.status === 403)
      throw new UsageError(`${url}: access refused (HTTP ${response.status}); accept its terms and set HF_TOKEN`);
    if (response.status === 404) throw new UsageError(`${url}: not found (HTTP 404)`);
    if (!response.ok || !response.body) {
      const wait = retryAfter(response.headers);
      if (wait !== undefined && wait > LONGEST_PAUSE)
        throw new FailureError(`${url}: HTTP ${response.status}; the server asks to wait ${Math.ceil(wait)} seconds`);
      return { problem: `HTTP ${response.status}`, ...(wait === undefined ? {} : { pause: wait * 1000 }) };
    }
    if (response.headers.get("content-type")?.startsWith("text/html"))
      throw new FailureError(
        `${url}: a web page came in place of data; is there a proxy, or a network to sign in to, in between?`,
      );
    const length = response.headers.get("content-length");
    const encoded = response.headers.get("content-encoding");
    const file = createWriteStream(partial);
    await pipeline(Readable.fromWeb(response.body as import("node:stream/web").ReadableStream), file);
    if (length !== null && !encoded && file.bytesWritten !== Number(length))
      return { problem: `${file.bytesWritten} of ${length} bytes arrived` };
    return undefined;
  } catch (error) {
    if (error instanceof EvokeError || (error as NodeJS.ErrnoException).code === "ENOSPC") throw error;
    let cause = error as Error;
    while (cause.cause instanceof Error) cause = cause.cause;
    return { problem: cause.message };
  }
}
