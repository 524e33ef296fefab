import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { FailureError } from "../errors.js";
import { writeFileAtomically } from "../files/atomic-write.js";
import { readJsonObject } from "../files/json-object.js";
import { type FetchOptions, whileLocked } from "./cache-folder.js";
import {
  describeCommit,
  describeRepo,
  type HubFile,
  type HubRepo,
  HubUnreachable,
  hubFetch,
  hubSettings,
  parseHubRepo,
} from "./hub-api.js";
import { downloadBlob } from "./hub-download.js";

export interface HubOptions extends FetchOptions {
  /** Milliseconds before a broken download is first tried again. */
  backoff?: number;
}

/**
 * Fetches `ORG/NAME[@REVISION]` from the Hugging Face Hub into the cache that Hugging Face's own tools use
 * (`models--ORG--NAME/{blobs,refs,snapshots}`) and returns the snapshot's folder, or its one `.gguf` file. Only what a model
 * needs is fetched: configuration, tokenizer, safetensors. Files already there are not fetched again, missing ones are added.
 * A branch or tag stands for one commit as long as this program runs. With `HF_HUB_OFFLINE=1`, or when the Hub cannot be
 * reached, what the cache holds is used if it can be loaded.
 *
 * @throws UsageError for a malformed name, FailureError when the Hub refuses, is not reachable or sends damaged files.
 */
export async function downloadFromHub(reference: string, options: HubOptions = {}): Promise<string> {
  const repo = settled(parseHubRepo(reference));
  const { endpoint, cache, token, offline } = hubSettings();
  const folder = join(cache, `models--${repo.name.replace("/", "--")}`);
  const weights = options.weights ?? true;
  const cached = cachedSnapshot(folder, repo, weights);
  if (offline) {
    if (cached) return cached;
    throw new FailureError(`hf:${reference}: is not complete in ${folder}, and HF_HUB_OFFLINE forbids fetching it`);
  }
  // A commit never changes, so nothing needs to be asked once it was fetched as a whole.
  if (cached && isCommit(repo.revision) && isWhole(folder, repo, weights)) return cached;
  const fetcher = hubFetch(token, options.signal, options.say);
  try {
    const { commit, files } = await describeRepo(repo, fetcher, endpoint);
    const wanted = wantedFiles(repo, files, weights);
    const snapshot = join(folder, "snapshots", commit);
    const missing = wanted.filter((file) => !existsSync(join(snapshot, file.path)));
    if (missing.length) {
      await whileLocked(join(cache, ".locks", `evoke--${repo.name.replace("/", "--")}`), options, async () => {
        const source = { repo, commit, endpoint, fetcher, backoff: options.backoff };
        for (const file of missing) {
          const blob = await downloadBlob(source, file, join(folder, "blobs"), options);
          link(blob, join(snapshot, file.path));
        }
      });
    }
    if (!isCommit(repo.revision)) writeFileAtomically(join(folder, "refs", ...repo.revision.split("/")), commit);
    settle(repo, commit);
    noteWhole(folder, commit, wanted, weights);
    return modelIn(snapshot) ?? snapshot;
  } catch (error) {
    if (!(error instanceof HubUnreachable) || !cached) throw error;
    options.say?.(`${error.message}; using the copy in the cache`);
    return cached;
  }
}

/** Commits that branches and tags were found to stand for, by endpoint, name and revision. */
const commits = new Map<string, string>();

const commitKey = ({ name, revision }: HubRepo): string =>
  `${hubSettings().cache} ${hubSettings().endpoint} ${name} ${revision}`;

function settle(repo: HubRepo, commit: string): void {
  commits.set(commitKey(repo), commit);
}

function settled(repo: HubRepo): HubRepo {
  return { ...repo, revision: commits.get(commitKey(repo)) ?? repo.revision };
}

/** `hf:ORG/NAME@COMMIT` of a snapshot in the Hub's cache; undefined for any other path. */
export function hubSource(path: string): string | undefined {
  const [, name, commit] = /[\\/]models--([^\\/]+)[\\/]snapshots[\\/]([0-9a-f]{40})(?:[\\/]|$)/.exec(path) ?? [];
  return name === undefined ? undefined : `hf:${name.replace("--", "/")}@${commit}`;
}

/** The same reference with the commit that it stands for now, where it names a model of the Hub and that can be told. */
export async function pinnedReference(
  reference: string,
  options: { signal?: AbortSignal; say?: (line: string) => void } = {},
): Promise<string> {
  if (!reference.startsWith("hf:") || reference.includes(",")) return reference;
  const commit = await hubCommit(reference.slice(3), options);
  return commit === undefined ? reference : `${reference.replace(/@.*$/, "")}@${commit}`;
}

/** Where it is kept which files a commit has that a model needs; other programs fetch some of them only. */
function listOf(folder: string, commit: string): string {
  return join(folder, ".evoke", `${commit}.json`);
}

