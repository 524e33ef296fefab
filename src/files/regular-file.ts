/** Files that are files: a named pipe or a device where a file belongs would block the reader, or never end. */
import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../errors.js";

/** Reads a text file. @throws UsageError for anything but a regular file; the system's error when it cannot be opened. */
export function readRegularFile(path: string): string {
  // A pipe without a writer would hold up the opening itself.
  const fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stat = fstatSync(fd);
    if (stat.isDirectory()) throw new UsageError(`${path}: is a folder, a file was expected`);
    if (!stat.isFile()) throw new UsageError(`${path}: is no regular file`);
    return readFileSync(fd, "utf8");
  } finally {
    closeSync(fd);
  }
}

/** Names of the regular files of a folder, links to files included, sorted; pipes, devices and folders are left out. */
export function regularFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() || (entry.isSymbolicLink() && leadsToFile(folder, entry.name)))
    .map(({ name }) => name)
    .sort();
}

function leadsToFile(folder: string, name: string): boolean {
  return statSync(join(folder, name), { throwIfNoEntry: false })?.isFile() === true;
}
