/** Folders that appear whole or not at all. */
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** Fills a hidden sibling of `folder`, which must not exist yet, and renames it. What a failed attempt left is removed. */
export function replaceFolder(folder: string, write: (temporary: string) => void): void {
  const temporary = join(dirname(folder), `.${basename(folder)}.tmp`);
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  try {
    write(temporary);
    renameSync(temporary, folder);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
}
