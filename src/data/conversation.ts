import { UsageError } from "../errors.js";
import type { TemplateInput } from "../tokenizer/message.js";
import { detectFormat, type Field, type RowFormatName, rowFormatNames, rowFormats } from "./formats.js";
import { readRows } from "./read-rows.js";
import type { Turn } from "./training-text.js";

/** One training row: turns, or (for language modelling) plain text. */
export interface Conversation extends TemplateInput {
  /** Turns in order; the last one is the assistant's. Empty when `text` is there. */
  messages: Turn[];
  /** Plain text of a row of format `text`. */
  text?: string;
  /** File it came from, as given. */
  source: string;
  /** 1-based line in that file. */
  line: number;
  /** 0-based number of the row in that file, counting rows that were skipped. */
  index: number;
}

/** How to read a file of training rows. */
export interface LoadOptions {
  /** Row schema; `auto` (default) looks at the first row. */
  format?: "auto" | RowFormatName;
  /** Wanted name → name in the file. */
  columns?: Readonly<Record<string, string>>;
  /** Stop after this many usable rows. */
  maxExamples?: number;
  /** Leave out rows that cannot be used instead of stopping at the first. */
  skipInvalid?: boolean;
  /** Told each row left out by `skipInvalid`, as `file:line: reason`. */
  onSkip?: (message: string) => void;
}

/**
 * Reads the conversations of a JSONL, JSON, CSV, TSV or Parquet file.
 * @throws UsageError `file:line: reason` for a row that is not usable (no response, wrong type, not JSON) unless
 * `skipInvalid`; for a missing file, an unknown row format or column, and a file without a usable row.
 */
export async function loadConversations(path: string, options: LoadOptions = {}): Promise<Conversation[]> {
  const { columns = {}, maxExamples = Number.POSITIVE_INFINITY, skipInvalid = false, onSkip } = options;
  let format = options.format === "auto" ? undefined : options.format;
  if (format && !Object.hasOwn(rowFormats, format)) {
    throw new UsageError(`data format "${format}": expected one of auto, ${rowFormatNames.join(", ")}`);
  }
  const conversations: Conversation[] = [];
  let index = 0;
  let skipped = 0;
  const skip = (message: string): void => {
    index++;
    skipped++;
    onSkip?.(message);
  };
  for await (const { line, row } of readRows(path, skipInvalid ? skip : undefined)) {
    if (conversations.length >= maxExamples) break;
    const field: Field = (name) => {
      const value = row[Object.hasOwn(columns, name) ? columns[name]! : name];
      return value === null ? undefined : value;
    };
    const found: RowFormatName | undefined = format ?? detectFormat(field);
    const content = found ? rowFormats[found].read(field) : { problem: unknownFormat(row) };
    if (found && conversations.length === 0) checkColumns(columns, found);
    if ("problem" in content) {
      const message = `${path}:${line}: ${content.problem}`;
      if (!skipInvalid)
        throw new UsageError(found ? `${message}; correct the row or set data.skip_invalid: true` : message);
      skip(message);
      continue;
    }
    format = found;
    const parts = "text" in content ? { messages: [], text: content.text } : content;
    conversations.push({ ...parts, source: path, line, index });
    index++;
  }
  if (conversations.length === 0) {
    throw new UsageError(`${path}: no usable rows${skipped ? ` (${skipped} skipped)` : ": the file is empty"}`);
  }
  return conversations;
}

function unknownFormat(row: object): string {
  const keys = Object.keys(row).slice(0, 12).join(", ") || "none";
  return `cannot tell the row format from the keys (${keys}); set data.format and data.columns`;
}

function checkColumns(columns: Readonly<Record<string, string>>, format: RowFormatName): void {
  const known: readonly string[] = rowFormats[format].columns;
  for (const name of Object.keys(columns)) {
    if (known.includes(name)) continue;
    throw new UsageError(`data.columns: "${name}" is not a field of format ${format} (those are ${known.join(", ")})`);
  }
}
