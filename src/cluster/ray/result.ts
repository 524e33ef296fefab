/** Brings the result of a job into the run folder: every file checked, then the folder put in place in one step. */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { EvokeError, FailureError } from "../../errors.js";
import { fsyncFolder } from "../../files/atomic-write.js";
import { describeRepo, hubFetch, hubSettings, parseHubRepo } from "../../hub/hub-api.js";
import type { ClusterSettings } from "../../recipe/cluster.js";
import { fileSchema, type ResultFile } from "./job-events.js";
import { openObject } from "./s3.js";

export interface JobResult {
  kind: "adapter" | "model";
  files: readonly ResultFile[];
  /** Contents that came in the job's output, by file name: pieces and their places. */
  pieces: ReadonlyMap<string, ReadonlyMap<number, Uint8Array>>;
}

type Open = (name: string) => Promise<Readable>;

/** Beside the weights: the steps as the job told them, a line each. */
const STEPS = "steps.jsonl";

/**
 * Fetches the files of a job's result to `target`, which is replaced whole.
 * @returns the steps that lie beside them, as JSON texts; none where a job kept none.
 * @throws FailureError when a file is missing, cannot be fetched or is not what the job wrote; `target` is then as before.
 */
export async function fetchResult(
  result: JobResult,
  target: string,
  job: string,
  cluster: Pick<ClusterSettings, "storage" | "storage_local">,
): Promise<string[]> {
  const open = opener(result, job, cluster);
  let steps: string[] = [];
  const temporary = `${target}.tmp`;
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true });
  try {
    for (const file of result.files) await fetchFile(file, await open(file.name), join(temporary, basename(file.name)));
    if (result.files.some(({ name }) => name === STEPS)) {
      steps = (await readFile(join(temporary, STEPS), "utf8")).split("\n").filter((line) => line !== "");
      await rm(join(temporary, STEPS));
    }
    fsyncFolder(temporary);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    if (error instanceof EvokeError) throw error;
    throw new FailureError(`the result of ${job} cannot be fetched: ${(error as Error).message}`, { cause: error });
  }
  await rm(target, { recursive: true, force: true });
  await rename(temporary, target);
  return steps;
}

/**
 * What lies in a job's storage, by the list that was written there last. For a job that has ended well but whose output is lost.
 * @throws FailureError when there is no such list.
 */
export async function listedResult(
  kind: JobResult["kind"],
  job: string,
  cluster: Pick<ClusterSettings, "storage" | "storage_local">,
): Promise<JobResult> {
  const none = { kind, files: [], pieces: new Map() };
  const bytes: Buffer[] = [];
  if (cluster.storage === "job") throw new FailureError(`${job} ended well but its output names no result`);
  for await (const piece of await opener(none, job, cluster)("manifest.json")) bytes.push(piece as Buffer);
  const parsed = z.array(fileSchema).safeParse(JSON.parse(Buffer.concat(bytes).toString("utf8")));
  if (!parsed.success) throw new FailureError(`${cluster.storage}: the list of the result of ${job} is not readable`);
  return { ...none, files: parsed.data };
}

function opener(result: JobResult, job: string, cluster: Pick<ClusterSettings, "storage" | "storage_local">): Open {
  const { storage } = cluster;
  if (storage === "job") return async (name) => Readable.from(joined(name, result));
  if (storage.startsWith("hf:")) return hubOpener(storage.slice(3));
  if (storage.startsWith("s3://")) {
    const root = `${storage.replace(/\/+$/, "")}/${job}/${result.kind}`;
    return async (name) => Readable.fromWeb((await openObject(`${root}/${name}`)).body as never);
  }
  const folder = join(cluster.storage_local ?? storage, job, result.kind);
  return async (name) => {
    if (!existsSync(join(folder, name)))
      throw new FailureError(
        `${join(folder, name)}: is not there; if the storage has another path on this machine, name it in cluster.storage_local`,
      );
    return createReadStream(join(folder, name));
  };
}

/** A file from its pieces in the job's output. */
function joined(name: string, { pieces }: JobResult): Uint8Array[] {
  const found = [...(pieces.get(name) ?? [])].sort(([a], [b]) => a - b);
  return found.map(([, bytes]) => bytes).filter((bytes) => bytes.length > 0);
}

function hubOpener(reference: string): Open {
  const repo = parseHubRepo(reference);
  const { endpoint, token } = hubSettings();
  const fetcher = hubFetch(token);
  const commit = describeRepo(repo, fetcher, endpoint).then((found) => found.commit);
  return async (name) => {
    const response = await fetcher(`${endpoint}/${repo.name}/resolve/${await commit}/${name}`);
    if (!response.ok || !response.body)
      throw new FailureError(`hf:${reference}: the Hub answers ${response.status} for ${name}`);
    return Readable.fromWeb(response.body as never);
  };
}

async function fetchFile(file: ResultFile, source: Readable, path: string): Promise<void> {
  const hash = createHash("sha256");
  let size = 0;
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      size += chunk.length;
      done(null, chunk);
    },
  });
  if (file.size === 0) await writeFile(path, "");
  else await pipeline(source, check, createWriteStream(path, { flush: true }));
  if (size !== file.size || hash.digest("hex") !== file.sha256)
    throw new FailureError(
      `${file.name}: came damaged or cut off (${size} of ${file.size} bytes); run again to fetch it`,
    );
}
