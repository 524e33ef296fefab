import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../errors.js";
import { regularFiles } from "../files/regular-file.js";
import { splitParts } from "../files/split-file.js";
import type { Checkpoint } from "./checkpoint.js";
import { GgufCheckpoint } from "./gguf/checkpoint.js";
import { HfFolder } from "./hf-folder.js";

export type { Checkpoint, WeightInfo } from "./checkpoint.js";

/**
 * Opens a model: a Hugging Face folder, a `.gguf` file or one of its parts, or a folder with one. Only headers are read.
 *
 * @throws UsageError when there is no such model, FailureError when its files are damaged.
 */
export function openCheckpoint(path: string): Checkpoint {
  const gguf = findGguf(path);
  return gguf === undefined ? new HfFolder(path) : new GgufCheckpoint(gguf);
}

/** The GGUF file that `path` is or holds; undefined for a Hugging Face folder. */
export function findGguf(path: string): string | undefined {
  if (!existsSync(path)) throw new UsageError(`${path}: no such model folder or file`);
  if (!statSync(path).isDirectory()) return path;
  if (existsSync(join(path, "config.json"))) return undefined;
  const found = regularFiles(path).filter((name) => name.toLowerCase().endsWith(".gguf"));
  if (found.length === 0)
    throw new UsageError(`${path}: holds neither config.json nor a .gguf file, so it is not a model folder`);
  const parts = splitParts(found.sort()[0]!);
  if (found.length > 1 && !found.every((name) => parts?.includes(name)))
    throw new UsageError(`${path}: holds ${found.length} .gguf files, name one of them: ${found.join(", ")}`);
  return join(path, found[0]!);
}
