import { existsSync, readdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join, relative } from "node:path";
import { FailureError, UsageError } from "../errors.js";
import { isOffline } from "../hub/offline.js";
import { downloadFile } from "./download.js";
import { chooseDataFiles, listHubFiles, parseHubDataset } from "./hub-dataset.js";
import { ROW_FORMATS } from "./read-rows.js";
import { type DataSource, findSource, type LocalCopy, unknownSource } from "./sources.js";

const HUB = "https://huggingface.co";

/** Ends the name of a file that says how the rows beside it were made. */
export const RECORD_ENDING = ".record.json";

export interface LocateOptions {
  /** Folder with local copies, looked at before anything is fetched; also where fetched files go. */
  dataDir?: string;
  /** Base URL used in place of the Hub (default HF_ENDPOINT, then the Hub itself). */
  mirror?: string;
  /** Fetch what is not there; default true. */
  fetchMissing?: boolean;
  say?: (line: string) => void;
  signal?: AbortSignal;
  env?: NodeJS.ProcessEnv;
  fetch?: typeof fetch;
}

/** Files that hold a data set's rows. */
export interface LocatedData {
  /** Short name that goes into the rows' `source`. */
  name: string;
  files: string[];
  source?: DataSource;
  /** What the files hold, where another set's copy stands in for the source. */
  holds?: LocalCopy["holds"];
}

/**
 * Finds a data set: a name of the catalogue, `hf:ORG/NAME[@REV][:SPLIT]`, or a local file. Copies under the data folder
 * come first; otherwise it is fetched from the Hub, a mirror or its original URL into the data folder (default
 * `~/.cache/evoke/data`).
 *
 * @throws UsageError for an unknown name, FailureError when it cannot be fetched.
 */
export async function locateData(reference: string, options: LocateOptions = {}): Promise<LocatedData> {
  const source = findSource(reference);
  if (source) {
    const { path, holds } = await locateSource(source, options);
    return { name: source.name, files: [path], source, ...(holds ? { holds } : {}) };
  }
  if (reference.startsWith("hf:")) return locateHub(reference, options);
  const path = [reference, options.dataDir && join(options.dataDir, reference)].find(
    (each) => each && existsSync(each),
  );
  if (!path) throw unknownSource(reference);
  const files = statSync(path).isDirectory() ? dataFilesIn(path) : [path];
  if (files.length === 0) throw new UsageError(`${path}: no data file in this folder (${ROW_FORMATS.join(", ")})`);
  return { name: basename(path).replace(/\.[^.]+$/, ""), files };
}

/** Where a catalogue entry's copy lies, if there is one. */
export function findLocalCopy(
  source: DataSource,
  options: LocateOptions = {},
): { path: string; holds?: LocalCopy["holds"] } | undefined {
  const { dataDir } = options;
  const places = source.local.map((each) => (typeof each === "string" ? { path: each } : each));
  const candidates = dataDir === undefined ? [] : places.map((each) => ({ ...each, path: join(dataDir, each.path) }));
  candidates.push({ path: join(cacheFolder(options), source.name, fileName(source)) });
  return candidates.find(({ path }) => existsSync(path));
}

async function locateSource(
  source: DataSource,
  options: LocateOptions,
): Promise<Pick<LocatedData, "holds"> & { path: string }> {
  const copy = findLocalCopy(source, options);
  if (copy) return copy;
  const { remote } = source;
  const target = join(options.dataDir ?? cacheFolder(options), source.name, fileName(source));
  const url = "url" in remote ? remote.url : resolveUrl(hubUrl(options), remote.repo, "main", remote.file);
  if (options.fetchMissing === false)
    throw new UsageError(`${source.name}: not downloaded; run \`evoke data get ${source.name}\``);
  await fetchTo(url, target, options, "repo" in remote);
  return { path: target };
}

