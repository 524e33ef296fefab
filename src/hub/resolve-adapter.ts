import { existsSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../errors.js";
import type { FetchOptions } from "./cache-folder.js";
import { resolveModel } from "./resolve-model.js";

/**
 * Turns an adapter reference into a local PEFT folder: such a folder, a run folder (its adapter is meant), or
 * `hf:ORG/NAME[@REVISION]`.
 *
 * @throws UsageError where there is no adapter, FailureError when it cannot be fetched.
 */
export async function resolveAdapter(reference: string, options: FetchOptions = {}): Promise<string> {
  if (!existsSync(reference) && !/^[a-z]{2,}:/.test(reference))
    throw new UsageError(`${reference}: no such adapter folder; an adapter on the Hub is written hf:ORG/NAME`);
  const path = await resolveModel(reference, options);
  const folder = existsSync(join(path, "run.json")) ? join(path, "adapter") : path;
  if (existsSync(join(folder, "adapter_config.json"))) return folder;
  throw new UsageError(`${reference}: is no PEFT adapter: it has no adapter_config.json`);
}
