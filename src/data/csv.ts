import { createReadStream } from "node:fs";
import { CsvError, parse } from "csv-parse";
import { UsageError } from "../errors.js";
import type { OnInvalidRow, SourceRow } from "./source-row.js";

const MAX_RECORD_CHARACTERS = 16 << 20;

/**
 * Streams the rows of a CSV or TSV file (RFC 4180: quotes, line ends inside quotes); the first line names the columns.
 * All values are strings. A row with too few or too many fields, or broken quotes, goes to `onInvalid` or throws a
 * UsageError with file and line.
 */
export async function* readCsv(path: string, onInvalid?: OnInvalidRow): AsyncGenerator<SourceRow> {
  let header: string[] | undefined;
  const parser = parse({
    bom: true,
    delimiter: /\.tsv$/i.test(path) ? "\t" : ",",
    info: true,
    max_record_size: MAX_RECORD_CHARACTERS,
    relax_column_count: true, // checked here, so that the line and both counts can be told
    skip_empty_lines: true,
  });
  const input = createReadStream(path);
  input.on("error", (error) => parser.destroy(error));
  input.pipe(parser);
  let line = 1;
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
      const at = info.lines - lineEndsIn(record); // the parser tells a row's last line
      line = info.lines + 1;
      if (!header) {
        header = readHeader(record, path);
        continue;
      }
      if (record.length === header.length) {
        yield { row: Object.fromEntries(header.map((name, i) => [name, record[i]])), line: at };
        continue;
      }
      const message = `${path}:${at}: ${record.length} fields, the header names ${header.length}`;
      if (!onInvalid) throw new UsageError(message);
      onInvalid(message, at);
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    // The parser cannot find the next row after broken quotes: everything from here on is one bad row.
    const message = `${path}:${line}: not valid CSV (${error.message})`;
    if (!onInvalid) throw new UsageError(message);
    onInvalid(message, line);
  } finally {
    input.destroy();
  }
}

function lineEndsIn(record: readonly string[]): number {
  return record.reduce((count, value) => count + value.split("\n").length - 1, 0);
}

function readHeader(names: string[], path: string): string[] {
  const double = names.find((name, i) => names.indexOf(name) !== i);
  if (double !== undefined) throw new UsageError(`${path}:1: the column "${double}" is named twice`);
  if (names.every((name) => name.trim() === "")) throw new UsageError(`${path}:1: the column names are missing`);
  return names;
}
