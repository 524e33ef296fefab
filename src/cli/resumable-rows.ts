import { existsSync, rmSync } from "node:fs";
import { UsageError } from "../errors.js";
import { type JsonRow, readJsonl, writeJsonl } from "../files/jsonl.js";
import { type JournaledModel, withJournal } from "../llm/journal.js";
import type { LanguageModel } from "../llm/language-model.js";

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

/**
 * Works on rows with answers kept in `OUT.partial` as they come, so that a stopped command, started again, goes on
 * where it was; OUT appears whole at the end, in the order of the input.
 */
export async function withPartial(
  model: LanguageModel,
  out: string,
  work: (model: JournaledModel) => Promise<JsonRow[]>,
): Promise<void> {
  const partial = `${out}.partial`;
  const journaled = withJournal(model, partial);
  let rows: JsonRow[];
  try {
    rows = await work(journaled);
  } finally {
    journaled.close();
  }
  writeJsonl(out, rows);
  if (existsSync(partial)) rmSync(partial, { recursive: true });
}
