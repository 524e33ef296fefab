/** Files of public repositories at a commit, known by their SHA-256: benchmarks, and the prompts of the original tools. */
import { existsSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { FailureError, UnreachableError, UsageError } from "../errors.js";
import { sha256OfFile } from "../files/sha256.js";
import { isOffline } from "../hub/offline.js";
import { downloadFile } from "./download.js";
import { type LocateOptions, locateData } from "./source-files.js";

/** Where a copy is looked for, and where the file comes from. */
export interface PinnedFile {
  /** Paths under the data folder, best first; the first is also where a fetched copy goes. */
  local: readonly [string, ...string[]];
  remote: { url: string; sha256: string } | { hub: string };
}

const GITHUB = "https://raw.githubusercontent.com";

/** A repository and the commit that its files are read at. */
export type Repository = readonly [name: string, commit: string];

export const RESPONSE_TUNING: Repository = ["seokhyunan/response-tuning", "65b848e40bdeb01dd80b17b0eadad4d1901d8f6a"];
export const SELF_INSTRUCT: Repository = ["yizhongw/self-instruct", "0b26ccaa415992100fa32df62d41b994cf928e23"];

export const githubFile = (
  repository: string,
  commit: string,
  path: string,
  sha256: string,
): { url: string; sha256: string } => ({ url: `${GITHUB}/${repository}/${commit}/${path}`, sha256 });

/** `OWNER/NAME@COMMIT:PATH` of a file on GitHub, with the commit's first seven characters; a set of the Hub as it is. */
export function sourceOf({ remote }: PinnedFile): string {
  if ("hub" in remote) return remote.hub;
  const [, repository, commit, path] = /^https:\/\/[^/]+\/([^/]+\/[^/]+)\/([^/]+)\/(.*)$/.exec(remote.url)!;
  return `${repository}@${commit!.slice(0, 7)}:${path}`;
}

/**
 * Path of a pinned file: a copy under the data folder (by its own name, or in a checkout of its repository in `originals/NAME`), or
 * fetched into it (default `~/.cache/evoke/data`). `EVOKE_GITHUB_MIRROR` stands in for raw.githubusercontent.com.
 *
 * @throws FailureError when it cannot be fetched, or its bytes are not those that were pinned.
 */
export async function locatePinnedFile(file: PinnedFile, options: LocateOptions = {}): Promise<string> {
  const { env = process.env } = options;
  const root = options.dataDir ?? join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "evoke", "data");
  const copy = [...file.local, ...checkoutPath(file)].map((path) => join(root, path)).find((path) => existsSync(path));
  if (copy) return copy;
  if ("hub" in file.remote) return (await locateData(file.remote.hub, options)).files[0]!;
  const target = join(root, file.local[0]);
  if (options.fetchMissing === false) throw new UsageError(`${target}: no copy at hand`);
  const mirror = env.EVOKE_GITHUB_MIRROR?.replace(/\/+$/, "");
  const url = mirror ? file.remote.url.replace(GITHUB, mirror) : file.remote.url;
  if (isOffline(env)) throw unreachable(new FailureError(`${url}: HF_HUB_OFFLINE forbids fetching it`), target);
  options.say?.(`fetching ${url}`);
  try {
    await downloadFile(url, target, { signal: options.signal, fetch: options.fetch });
  } catch (error) {
    if (!(error instanceof FailureError)) throw error;
    throw unreachable(error, target);
  }
  const found = sha256OfFile(target);
  if (found !== file.remote.sha256) {
    rmSync(target);
    throw new FailureError(`${url}: SHA-256 is ${found}, expected ${file.remote.sha256}; nothing of it is kept`);
  }
  return target;
}

const unreachable = (cause: FailureError, target: string): UnreachableError =>
  new UnreachableError(`${cause.message}; put the file at ${target}, or name a mirror in EVOKE_GITHUB_MIRROR`, {
    cause,
  });

/** `originals/just-eval/just_eval/utils.py`: where the file lies in a clone of its repository. */
function checkoutPath({ remote }: PinnedFile): string[] {
  if ("hub" in remote) return [];
  const [, name, path] = /^https:\/\/[^/]+\/[^/]+\/([^/]+)\/[^/]+\/(.*)$/.exec(remote.url)!;
  return [join("originals", name!, path!)];
}
