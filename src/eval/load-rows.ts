import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { readRows } from "../data/read-rows.js";
import { type LocateOptions, locateData } from "../data/source-files.js";
import { UsageError } from "../errors.js";
import { sha256OfFile } from "../files/sha256.js";
import { Row } from "./row.js";
import type { TaskData } from "./task.js";

export interface RowSource extends LocateOptions {
  /** A file named by the user in place of the benchmark's own. */
  file?: string;
  /** Takes the messages of malformed rows; without it the first one throws. */
  onInvalid?: (message: string) => void;
}

/** A file that rows were read from. */
export interface RowFile {
  name: string;
  sha256: string;
  /** Rows in it, before any limit; malformed ones that were left out are not among them. */
  rows: number;
}

/** A benchmark's rows with the files they are from. */
export interface LoadedRows {
  rows: Row[];
  files: RowFile[];
  /** What stands in for the whole split, when it is not there. */
  standIn?: string;
}

/**
 * Rows of a split: a file named by the user, `DATA_DIR/core/FOLDER/SPLIT.jsonl`, or the Hub's data set.
 *
 * @throws UsageError for a missing file or a malformed row, FailureError when the Hub cannot be reached.
 */
export async function loadSplit(data: TaskData, split: string, source: RowSource = {}): Promise<LoadedRows> {
  const { files, standIn } = await locateSplit(data, split, source);
  return { ...(await readFiles(files, source)), ...(standIn === undefined ? {} : { standIn }) };
}

/** The files of `loadSplit`. */
export async function locateSplit(
  data: TaskData,
  split: string,
  source: RowSource = {},
): Promise<{ files: string[]; standIn?: string }> {
  if (source.file) return { files: [source.file] };
  const folder = source.dataDir && join(source.dataDir, "core", data.folder);
  if (folder && existsSync(folder)) {
    const whole = join(folder, `${split}.jsonl`);
    if (existsSync(whole)) return { files: [whole] };
    const standIn = (data.standIns ?? []).map((name) => join(folder, name)).find((path) => existsSync(path));
    // Stand-ins are parts of the scored split; shots must come from another one.
    if (standIn && split === "validation") return { files: [standIn], standIn: basename(standIn) };
    throw new UsageError(
      `${whole}: no such file; name one with --rows, or leave --data-dir out to fetch hf:${data.hub}`,
    );
  }
  const selection = [...(data.config ? [data.config] : []), split].join("/");
  return { files: (await locateData(`hf:${data.hub}:${selection}`, source)).files };
}

/** All rows of data files, in order, each with its file and line for messages. */
export async function readFiles(files: readonly string[], source: RowSource = {}): Promise<LoadedRows> {
  const rows: Row[] = [];
  const read: RowFile[] = [];
  for (const file of files) {
    const before = rows.length;
    for await (const { row, line } of readRows(file, source.onInvalid)) rows.push(new Row(row, `${file}:${line}`));
    read.push({ name: basename(file), sha256: sha256OfFile(file), rows: rows.length - before });
  }
  if (rows.length === 0) throw new UsageError(`${files.join(", ")}: holds no rows`);
  return { rows, files: read };
}
