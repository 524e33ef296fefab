import { existsSync, rmSync } from "node:fs";
import { UsageError } from "../errors.js";
import { type JsonRow, readJsonl, writeJsonl } from "../files/jsonl.js";

/** A row of the input with its line, for messages. */
export interface InputRow {
  row: JsonRow;
  /** `file:line` */
  where: string;
}

export async function readInput(path: string): Promise<InputRow[]> {
  const rows: InputRow[] = [];
  for await (const { row, line } of readJsonl(path)) rows.push({ row, where: `${path}:${line}` });
  if (rows.length === 0) throw new UsageError(`${path}: holds no rows`);
  return rows;
}

/** A text field of a row. @throws UsageError naming file, line and field. */
export function textField({ row, where }: InputRow, name: string): string {
  const value = row[name];
  if (typeof value !== "string") throw new UsageError(`${where}: field "${name}" must be text`);
  return value;
}

/** Where finished answers are kept until all are: a stopped command, started again, goes on from there. */
export const partialOf = (out: string): string => `${out}.partial`;

/** Writes all rows in one step, in the order of the input; the finished answers beside it have done their work. */
export function writeWhole(out: string, rows: JsonRow[]): void {
  writeJsonl(out, rows);
  if (existsSync(partialOf(out))) rmSync(partialOf(out), { recursive: true });
}
