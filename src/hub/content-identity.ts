/**
 * What a model, an adapter or any file *is*, as opposed to where it lies: SHA-256 over all bytes. Keys of steps, journals and runs
 * are made of it. Gigabytes are read once: the hash of a large file is kept in the cache for as long as path, size, times and inode
 * stay the same.
 */
import { createHash } from "node:crypto";
import {
  type BigIntStats,
  createReadStream,
  existsSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { UsageError } from "../errors.js";
import { writeFileAtomically } from "../files/atomic-write.js";
import { canonicalJson } from "../files/canonical-json.js";
import { evokeCache } from "../files/evoke-cache.js";
import { sha256 } from "../files/sha256.js";
import { splitParts } from "../files/split-file.js";

/** The content of one or several files. */
export interface ContentIdentity {
  /** Hex SHA-256 over `files`. */
  id: string;
  /** Hex SHA-256 of all bytes, by what each file is called within the whole, such as `model/config.json`. */
  files: Readonly<Record<string, string>>;
}

export interface IdentityOptions {
  /** Told that a long reading began, and how far it is every five seconds. */
  say?: (line: string) => void;
  signal?: AbortSignal;
}

/** Files of a model folder that can change what the model says: weights, configuration, tokenizer, templates. */
const MODEL_FILE = /\.(json|jinja|safetensors|gguf|model)$|^(merges|vocab)\.txt$/;
/** Smaller files are read again in less time than their entry in the cache. */
const CACHED_FROM = 256 << 10;
/** Readings that take seconds: they are told. */
const TOLD_FROM = 2e9;
/** A file changed this shortly before it was read may change again within the same tick of its clock. Nanoseconds. */
const SETTLED = 2_000_000_000n;

/**
 * The identity of what several paths make up. A folder stands for the files of a model in it, a path that is a file for itself or, if it is a part of one, for all parts;
 * neither's own name counts.
 *
 * @param parts paths by the part that each plays, such as `{ model, adapter }`. Files are named `PART/NAME`, or `PART`.
 * @throws UsageError when a path is not there.
 */
export async function identifyContent(
  parts: Readonly<Record<string, string>>,
  options: IdentityOptions = {},
): Promise<ContentIdentity> {
  const paths = Object.entries(parts).flatMap(([part, path]): [string, string][] => {
    if (!existsSync(path)) throw new UsageError(`${path}: no such file or folder`);
    if (!statSync(path).isDirectory()) {
      const pieces = splitParts(path)?.filter((piece) => existsSync(piece)) ?? [path];
      return pieces.length === 1
        ? [[part, path]]
        : pieces.map((piece, i): [string, string] => [`${part}/${String(i).padStart(5, "0")}`, piece]);
    }
    const names = readdirSync(path).filter((name) => MODEL_FILE.test(name) && statSync(join(path, name)).isFile());
    return names.sort().map((name) => [`${part}/${name}`, join(path, name)]);
  });
  const files: Record<string, string> = {};
  for (const [name, path] of paths) files[name] = await identifyFile(path, options);
  return { id: sha256(canonicalJson(files)), files };
}

/**
 * Hex SHA-256 over all bytes of a file.
 *
 * @throws UsageError when it is not there, or is a folder.
 */
export async function identifyFile(path: string, options: IdentityOptions = {}): Promise<string> {
  if (!existsSync(path)) throw new UsageError(`${path}: no such file`);
  const real = realpathSync(path);
  const stats = statSync(real, { bigint: true });
  if (!stats.isFile()) throw new UsageError(`${path}: is a folder, a file was expected`);
  if (stats.size < CACHED_FROM) return sha256(readFileSync(real));
  const entry = join(evokeCache(), "identities", `${sha256(real)}.json`);
  const stamp = stampOf(stats);
  const known = readEntry(entry);
  if (known?.path === real && known.stamp === stamp) return known.sha256;
  const began = BigInt(Date.now()) * 1_000_000n;
  const hash = await readWhole(real, Number(stats.size), options);
  const isSettled = began - stats.mtimeNs > SETTLED && began - stats.ctimeNs > SETTLED;
  if (isSettled && stampOf(statSync(real, { bigint: true })) === stamp)
    keepEntry(entry, { path: real, stamp, sha256: hash });
  return hash;
}

/** Names of the files in which two identities differ, each once, in order. */
export function changedFiles(before: ContentIdentity["files"], after: ContentIdentity["files"]): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].filter((name) => before[name] !== after[name]).sort();
}

interface CacheEntry {
  path: string;
  /** Everything by which the file system tells that a file was written. */
  stamp: string;
  sha256: string;
}

function stampOf({ size, mtimeNs, ctimeNs, ino, dev }: BigIntStats): string {
  return [size, mtimeNs, ctimeNs, ino, dev].join(" ");
}

function readEntry(path: string): CacheEntry | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as CacheEntry;
  } catch {
    return undefined; // not there, or damaged: the file is read again
  }
}

function keepEntry(path: string, entry: CacheEntry): void {
  try {
    writeFileAtomically(path, JSON.stringify(entry));
  } catch {
    // A cache that cannot be written costs time only.
  }
}

async function readWhole(path: string, size: number, { say, signal }: IdentityOptions): Promise<string> {
  const hash = createHash("sha256");
  let done = 0;
  let told = Date.now();
  const isLong = size >= TOLD_FROM;
  if (isLong) say?.(`${path}: reading ${gigabytes(size)} GB to identify them; done once`);
  for await (const chunk of createReadStream(path, { highWaterMark: 4 << 20, signal })) {
    hash.update(chunk as Buffer);
    done += (chunk as Buffer).length;
    if (!isLong || Date.now() - told < 5000) continue;
    told = Date.now();
    say?.(`${path}: ${gigabytes(done)} of ${gigabytes(size)} GB`);
  }
  return hash.digest("hex");
}

const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(1);
