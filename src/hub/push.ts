/** Puts files into a model repository on the Hub: created when it is missing, one commit, large files by LFS. */
import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { commit, createRepo, HubApiError } from "@huggingface/hub";
import { FailureError, UsageError } from "../errors.js";
import { describeRepo, type HubFile, HubUnreachable, hubFetch, hubSettings, parseHubRepo } from "./hub-api.js";

/** A file for the repository: one on disk, or text. */
export type PushFile = { path: string } & ({ file: string } | { text: string });

export interface PushOptions {
  /** Whether a repository that is created can be read by nobody else. One that exists stays as it is. */
  private: boolean;
  /** First line of the commit. */
  title: string;
  /** Looks at what is there and sends nothing. */
  dryRun?: boolean;
  signal?: AbortSignal;
  say?(line: string): void;
}

export interface PushResult {
  repository: string;
  url: string;
  created: boolean;
  /** Files sent, or to be sent in a dry run, and those that the repository holds already. */
  sent: string[];
  unchanged: string[];
  commit?: string;
}

/**
 * Pushes to `ORG/NAME`. What an earlier attempt uploaded is not sent again: the Hub keeps large files by their SHA-256.
 *
 * @throws UsageError without a token, FailureError when the Hub refuses or cannot be reached.
 */
export async function pushToHub(name: string, files: readonly PushFile[], options: PushOptions): Promise<PushResult> {
  const { revision, name: repository } = parseHubRepo(name);
  if (revision !== "main" || !repository.includes("/"))
    throw new UsageError(`hf:${name}: a push goes to hf:ORG/NAME, without a revision`);
  const { endpoint, token, offline } = hubSettings();
  if (offline) throw new UsageError("HF_HUB_OFFLINE is set: nothing can be pushed");
  if (!token)
    throw new UsageError("no token of the Hub: set HF_TOKEN to one that may write (Settings → Access Tokens)");
  const fetcher = hubFetch(token, options.signal);
  try {
    const there = await existing(repository, fetcher, endpoint);
    const digests = await Promise.all(files.map((file) => isThere(file, there)));
    const sent = files.filter((_, i) => !digests[i]);
    const result: PushResult = {
      repository,
      url: `${endpoint}/${repository}`,
      created: there === undefined,
      sent: sent.map(({ path }) => path),
      unchanged: files.filter((_, i) => digests[i]).map(({ path }) => path),
    };
    if (options.dryRun || sent.length === 0) return result;
    const place = {
      repo: { type: "model" as const, name: repository },
      accessToken: token,
      hubUrl: endpoint,
      fetch: fetcher,
    };
    if (there === undefined) {
      await createRepo({ ...place, visibility: options.private ? "private" : "public" });
      options.say?.(`created ${result.url}${options.private ? " (private)" : ""}`);
    }
    const done = await commit({
      ...place,
      title: options.title,
      operations: sent.map((file) => ({
        operation: "addOrUpdate" as const,
        path: file.path,
        content: contentOf(file),
      })),
      useXet: false,
      ...(options.signal ? { abortSignal: options.signal } : {}),
    });
    return { ...result, commit: done?.commit.oid };
  } catch (error) {
    throw explain(repository, error, endpoint, options.signal);
  }
}

const contentOf = (file: PushFile): Blob | URL => ("file" in file ? pathToFileURL(file.file) : new Blob([file.text]));

/** Files of the repository by path; undefined when there is none that this token may see. */
async function existing(
  name: string,
  fetcher: typeof fetch,
  endpoint: string,
): Promise<Map<string, HubFile> | undefined> {
  const answer = await fetcher(`${endpoint}/api/models/${name}`);
  // The Hub answers 401 for names that do not exist when the token is not theirs, and 404 otherwise.
  if (answer.status === 404) return undefined;
  if (!answer.ok) throw await apiError(answer);
  const { sha } = (await answer.json()) as { sha?: string };
  if (sha === undefined) return new Map();
  const { files } = await describeRepo({ name, revision: "main" }, fetcher, endpoint);
  return new Map(files.map((file) => [file.path, file]));
}

async function apiError(answer: Response): Promise<HubApiError> {
  const text = await answer.text();
  return new HubApiError(answer.url, answer.status, undefined, text.slice(0, 200));
}

async function isThere(file: PushFile, there: Map<string, HubFile> | undefined): Promise<boolean> {
  const found = there?.get(file.path);
  if (!found) return false;
  const size = "file" in file ? statSync(file.file).size : Buffer.byteLength(file.text);
  if (size !== found.size) return false;
  const hash = createHash(found.algorithm);
  if (found.algorithm === "sha1") hash.update(`blob ${size}\0`);
  if ("file" in file) for await (const part of createReadStream(file.file)) hash.update(part as Buffer);
  else hash.update(file.text);
  return hash.digest("hex") === found.etag;
}

const REFUSALS: Record<number, string> = {
  401: "the token in HF_TOKEN is not known there, or has ended",
  403: "the token may not write there: it needs write permission, and you must be a member of the organisation",
  409: "somebody else changed the repository at the same time; push again",
  412: "somebody else changed the repository at the same time; push again",
  413: "a file is larger than the Hub takes",
  429: "too many requests; wait a little and push again, what was sent is kept",
};

function explain(name: string, error: unknown, endpoint: string, signal?: AbortSignal): unknown {
  if (signal?.aborted) return signal.reason;
  if (error instanceof HubApiError) {
    const why = REFUSALS[error.statusCode] ?? (error.statusCode >= 500 ? "push again later" : error.message);
    return new FailureError(`hf:${name}: the Hub answers ${error.statusCode}: ${why}`);
  }
  // fetch reports a network failure as a TypeError with the reason in its cause.
  if (error instanceof TypeError) {
    const { code, message } = (error.cause ?? error) as { code?: string; message?: string };
    return new HubUnreachable(
      `hf:${name}: ${endpoint} cannot be reached (${code ?? message}); push again, what was sent is kept`,
    );
  }
  return error;
}
