/** Unpacks what the package carries of ONNX Runtime, once per machine and version. */
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { FailureError } from "../../errors.js";
import { PACKED_INDEX, type PackedFile, type PackedIndex } from "./packed.js";

/**
 * A folder that holds the platform's files uncompressed: `<place>/<version>-<hash of the files>` in the first place that has
 * one, else in the first that can be written. Processes that start together each unpack, and one of them wins.
 * @param packed folder of the platform in the package
 * @param places folders, best first
 * @throws FailureError where no place can be written, or the package's files are damaged
 */
export function unpackLibrary(packed: string, places: readonly string[]): string {
  const text = readFileSync(join(packed, PACKED_INDEX), "utf8");
  const index = JSON.parse(text) as PackedIndex;
  const name = `${index.version}-${createHash("sha256").update(text).digest("hex").slice(0, 16)}`;
  const present = places.map((place) => join(place, name)).find((folder) => isWhole(folder, index.files));
  if (present !== undefined) return present;
  const refusals: string[] = [];
  for (const place of places) {
    const made = `${join(place, name)}.${randomBytes(6).toString("hex")}`;
    try {
      mkdirSync(made, { recursive: true });
      for (const file of index.files) writeFileSync(join(made, file.name), unpackFile(packed, file), { mode: 0o755 });
      return putInPlace(made, join(place, name), index.files);
    } catch (error) {
      if (existsSync(made)) rmSync(made, { recursive: true });
      if (error instanceof FailureError) throw error;
      refusals.push((error as Error).message.split("\n")[0]!);
    }
  }
  throw new FailureError(
    `ONNX Runtime cannot be unpacked (${refusals.join("; ")}); point EVOKE_CACHE to a folder that can be written`,
  );
}

function putInPlace(made: string, folder: string, files: readonly PackedFile[]): string {
  if (existsSync(folder) && !isWhole(folder, files)) rmSync(folder, { recursive: true, force: true });
  try {
    renameSync(made, folder);
  } catch (error) {
    // Another process was first.
    if (!isWhole(folder, files)) throw error;
    rmSync(made, { recursive: true, force: true });
  }
  return folder;
}

function isWhole(folder: string, files: readonly PackedFile[]): boolean {
  if (!existsSync(folder)) return false;
  return files.every(({ name, bytes }) => statSync(join(folder, name), { throwIfNoEntry: false })?.size === bytes);
}

function unpackFile(packed: string, file: PackedFile): Buffer {
  const damaged = new FailureError(`${join(packed, file.packed)} is damaged; reinstall evoke`);
  let bytes: Buffer;
  try {
    bytes = brotliDecompressSync(readFileSync(join(packed, file.packed)), { maxOutputLength: file.bytes });
  } catch {
    throw damaged;
  }
  if (createHash("sha256").update(bytes).digest("hex") !== file.sha256) throw damaged;
  return bytes;
}
