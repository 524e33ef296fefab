import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream, createWriteStream, existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { FailureError } from "../errors.js";
import type { FetchOptions } from "./cache-folder.js";
import { type HubFile, type HubRepo, HubUnreachable, isPassing, refusal, webPage } from "./hub-api.js";

const TRIES = 5;

export interface BlobSource {
  repo: HubRepo;
  commit: string;
  endpoint: string;
  fetcher: typeof fetch;
  /** Milliseconds before the first new attempt, doubled each time. */
  backoff?: number;
}

/**
 * Downloads a file's content to `blobs/ETAG`. An earlier part (`ETAG.incomplete`) is continued with a Range request; the finished
 * file must have the size and hash the Hub lists, or it is thrown away.
 *
 * @throws FailureError, one line, after five attempts or on a refusal.
 */
export async function downloadBlob(
  source: BlobSource,
  file: HubFile,
  blobs: string,
  options: FetchOptions = {},
): Promise<string> {
  const target = join(blobs, file.etag);
  if (existsSync(target)) return target;
  mkdirSync(dirname(target), { recursive: true });
  const partial = `${target}.incomplete`;
  for (let attempt = 1; ; attempt++) {
    options.signal?.throwIfAborted();
    try {
      await append(source, file, partial, options);
      break;
    } catch (error) {
      if (options.signal?.aborted || !(error instanceof HubUnreachable) || attempt === TRIES) throw error;
      options.say?.(`${error.message}; attempt ${attempt + 1} of ${TRIES}`);
      await new Promise((resolve) => setTimeout(resolve, (source.backoff ?? 1000) * 2 ** (attempt - 1)));
    }
  }
  const found = await hashOf(partial, file);
  if (found !== file.etag) {
    rmSync(partial);
    throw new FailureError(
      `hf:${source.repo.name}: ${file.path} arrived damaged (${file.algorithm} ${found}, the Hub lists ${file.etag}); run again to fetch it anew`,
    );
  }
  renameSync(partial, target);
  return target;
}

/** One request that adds to the partial file until it is complete. */
async function append(source: BlobSource, file: HubFile, partial: string, options: FetchOptions): Promise<void> {
  const { repo, commit, endpoint, fetcher } = source;
  let have = existsSync(partial) ? statSync(partial).size : 0;
  if (have > file.size) have = 0;
  if (have === file.size && existsSync(partial)) return;
  const url = `${endpoint}/${repo.name}/resolve/${commit}/${file.path.split("/").map(encodeURIComponent).join("/")}`;
  const unreachable = (error: unknown): HubUnreachable => {
    const { code, message } = ((error as Error).cause ?? error) as { code?: string; message?: string };
    return new HubUnreachable(`hf:${repo.name}: the download of ${file.path} broke off (${code ?? message})`);
  };
  let response: Response;
  try {
    // Without "identity" a proxy may compress, and sizes and ranges would no longer be those of the file.
    const headers: Record<string, string> = { "Accept-Encoding": "identity" };
    if (have > 0) headers.Range = `bytes=${have}-`;
    response = await fetcher(url, { headers });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw unreachable(error);
  }
  if (isPassing(response.status)) throw new HubUnreachable(refusal(repo, response.status, endpoint).message);
  if (!response.ok || !response.body) throw refusal(repo, response.status, endpoint);
  const isPage = response.headers.get("content-type")?.startsWith("text/html") && !/\.html?$/.test(file.path);
  if (isPage) throw webPage(repo, endpoint);
  const start = Number(/^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1]);
  const resumed = response.status === 206 && start === have;
  if (response.status === 206 && !resumed)
    throw new FailureError(`hf:${repo.name}: ${file.path}: the server returned the wrong byte range`);
  options.say?.(
    `${resumed ? `continuing at ${megabytes(have)} of` : "downloading"} ${file.path} (${megabytes(file.size)})`,
  );
  const out = createWriteStream(partial, { flags: resumed ? "a" : "w" });
  let size = resumed ? have : 0;
  try {
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      size += chunk.byteLength;
      if (size > file.size)
        throw new FailureError(`hf:${repo.name}: ${file.path} is longer than the ${file.size} bytes the Hub lists`);
      if (!out.write(chunk)) await once(out, "drain");
    }
  } catch (error) {
    if (
      error instanceof FailureError ||
      options.signal?.aborted ||
      (error as NodeJS.ErrnoException).syscall === "write"
    )
      throw error;
    throw unreachable(error);
  } finally {
    out.end();
    if (!out.closed) await once(out, "close");
  }
  if (size < file.size) throw unreachable(new Error(`after ${size} of ${file.size} bytes`));
}

async function hashOf(path: string, file: HubFile): Promise<string> {
  const hash = createHash(file.algorithm);
  // Git hashes a blob with its kind and size in front.
  if (file.algorithm === "sha1") hash.update(`blob ${file.size}\0`);
  for await (const chunk of createReadStream(path, { highWaterMark: 4 << 20 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

function megabytes(bytes: number): string {
  return bytes < 1e5 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
