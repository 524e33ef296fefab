/** `FILE.record.json`: how the rows of a file were made, beside it. */
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { z } from "zod";
import { writeFileAtomically } from "../files/atomic-write.js";
import { readRegularFile } from "../files/regular-file.js";
import { sha256OfFile } from "../files/sha256.js";
import { evokeVersion } from "../version.js";
import { extentText } from "./extent.js";
import { RECORD_ENDING } from "./source-files.js";

const extentSchema = z.object({
  set: z.string(),
  rows: z.number(),
  whole: z.number(),
  standIn: z.string().optional(),
});

const recordSchema = z.looseObject({
  evoke: z.string().describe("Version that wrote it."),
  made_by: z.enum(["prepare", "mix", "refine"]),
  rows: z.number(),
  rows_sha256: z.string().describe("Of the file beside it."),
  read_from: z.array(z.object({ name: z.string(), sha256: z.string() })),
  extents: z.array(extentSchema).describe("Known sets that were read: rows there, and rows of the whole set."),
  settings: z.record(z.string(), z.unknown()).describe("What was asked for, the seed of draws included."),
});

export type DataRecord = z.output<typeof recordSchema>;

/** Writes the record of rows that were just written to `out`. @param sources files that they were made from. */
export function writeDataRecord(
  out: string,
  sources: readonly string[],
  record: Pick<DataRecord, "made_by" | "rows" | "extents" | "settings">,
): void {
  const whole: DataRecord = {
    evoke: evokeVersion(),
    ...record,
    rows_sha256: sha256OfFile(out),
    read_from: sources.map((path) => ({ name: basename(path), sha256: sha256OfFile(path) })),
  };
  writeFileAtomically(`${out}${RECORD_ENDING}`, `${JSON.stringify(whole, null, 2)}\n`);
}

/** The record of a file's rows; undefined where there is none, or where the file is another one by now. */
export function readDataRecord(path: string): DataRecord | undefined {
  const beside = `${path}${RECORD_ENDING}`;
  if (!existsSync(beside) || !existsSync(path)) return undefined;
  let data: unknown;
  try {
    data = JSON.parse(readRegularFile(beside));
  } catch {
    return undefined;
  }
  const parsed = recordSchema.safeParse(data);
  return parsed.success && parsed.data.rows_sha256 === sha256OfFile(path) ? parsed.data : undefined;
}

/** Lines on what is less than the set whose name it has. */
export function recordNotes(path: string): string[] {
  return (readDataRecord(path)?.extents ?? []).flatMap((extent) => extentText(extent) ?? []);
}
