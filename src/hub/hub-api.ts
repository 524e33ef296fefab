import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { HubApiError, listFiles, modelInfo } from "@huggingface/hub";
import { FailureError, UsageError } from "../errors.js";
import { isOffline } from "./offline.js";
import { LONGEST_PAUSE, retryAfter } from "./retry-after.js";

/** A model repository on the Hub at a revision. */
export interface HubRepo {
  name: string;
  /** Branch, tag or commit. */
  revision: string;
}

export interface HubFile {
  path: string;
  size: number;
  /** Git blob id (SHA-1), or SHA-256 for a large file. Names the blob in the cache. */
  etag: string;
  /** Which of the two. */
  algorithm: "sha1" | "sha256";
}

/** Parses `ORG/NAME[@REVISION]`. */
export function parseHubRepo(text: string): HubRepo {
  const [, name, revision] = /^([\w.-]+(?:\/[\w.-]+)?)(?:@([\w./-]+))?$/.exec(text) ?? [];
  if (name === undefined || text.includes("..") || text.includes("--")) {
    throw new UsageError(`hf:${text}: write hf:ORG/NAME or hf:ORG/NAME@REVISION`);
  }
  return { name, revision: revision ?? "main" };
}

/** Settings shared with Hugging Face's own tools. */
export function hubSettings(): { endpoint: string; cache: string; token?: string; offline: boolean } {
  const { env } = process;
  const home = env.HF_HOME || join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "huggingface");
  let token = env.HF_TOKEN;
  try {
    token ||= readFileSync(env.HF_TOKEN_PATH || join(home, "token"), "utf8").trim();
  } catch {
    // Not signed in.
  }
  return {
    endpoint: (env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, ""),
    cache: env.HF_HUB_CACHE || join(home, "hub"),
    token: token || undefined,
    offline: isOffline(env),
  };
}

/** Requests refused as too many (429) are made again so often. */
const PATIENCE = 5;

/**
 * fetch with the user's token. A redirect to another host does not carry it on. Where the Hub answers that there were too many
 * requests, it is asked again after the time it names (`Retry-After`, else `RateLimit`'s `t`).
 */
export function hubFetch(token: string | undefined, signal?: AbortSignal, say?: (line: string) => void): typeof fetch {
  return async (input, init) => {
    const headers = new Headers(init?.headers);
    if (token) headers.set("Authorization", `Bearer ${token}`);
    for (let attempt = 1; ; attempt++) {
      const response = await fetch(input, { ...init, headers, signal });
      const pause = response.status === 429 ? retryAfter(response.headers) : undefined;
      if (pause === undefined || pause > LONGEST_PAUSE || attempt === PATIENCE) return response;
      await response.body?.cancel();
      say?.(`${new URL(response.url).host}: too many requests; asking again in ${Math.ceil(pause)} s`);
      await wait(pause * 1000, signal);
    }
  };
}

async function wait(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await setTimeout(milliseconds, undefined, { signal }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw error;
  });
}

/** The network itself failed: no answer at all, or one that is not the Hub's. */
export class HubUnreachable extends FailureError {}

/** Commit and files of a repository. */
export async function describeRepo(
  repo: HubRepo,
  fetcher: typeof fetch,
  endpoint: string,
): Promise<{ commit: string; files: HubFile[] }> {
  try {
    const commit = await commitOf(repo, fetcher, endpoint);
    const files: HubFile[] = [];
    for await (const entry of listFiles({
      repo: repo.name,
      revision: commit,
      recursive: true,
      hubUrl: endpoint,
      fetch: fetcher,
    })) {
      if (entry.type === "file") files.push(hubFile(repo, entry));
    }
    return { commit, files };
  } catch (error) {
    throw explain(repo, error, endpoint);
  }
}

