import type { DataExtent } from "../data/extent.js";
import { type PreparedRow, prepareRows } from "../data/prepare.js";
import { writeDataRecord } from "../data/record.js";
import type { Columns } from "../data/row-shapes.js";
import { locateData } from "../data/source-files.js";
import { writeJsonl } from "../files/jsonl.js";
import type { CallEvent, CallOptions } from "./events.js";
import { Task } from "./task.js";

/** Options of `prepareData`. */
export interface PrepareDataOptions extends CallOptions {
  /** A known name (`alpaca`, `dolly`, `lima`, …), `hf:ORG/NAME[@REV][:SPLIT]`, or a file (JSONL, JSON, CSV, TSV, Parquet). */
  data: string;
  /** JSON Lines file to write as well. */
  out?: string | undefined;
  /** Keep at most this many rows, drawn by `seed`; their order stays that of the source. Default all. */
  maxExamples?: number | undefined;
  /** Leave out this many rows of the draw before the first that is kept: with one seed two sets share no row. Default 0. */
  skip?: number | undefined;
  /** Keep only rows with at most this many characters (UTF-16), prompt and completion together. Default no limit. */
  maxCharacters?: number | undefined;
  /** Seed of the draw; default 0. */
  seed?: number | undefined;
  /** Names of the columns, where the file has its own. */
  columns?: Columns | undefined;
  /** Leave malformed rows out and report them in place of throwing at the first. Default false. */
  skipInvalid?: boolean | undefined;
  /** Folder with local copies, looked at first; also where fetched files go. Default `~/.cache/evoke/data`. */
  dataDir?: string | undefined;
  /** Base URL used in place of the Hugging Face Hub. */
  mirror?: string | undefined;
}

/** Rows in training form, and what became of the others. */
export interface PrepareDataResult {
  /** In the order of the source. */
  rows: PreparedRow[];
  /** Short name of the source. */
  source: string;
  /** Local files that were read. */
  files: string[];
  /** Rows read, malformed ones included. */
  read: number;
  /** Talks of more than one turn, which are left out: they are no pair of prompt and completion. */
  multiTurn: number;
  /** Why malformed rows were left out, as `file:line: reason`; empty unless `skipInvalid`. */
  invalid: string[];
  /** How much of a known set was there; absent for files of your own. */
  extent?: DataExtent;
}

/**
 * Brings a data set into training form: rows of prompt, completion, source and index.
 *
 * @throws UsageError for an unknown name, a malformed row (file and line) or when no row is left; FailureError when the data
 * cannot be fetched.
 */
export function prepareData(options: PrepareDataOptions): Task<CallEvent, PrepareDataResult> {
  return new Task<CallEvent, PrepareDataResult>(options, async ({ signal, say }) => {
    const { data, out, dataDir, mirror, skipInvalid = false } = options;
    const { maxExamples, skip, maxCharacters, seed, columns } = options;
    const located = await locateData(data, { dataDir, mirror, say, signal });
    const invalid: string[] = [];
    const draw = { maxExamples, maxCharacters, skip, seed: seed ?? 0, columns };
    const onInvalid = skipInvalid ? (message: string) => void invalid.push(message) : undefined;
    const { rows, read, multiTurn, extent } = await prepareRows(located, { ...draw, signal, onInvalid });
    signal.throwIfAborted();
    if (out !== undefined) {
      writeJsonl(out, rows);
      writeDataRecord(out, located.files, {
        made_by: "prepare",
        rows: rows.length,
        extents: extent ? [extent] : [],
        settings: { source: data, ...draw, skip_invalid: skipInvalid },
      });
    }
    const { name: source, files } = located;
    return { rows, source, files, read, multiTurn, invalid, ...(extent ? { extent } : {}) };
  });
}
