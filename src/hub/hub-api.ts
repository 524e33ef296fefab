import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { HubApiError, listFiles, modelInfo } from "@huggingface/hub";
import { FailureError, UsageError } from "../errors.js";

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
    offline: /^(1|true|yes|on)$/i.test(env.HF_HUB_OFFLINE ?? ""),
  };
}

/** fetch with the user's token. A redirect to another host does not carry it on. */
export function hubFetch(token: string | undefined, signal?: AbortSignal): typeof fetch {
  return (input, init) => {
    const headers = new Headers(init?.headers);
    if (token) headers.set("Authorization", `Bearer ${token}`);
    return fetch(input, { ...init, headers, signal });
  };
}

/** The network itself failed: no answer at all. */
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
  if (error instanceof HubApiError) return refusal(repo, error.statusCode, endpoint);
  // fetch reports a network failure as a TypeError with the reason in its cause.
  if (error instanceof TypeError) {
    const { code, message } = (error.cause ?? error) as { code?: string; message?: string };
    return new HubUnreachable(`hf:${repo.name}: ${endpoint} cannot be reached (${code ?? message})`);
  }
  return error;
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
  if (status === 429)
    return new FailureError(`hf:${repo.name}: the Hub answers 429, too many requests; wait or set HF_TOKEN`);
  return new FailureError(`hf:${repo.name}: the Hub answers ${status}; try again later`);
}
