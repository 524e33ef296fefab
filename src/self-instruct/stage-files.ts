import { closeSync, existsSync, fsyncSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../errors.js";
import { naming, replaceFile, writeFully } from "../files/atomic-write.js";
import { type JsonRow, readJsonl } from "../files/jsonl.js";
import { regularFiles } from "../files/regular-file.js";

/** Names of the stages' files in a run folder (the original project's, without its model's name). */
export const FILES = {
  instructions: "machine_generated_instructions.jsonl",
  classification: "is_clf_or_not.jsonl",
  instances: "machine_generated_instances.jsonl",
  allInstances: "all_generated_instances.jsonl",
  finetuning: "finetuning.jsonl",
  alpaca: "alpaca.jsonl",
  messages: "messages.jsonl",
  summary: "summary.json",
  journal: "journal.jsonl",
} as const;

/** An answer in the shape the original project stores (`response` is null when there was none). */
export interface StoredAnswer {
  prompt: string;
  response: { choices: { text: string; finish_reason: string }[] } | null;
}

export interface InstructionRow {
  instruction: string;
  most_similar: Record<string, number>;
  avg_similarity_score: number;
  metadata: StoredAnswer;
  request_idx: number;
}

export interface ClassificationRow {
  instruction: string;
  /** What the model wrote: a classification task if it is "Yes", "yes" or "YES". */
  is_classification: string;
}

export interface InstancesRow {
  instruction: string;
  raw_instances: string;
  /** Absent in bare transcripts, which count as complete. */
  instance_metadata?: StoredAnswer;
  instruction_metadata?: StoredAnswer;
  most_similar?: Record<string, number>;
  avg_similarity_score?: number;
}

/** Rows of a stage file with their places ("file:line"); nothing when it is not there. */
export async function readStage<T>(path: string, fields: readonly string[]): Promise<{ row: T; where: string }[]> {
  if (!existsSync(path)) return [];
  const rows: { row: T; where: string }[] = [];
  for await (const { row, line } of readJsonl(path)) {
    requireTexts(row, fields, `${path}:${line}`);
    rows.push({ row: row as T, where: `${path}:${line}` });
  }
  return rows;
}

/** @throws UsageError naming the first field that is not a text. */
export function requireTexts(row: JsonRow, fields: readonly string[], where: string): void {
  for (const field of fields)
    if (typeof row[field] !== "string") throw new UsageError(`${where}: the field "${field}" is missing or not a text`);
}

/** The run folder's classification file: ours, or the original project's, whose name ends in model and template. */
export function classificationFile(folder: string): string {
  const own = join(folder, FILES.classification);
  if (existsSync(own) || !existsSync(folder)) return own;
  const others = regularFiles(folder).filter((name) => /^is_clf_or_not_.*\.jsonl$/.test(name));
  if (others.length > 1)
    throw new UsageError(`${folder}: several classification files (${others.join(", ")}); keep one`);
  return others[0] ? join(folder, others[0]) : own;
}

const PIECE_CHARACTERS = 1 << 24;

/** Replaces a stage file in one step, a piece at a time: 52,000 transcripts with their prompts are too long for one text. */
export function writeStage(path: string, rows: Iterable<unknown>): void {
  replaceFile(path, (temporary) => {
    let piece = "";
    for (const row of rows) {
      piece += `${JSON.stringify(row)}\n`;
      if (piece.length < PIECE_CHARACTERS) continue;
      appendDurably(temporary, piece);
      piece = "";
    }
    appendDurably(temporary, piece);
  });
}

/** Adds lines to the end of a file and flushes them to disk. */
export function appendDurably(path: string, text: string): void {
  const fd = openSync(path, "a");
  try {
    writeFully(fd, Buffer.from(text), path);
    naming(path, () => fsyncSync(fd));
  } finally {
    closeSync(fd);
  }
}

/** Whether a file's last line lacks its end: the process died while writing it. */
export function isTorn(path: string): boolean {
  if (!existsSync(path)) return false;
  const bytes = readFileSync(path);
  return bytes.length > 0 && bytes.at(-1) !== 10;
}