/** Commit of a repository's revision. */
export async function describeCommit(repo: HubRepo, fetcher: typeof fetch, endpoint: string): Promise<string> {
  try {
    return await commitOf(repo, fetcher, endpoint);
  } catch (error) {
    throw explain(repo, error, endpoint);
  }
}

async function commitOf({ name, revision }: HubRepo, fetcher: typeof fetch, hubUrl: string): Promise<string> {
  const { sha } = await modelInfo({ name, revision, hubUrl, fetch: fetcher, additionalFields: ["sha"] });
  if (!/^[0-9a-f]{40}$/.test(sha)) throw new FailureError(`hf:${name}: ${hubUrl} names no commit`);
  return sha;
}

function hubFile(
  repo: HubRepo,
  entry: { path: string; size: number; oid?: string; lfs?: { oid: string; size: number } },
): HubFile {
  const etag = entry.lfs?.oid ?? entry.oid ?? "";
  const algorithm = entry.lfs ? "sha256" : "sha1";
  const parts = entry.path.split("/");
  const unsafe = /[\\:\0]/.test(entry.path) || parts.some((part) => part === "" || part === "." || part === "..");
  if (unsafe || !/^[0-9a-f]+$/.test(etag) || etag.length !== (entry.lfs ? 64 : 40)) {
    throw new FailureError(
      `hf:${repo.name}: the Hub lists a file that cannot be stored safely (${JSON.stringify(entry.path)})`,
    );
  }
  return { path: entry.path, size: entry.lfs?.size ?? entry.size, etag, algorithm };
}

/** One line that says what to do. */
function explain(repo: HubRepo, error: unknown, endpoint: string): unknown {
  if (error instanceof HubApiError) {
    const { message } = refusal(repo, error.statusCode, endpoint);
    return isPassing(error.statusCode) ? new HubUnreachable(message) : new FailureError(message);
  }
  // A proxy's or a network's sign-in page says 200 and is no JSON.
  if (error instanceof SyntaxError) return webPage(repo, endpoint);
  // fetch reports a network failure as a TypeError with the reason in its cause.
  if (error instanceof TypeError) {
    const { code, message } = (error.cause ?? error) as { code?: string; message?: string };
    return new HubUnreachable(`hf:${repo.name}: ${endpoint} cannot be reached (${code ?? message})`);
  }
  return error;
}

/** Whether a status tells of the moment, or of what stands between us and the Hub, rather than of the model. */
export function isPassing(status: number): boolean {
  return status >= 500 || status === 429 || status === 407;
}

/** Something in between answered with a page for people. */
export function webPage(repo: HubRepo, endpoint: string): HubUnreachable {
  return new HubUnreachable(
    `hf:${repo.name}: ${endpoint} answered with a web page in place of data; is there a proxy, or a network to sign in to, in between?`,
  );
}

/** What an HTTP status of the Hub means for the user. */
export function refusal(repo: HubRepo, status: number, endpoint: string): FailureError {
  const page = `${endpoint}/${repo.name}`;
  if (status === 401) {
    return new FailureError(
      `hf:${repo.name}: the Hub answers 401: the name is wrong, or the model is private or gated; for the latter accept its terms at ${page} and set HF_TOKEN to a token that may read it`,
    );
  }
  if (status === 403) {
    return new FailureError(
      `hf:${repo.name}: the Hub answers 403: your account may not read it yet; accept its terms at ${page}, and check that HF_TOKEN may read gated models`,
    );
  }
  if (status === 404)
    return new FailureError(
      `hf:${repo.name}: the Hub has no such model or no revision "${repo.revision}"; see ${page}`,
    );
  if (status === 407)
    return new FailureError(`hf:${repo.name}: a proxy wants to be signed in to (407); see HTTPS_PROXY`);
  if (status === 429)
    return new FailureError(`hf:${repo.name}: the Hub answers 429, too many requests; wait or set HF_TOKEN`);
  return new FailureError(`hf:${repo.name}: the Hub answers ${status}; try again later`);
}
