import { listFiles } from "@huggingface/hub";
import { FailureError, UsageError } from "../errors.js";

/** `hf:ORG/NAME[@REVISION][:SELECTION]` */
export interface HubDataset {
  repo: string;
  revision: string;
  /** Words separated by "/" that a file's path must have, such as "train" or "main/test". */
  selection?: string;
}

const ENDINGS = [".parquet", ".jsonl", ".ndjson", ".json", ".csv", ".tsv"];
const SPLITS = /(?:^|[/_.-])(?:train|test|validation|valid|dev)(?=[/_.-]|$)/;
const NOT_DATA = /(?:^|\/)(?:\.|dataset_infos\.json$|dataset_dict\.json$|state\.json$|config\.json$|README)/i;

/** @throws UsageError when the reference is not of that form. */
export function parseHubDataset(reference: string): HubDataset {
  const match = /^hf:([\w.-]+\/[\w.-]+)(?:@([^:]+))?(?::(.+))?$/.exec(reference);
  if (!match) throw new UsageError(`${reference}: expected hf:ORG/NAME[@REVISION][:SPLIT]`);
  return { repo: match[1]!, revision: match[2] ?? "main", selection: match[3] };
}

/** Paths of all files of a data set on the Hub or a mirror. */
export async function listHubFiles(
  { repo, revision }: HubDataset,
  options: { hubUrl: string; token?: string; fetch?: typeof fetch },
): Promise<string[]> {
  const paths: string[] = [];
  try {
    const listing = listFiles({
      repo: { type: "dataset", name: repo },
      revision,
      recursive: true,
      hubUrl: options.hubUrl,
      ...(options.token ? { accessToken: options.token } : {}),
      ...(options.fetch ? { fetch: options.fetch } : {}),
    });
    for await (const file of listing) if (file.type === "file") paths.push(file.path);
  } catch (error) {
    const status = (error as { statusCode?: number }).statusCode;
    if (status === 401 || status === 403 || status === 404)
      throw new UsageError(`hf:${repo}: not found or gated (HTTP ${status}); check the name, or set HF_TOKEN`);
    if (error instanceof SyntaxError)
      throw new FailureError(
        `hf:${repo}: ${options.hubUrl} answered with a web page in place of data; is there a proxy in between?`,
      );
    throw new FailureError(`hf:${repo}: ${options.hubUrl} cannot be reached (${(error as Error).message})`);
  }
  return paths;
}

/**
 * The data files of one split in one format (Parquet before JSON Lines before CSV), sorted by path. Without a selection
 * the train split is taken.
 *
 * @throws UsageError when nothing fits, or several configurations do.
 */
export function chooseDataFiles(paths: readonly string[], { repo, selection }: HubDataset): string[] {
  const data = paths.filter((path) => ENDINGS.some((ending) => path.endsWith(ending)) && !NOT_DATA.test(path));
  let chosen = data.filter((path) => (selection ?? "train").split("/").every((word) => hasWord(path, word)));
  if (chosen.length === 0 && selection === undefined && !data.some((path) => SPLITS.test(path))) chosen = data;
  const ending = ENDINGS.find((each) => chosen.some((path) => path.endsWith(each)));
  if (ending === undefined) {
    const some = data.slice(0, 8).join(", ") || "none";
    throw new UsageError(`hf:${repo}: no data file for "${selection ?? "train"}"; files: ${some}`);
  }
  chosen = chosen.filter((path) => path.endsWith(ending)).sort();
  const folders = [...new Set(chosen.map((path) => path.split("/").slice(0, -1).join("/")))];
  if (folders.length > 1)
    throw new UsageError(
      `hf:${repo}: several sets fit; choose one, such as hf:${repo}:${folders[0]}: ${folders.join(", ")}`,
    );
  return chosen;
}

/** "train" is a word of "data/train-00000-of-00002.parquet", and "en-us" one of "en-us/test.csv". */
function hasWord(path: string, word: string): boolean {
  return path.split(/[/_.]|-(?=\d)/).includes(word) || path.split(/[/_.-]/).includes(word);
}
