/** Which model the workers load, and the files of a small local one. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { findGguf } from "../../checkpoint/open.js";
import { UsageError } from "../../errors.js";

/** A model as the workers load it. */
export interface WorkerModel {
  /** Hub name, path on the workers, or `package:model`: within the uploaded package. */
  name: string;
  revision?: string;
  /** Folder to upload as `model/`. */
  upload?: string;
}

/** Largest local model that travels with the job, in bytes. */
const UPLOAD_LIMIT = 64e6;

/**
 * Decides where the workers find the recipe's model: `cluster.model`, else its place on the Hub at the very commit that
 * was tokenised with, else a small local folder is uploaded.
 * @param path where it was found here.
 * @throws UsageError when the workers cannot get at it.
 */
export function workerModel(reference: string, path: string, named: string | undefined): WorkerModel {
  if (named !== undefined) return parseWorkerModel(named);
  const [, repository, commit] = /models--([^/\\]+)[/\\]snapshots[/\\]([0-9a-f]{40})$/.exec(path) ?? [];
  if (repository !== undefined) return { name: repository.replace("--", "/"), revision: commit };
  const hint = "put it where the workers see it and name it in cluster.model (a path there, or hf:ORG/NAME)";
  if (findGguf(path) !== undefined || !existsSync(join(path, "config.json")))
    throw new UsageError(`${reference}: workers load Hugging Face folders, not GGUF; ${hint}`);
  const size = readdirSync(path).reduce((sum, name) => sum + statSync(join(path, name)).size, 0);
  if (size > UPLOAD_LIMIT)
    throw new UsageError(
      `${reference}: is on this machine and too large to upload (${Math.round(size / 1e6)} MB); ${hint}`,
    );
  return { name: "package:model", upload: path };
}

function parseWorkerModel(text: string): WorkerModel {
  const [, hub] = /^hf:(.+)$/.exec(text) ?? [];
  if (hub === undefined) return { name: text };
  const [name, revision] = hub.split("@");
  return { name: name!, ...(revision ? { revision } : {}) };
}
