import { closeSync, openSync, readSync, statSync } from "node:fs";
import { type AsyncBuffer, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { UsageError } from "../errors.js";
import { checkParquet } from "./parquet-check.js";
import type { SourceRow } from "./source-row.js";

/** Streams the rows of a Parquet file, one row group at a time. `line` is the 1-based row. @throws UsageError if damaged. */
export async function* readParquet(path: string): AsyncGenerator<SourceRow> {
  const fd = openSync(path, "r");
  try {
    const file = fileBuffer(fd, statSync(path).size);
    const metadata = await orDamaged(path, () => parquetMetadataAsync(file));
    await orDamaged(path, () => checkParquet(file, metadata));
    let rowStart = 0;
    for (const group of metadata.row_groups) {
      const rowEnd = rowStart + Number(group.num_rows);
      const rows = await orDamaged(path, () => parquetReadObjects({ file, metadata, compressors, rowStart, rowEnd }));
      for (const [i, row] of rows.entries())
        yield { row: plain(row) as Record<string, unknown>, line: rowStart + i + 1 };
      rowStart = rowEnd;
    }
  } finally {
    closeSync(fd);
  }
}

function fileBuffer(fd: number, byteLength: number): AsyncBuffer {
  return {
    byteLength,
    async slice(start, end = byteLength) {
      const bytes = new Uint8Array(Math.max(0, Math.min(end, byteLength) - start));
      for (let at = 0; at < bytes.length; ) {
        const n = readSync(fd, bytes, at, bytes.length - at, start + at);
        if (n === 0) break;
        at += n;
      }
      return bytes.buffer;
    },
  };
}

async function orDamaged<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new UsageError(`${path}: damaged or unsupported Parquet file (${(error as Error).message})`, {
      cause: error,
    });
  }
}

/** Values as JSON has them: 64-bit integers as numbers (as text beyond 2⁵³), dates as ISO text, bytes as base64. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]));
}