function noteWhole(folder: string, commit: string, wanted: readonly HubFile[], weights: boolean): void {
  const path = listOf(folder, commit);
  const known = existsSync(path) ? readJsonObject(path) : {};
  mkdirSync(dirname(path), { recursive: true });
  const files = wanted.map((file) => file.path);
  writeFileAtomically(path, `${JSON.stringify({ ...known, [weights ? "all" : "small"]: files })}\n`);
}

function isWhole(folder: string, { revision }: HubRepo, weights: boolean): boolean {
  const path = listOf(folder, revision);
  if (!existsSync(path)) return false;
  const { all, small } = readJsonObject(path) as { all?: string[]; small?: string[] };
  const files = weights ? all : (small ?? all);
  return files?.every((file) => existsSync(join(folder, "snapshots", revision, file))) ?? false;
}

/**
 * The commit that `ORG/NAME[@REVISION]` stands for now; the one in the cache when the Hub cannot be asked; undefined when neither
 * is known.
 */
export async function hubCommit(
  reference: string,
  { signal, say }: { signal?: AbortSignal; say?: (line: string) => void } = {},
): Promise<string | undefined> {
  const repo = settled(parseHubRepo(reference));
  if (isCommit(repo.revision)) return repo.revision;
  const { endpoint, cache, token, offline } = hubSettings();
  const known = cachedCommit(join(cache, `models--${repo.name.replace("/", "--")}`), repo);
  if (offline) return known;
  try {
    const commit = await describeCommit(repo, hubFetch(token, signal, say), endpoint);
    settle(repo, commit);
    return commit;
  } catch (error) {
    if (!(error instanceof FailureError)) throw error;
    if (known !== undefined) say?.(`${error.message}; using the copy in the cache`);
    return known;
  }
}

function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/** The files of a repository that a model is made of. Formats that double the safetensors are left out. */
function wantedFiles(repo: HubRepo, files: HubFile[], weights: boolean): HubFile[] {
  const top = files.filter((file) => !file.path.includes("/"));
  const small = top.filter((file) => /\.(json|jinja|txt|model)$|^README\.md$/.test(file.path));
  if (!weights && small.some((file) => file.path === "config.json")) return small;
  const safetensors = top.filter((file) => file.path.endsWith(".safetensors"));
  if (safetensors.length) {
    const model = safetensors.filter((file) => /^model(-\d+-of-\d+)?\.safetensors$/.test(file.path));
    return [...small, ...(model.length ? model : safetensors)];
  }
  const gguf = files.filter((file) => file.path.endsWith(".gguf"));
  if (gguf.length === 1) return [...small, ...gguf];
  if (gguf.length > 1) {
    throw new FailureError(
      `hf:${repo.name}: holds ${gguf.length} .gguf files; download one and name its path: ${gguf.map((file) => file.path).join(", ")}`,
    );
  }
  throw new FailureError(`hf:${repo.name}: has no safetensors and no .gguf file, so it cannot be loaded`);
}

/** The snapshot that the cache holds of this revision, when it is complete enough to load. */
function cachedSnapshot(folder: string, repo: HubRepo, weights: boolean): string | undefined {
  const commit = cachedCommit(folder, repo);
  return commit === undefined ? undefined : modelIn(join(folder, "snapshots", commit), weights);
}

/** The commit that the cache knows a revision by. */
function cachedCommit(folder: string, { revision }: HubRepo): string | undefined {
  if (isCommit(revision)) return revision;
  const ref = join(folder, "refs", ...revision.split("/"));
  const commit = existsSync(ref) ? readFileSync(ref, "utf8").trim() : "";
  return isCommit(commit) ? commit : undefined;
}

/** The model of a snapshot: the folder when config and every weight file are there, or its one .gguf file. */
function modelIn(snapshot: string, weights = true): string | undefined {
  if (!existsSync(snapshot)) return undefined;
  if (existsSync(join(snapshot, "adapter_config.json")) && !existsSync(join(snapshot, "config.json")))
    return existsSync(join(snapshot, "adapter_model.safetensors")) ? snapshot : undefined;
  if (existsSync(join(snapshot, "config.json"))) {
    if (!weights && existsSync(join(snapshot, "tokenizer.json"))) return snapshot;
    const index = join(snapshot, "model.safetensors.index.json");
    if (existsSync(index)) {
      const shards = new Set(Object.values((readJsonObject(index).weight_map ?? {}) as Record<string, string>));
      return [...shards].every((shard) => existsSync(join(snapshot, shard))) ? snapshot : undefined;
    }
    if (readdirSync(snapshot).some((name) => name.endsWith(".safetensors"))) return snapshot;
  }
  const gguf = readdirSync(snapshot, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".gguf"));
  return gguf.length === 1 ? join(snapshot, gguf[0]!) : undefined;
}

/** Points a snapshot's file at its blob; copies it where the system has no symbolic links for us. */
function link(blob: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  rmSync(path, { force: true });
  try {
    symlinkSync(relative(dirname(path), blob), path);
  } catch {
    copyFileSync(blob, path);
  }
}
