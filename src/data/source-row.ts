import type { JsonRow } from "../files/jsonl.js";

/** A row of any file format with the line it begins on (Parquet: the row's number), from 1. */
export interface SourceRow {
  row: JsonRow;
  line: number;
}

/** Takes a malformed row's message ("file:line: what") in place of an exception. */
export type OnInvalidRow = (message: string, line: number) => void;
