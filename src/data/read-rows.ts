import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs";
import { extname } from "node:path";
import { UsageError } from "../errors.js";
import { readJsonl } from "../files/jsonl.js";
import { readCsv } from "./csv.js";
import { looksLikeJsonLines, readJsonArray } from "./json-array.js";
import { readParquet } from "./parquet.js";
import type { OnInvalidRow, SourceRow } from "./source-row.js";

export const ROW_FORMATS = [".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet"] as const;

/**
 * Streams the rows of a JSONL, JSON, CSV, TSV or Parquet file, told apart by the name's ending.
 *
 * @param onInvalid takes malformed rows; without it the first one throws.
 * @throws UsageError with file and line on a malformed row, a missing file, or an unknown ending.
 */
export async function* readRows(path: string, onInvalid?: OnInvalidRow): AsyncGenerator<SourceRow> {
  if (!existsSync(path)) throw new UsageError(`${path}: no such file`);
  if (statSync(path).isDirectory()) throw new UsageError(`${path}: is a folder, a file was expected`);
  switch (extname(path).toLowerCase()) {
    case ".jsonl":
    case ".ndjson":
      yield* readJsonl(path, onInvalid);
      break;
    case ".json":
      if (looksLikeJsonLines(beginning(path))) yield* readJsonl(path, onInvalid);
      else yield* readJsonArray(path, onInvalid);
      break;
    case ".csv":
    case ".tsv":
      yield* readCsv(path, onInvalid);
      break;
    case ".parquet":
      yield* readParquet(path);
      break;
    default:
      throw new UsageError(`${path}: unknown kind of file; expected ${ROW_FORMATS.join(", ")}`);
  }
}

/** The first 4 MiB as text: enough for two rows of any real JSON Lines file. */
function beginning(path: string): string {
  const bytes = Buffer.alloc(4 << 20);
  const fd = openSync(path, "r");
  try {
    return bytes.toString("utf8", 0, readSync(fd, bytes));
  } finally {
    closeSync(fd);
  }
}
