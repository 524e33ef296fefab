import { basename } from "node:path";
import { UsageError } from "../errors.js";
import type { PreparedRow } from "./prepare.js";
import { readRows } from "./read-rows.js";
import { shapeRow } from "./row-shapes.js";
import type { OnInvalidRow } from "./source-row.js";

/**
 * Reads rows for a step that works on prepared data. `source` and `index` are kept where the file has them; rows of
 * another known shape are brought into training form on the way.
 *
 * @throws UsageError with file and line on a malformed row, unless `onInvalid` takes it.
 */
export async function readPrepared(
  path: string,
  onInvalid?: OnInvalidRow,
): Promise<(PreparedRow & { [field: string]: unknown })[]> {
  const rows: (PreparedRow & { [field: string]: unknown })[] = [];
  const name = basename(path).replace(/\.[^.]+$/, "");
  let at = 0;
  for await (const { row, line } of readRows(path, onInvalid)) {
    const shaped = shapeRow(row);
    const place = at++;
    if (Array.isArray(shaped)) {
      const prepared = "prompt" in row && "completion" in row;
      const source = typeof row.source === "string" && prepared ? row.source : name;
      const index = Number.isSafeInteger(row.index) && prepared ? (row.index as number) : place;
      for (const pair of shaped) rows.push({ ...(prepared ? row : {}), ...pair, source, index });
      continue;
    }
    const problem =
      shaped === "multi-turn" ? "more than one turn; one prompt and one response are expected" : shaped.problem;
    if (!onInvalid) throw new UsageError(`${path}:${line}: ${problem}`);
    onInvalid(`${path}:${line}: ${problem}`, line);
  }
  if (rows.length === 0) throw new UsageError(`${path}: no usable rows`);
  return rows;
}