async function locateHub(reference: string, options: LocateOptions): Promise<LocatedData> {
  const dataset = parseHubDataset(reference);
  const name = dataset.repo;
  for (const folder of [dataset.repo, dataset.repo.split("/")[1]!]) {
    const local = options.dataDir && join(options.dataDir, folder);
    if (!local || !existsSync(local)) continue;
    const paths = dataFilesIn(local).map((path) => relative(local, path));
    if (paths.length > 0) return { name, files: chooseDataFiles(paths, dataset).map((path) => join(local, path)) };
  }
  const hub = hubUrl(options);
  const files: string[] = [];
  const root = options.dataDir ?? cacheFolder(options);
  const parts = [root, dataset.repo, ...(dataset.revision === "main" ? [] : [dataset.revision.replace(/\W+/g, "-")])];
  const copy = join(...parts);
  const cached = existsSync(copy) ? dataFilesIn(copy).map((path) => relative(copy, path)) : [];
  const fromCopy = (): LocatedData => {
    const chosen = chooseDataFiles(cached, dataset);
    checkParts(reference, chosen);
    return { name, files: chosen.map((path) => join(copy, path)) };
  };
  if (isOffline(options.env)) {
    if (cached.length > 0) return fromCopy();
    throw new FailureError(`${reference}: is not in ${root}, and HF_HUB_OFFLINE forbids fetching it`);
  }
  let listed: string[];
  try {
    listed = await listHubFiles(dataset, { hubUrl: hub, token: token(options), fetch: options.fetch });
  } catch (error) {
    if (!(error instanceof FailureError) || cached.length === 0) throw error;
    options.say?.(`${error.message}; using the copy in ${copy}`);
    return fromCopy();
  }
  for (const path of chooseDataFiles(listed, dataset)) {
    const target = join(...parts, path);
    if (!existsSync(target) && options.fetchMissing === false)
      throw new UsageError(`${reference}: not downloaded; run \`evoke data get ${reference}\``);
    if (!existsSync(target))
      await fetchTo(resolveUrl(hub, dataset.repo, dataset.revision, path), target, options, true);
    files.push(target);
  }
  return { name, files };
}

/** A set in numbered parts, fetched in part only, is not the set. */
function checkParts(reference: string, paths: readonly string[]): void {
  const [, total] = /-\d+-of-(\d+)\./.exec(paths[0] ?? "") ?? [];
  if (total !== undefined && paths.length !== Number(total))
    throw new FailureError(`${reference}: ${paths.length} of ${Number(total)} parts are in the cache; fetch it anew`);
}

async function fetchTo(url: string, target: string, options: LocateOptions, isHub: boolean): Promise<void> {
  if (isOffline(options.env)) throw new FailureError(`${url}: HF_HUB_OFFLINE forbids fetching it`);
  options.say?.(`fetching ${url}`);
  await downloadFile(url, target, {
    token: isHub ? token(options) : undefined,
    signal: options.signal,
    fetch: options.fetch,
  });
  options.say?.(`saved as ${target}`);
}

function dataFilesIn(folder: string): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.name.endsWith(RECORD_ENDING)) continue;
    if (entry.isFile() && ROW_FORMATS.some((ending) => entry.name.toLowerCase().endsWith(ending))) found.push(path);
  }
  return found.sort();
}

function resolveUrl(hub: string, repo: string, revision: string, path: string): string {
  return `${hub}/datasets/${repo}/resolve/${encodeURIComponent(revision)}/${path.split("/").map(encodeURIComponent).join("/")}`;
}

function fileName(source: DataSource): string {
  return basename("url" in source.remote ? source.remote.url : source.remote.file);
}

function hubUrl({ mirror, env = process.env }: LocateOptions): string {
  return (mirror ?? (env.HF_ENDPOINT || HUB)).replace(/\/+$/, "");
}

function token({ env = process.env }: LocateOptions): string | undefined {
  return env.HF_TOKEN || undefined;
}

function cacheFolder({ env = process.env }: LocateOptions): string {
  return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "evoke", "data");
}
