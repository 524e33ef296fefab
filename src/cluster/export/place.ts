/** Where another trainer's folder may lie: on this machine, in S3-compatible storage, on the Hub. */
import { createReadStream, existsSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { FailureError, UsageError } from "../../errors.js";
import { describeRepo, hubFetch, hubSettings, parseHubRepo } from "../../hub/hub-api.js";
import { findObject } from "../ray/s3.js";

/** Opens a file by its path in the folder; undefined where there is none. */
export type Place = (name: string) => Promise<Readable | undefined>;

/**
 * @param reference a folder, `s3://BUCKET/PREFIX` or `hf:ORG/NAME[@REV]`.
 * @throws UsageError for a folder that is not there. Opening throws FailureError when a storage refuses or cannot be reached.
 */
export function openPlace(reference: string, say: (line: string) => void): Place {
  if (reference.startsWith("s3://")) {
    const root = reference.replace(/\/+$/, "");
    return async (name) => readable(await findObject(`${root}/${name}`));
  }
  if (reference.startsWith("hf:")) return onHub(reference, say);
  if (!existsSync(reference)) throw new UsageError(`${reference}: not found`);
  return async (name) => (existsSync(join(reference, name)) ? createReadStream(join(reference, name)) : undefined);
}

function onHub(reference: string, say: (line: string) => void): Place {
  const repo = parseHubRepo(reference.slice(3));
  const { endpoint, token } = hubSettings();
  const fetcher = hubFetch(token, undefined, say);
  let commit: Promise<string> | undefined;
  return async (name) => {
    commit ??= describeRepo(repo, fetcher, endpoint).then((found) => found.commit);
    const response = await fetcher(`${endpoint}/${repo.name}/resolve/${await commit}/${name}`);
    if (response.status === 404) return undefined;
    if (!response.ok) throw new FailureError(`${reference}: the Hub answers ${response.status} for ${name}`);
    return readable(response);
  };
}

function readable(response: Response | undefined): Readable | undefined {
  return response?.body ? Readable.fromWeb(response.body as never) : undefined;
}
