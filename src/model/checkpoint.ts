import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../errors.js";
import type { Nf4Weight } from "../quant/nf4.js";
import { GgufCheckpoint } from "./gguf-checkpoint.js";
import { HfFolder } from "./hf-folder.js";

export interface WeightInfo {
  name: string;
  /** Row-major, outermost first. */
  shape: number[];
  /** How it is stored: F32, F16, BF16, Q8_0, Q4_K, …, bnb-nf4, bnb-fp4, bnb-int8. */
  format: string;
}

/** Weights and configuration of a model on disk, under Hugging Face names and layouts whatever the format. */
export interface Checkpoint {
  /** Path, for messages. */
  readonly source: string;
  /** Fields of config.json; for GGUF the same fields rebuilt from its metadata. */
  readonly config: Record<string, unknown>;
  readonly generationConfig: Record<string, unknown>;
  names(): string[];
  has(name: string): boolean;
  /** @throws FailureError naming the weight when it is missing. */
  info(name: string): WeightInfo;
  /** The whole weight in fp32, row-major, read in pieces. `out` must have exactly its number of values. */
  read(name: string, out?: Float32Array): Float32Array;
  /** Some rows of a matrix, in the order asked for, without reading the rest. */
  readRows(name: string, rows: ArrayLike<number>, out?: Float32Array): Float32Array;
  /** The weight as stored when that is bitsandbytes 4 bit. */
  readNf4(name: string): Nf4Weight | undefined;
  close(): void;
}

/**
 * Opens a model: a Hugging Face folder, a `.gguf` file, or a folder with one `.gguf` file. Only headers are read.
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
  const found = readdirSync(path).filter((name) => name.toLowerCase().endsWith(".gguf"));
  if (found.length === 0)
    throw new UsageError(`${path}: holds neither config.json nor a .gguf file, so it is not a model folder`);
  if (found.length > 1)
    throw new UsageError(`${path}: holds ${found.length} .gguf files, name one of them: ${found.sort().join(", ")}`);
  return join(path, found[0]!);
}
