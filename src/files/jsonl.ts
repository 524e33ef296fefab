import { createReadStream } from "node:fs";
import { UsageError } from "../errors.js";
import { writeFileAtomically } from "./atomic-write.js";
import { type JsonRow, parseJsonRow } from "./json-row.js";

export type { JsonRow } from "./json-row.js";

/** One row of a JSON Lines file with its 1-based line number. */
export interface NumberedRow {
  line: number;
  row: JsonRow;
}

const MAX_LINE_BYTES = 64 << 20;

/**
 * Streams the rows of a JSON Lines file. Lines end at "\n" only: some strings hold U+2028 or U+0085.
 * Blank lines are skipped. A line that is not a JSON object throws a UsageError naming file and line,
 * unless `onInvalid` takes it (used by `--skip-invalid`).
 */
export async function* readJsonl(
  path: string,
  onInvalid?: (message: string, line: number) => void,
): AsyncGenerator<NumberedRow> {
  let line = 0;
  for await (const text of readLines(path)) {
    line++;
    if (text.trim() === "") continue;
    const row = parseJsonRow(text);
    if (typeof row !== "string") yield { line, row };
    else if (onInvalid) onInvalid(`${path}:${line}: ${row}`, line);
    else throw new UsageError(`${path}:${line}: ${row}`);
  }
}

/** Streams a UTF-8 file's lines, split at "\n" only; a byte order mark is dropped. */
async function* readLines(path: string): AsyncGenerator<string> {
  const stream = createReadStream(path, { highWaterMark: 1 << 20 });
  const pieces: Buffer[] = [];
  let pending = 0;
  let first = true;
  const take = (last: Buffer): string => {
    const bytes = pieces.length ? Buffer.concat([...pieces, last]) : last;
    pieces.length = 0;
    pending = 0;
    let text = bytes.toString("utf8");
    if (first && text.charCodeAt(0) === 0xfeff) text = text.slice(1);
    first = false;
    return text.endsWith("\r") ? text.slice(0, -1) : text;
  };
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      let start = 0;
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
        yield take(chunk.subarray(start, end));
        start = end + 1;
      }
      const rest = chunk.subarray(start);
      pending += rest.length;
      if (pending > MAX_LINE_BYTES) throw new UsageError(`${path}: a line is longer than ${MAX_LINE_BYTES} bytes`);
      if (rest.length) pieces.push(rest);
    }
    if (pieces.length) yield take(Buffer.alloc(0));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT") throw new UsageError(`${path}: no such file`);
    if (code === "EISDIR") throw new UsageError(`${path}: is a folder, a file was expected`);
    throw error;
  }
}

/** All rows of a JSON Lines file, as `readJsonl`. */
export async function readAllJsonl(
  path: string,
  onInvalid?: (message: string, line: number) => void,
): Promise<JsonRow[]> {
  const rows: JsonRow[] = [];
  for await (const { row } of readJsonl(path, onInvalid)) rows.push(row);
  return rows;
}

/** Writes rows as JSON Lines in one step. */
export function writeJsonl(path: string, rows: Iterable<unknown>): void {
  const lines: string[] = [];
  for (const row of rows) lines.push(`${JSON.stringify(row)}\n`);
  writeFileAtomically(path, lines.join(""));
}
