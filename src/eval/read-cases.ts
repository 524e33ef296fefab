import { UsageError } from "../errors.js";
import { type LoadedRows, readFiles } from "./load-rows.js";
import type { Row } from "./row.js";
import type { SuiteContext } from "./suite.js";

export interface ReadCases<T> {
  cases: T[];
  /** Malformed rows that were left out. */
  invalid: number;
  files: LoadedRows["files"];
}

/**
 * The first rows of a suite's file, read one by one. A malformed row stops the run, or is left out and counted where the
 * run asks for that.
 *
 * @param read throws UsageError for a row that it cannot use. `index` is the row's place among those of the file.
 * @throws UsageError for a missing file, a file without a usable row, or the first malformed one.
 */
export async function readCases<T>(
  context: Pick<SuiteContext, "source" | "skipInvalid" | "limit" | "say">,
  path: string,
  read: (row: Row, index: number) => T,
): Promise<ReadCases<T>> {
  const problems: string[] = [];
  const onInvalid = context.skipInvalid ? (message: string) => void problems.push(message) : undefined;
  const { rows, files } = await readFiles([path], { ...context.source, onInvalid });
  const cases = rows.slice(0, context.limit).flatMap((row, index): T[] => {
    try {
      return [read(row, index)];
    } catch (error) {
      if (!onInvalid || !(error instanceof UsageError)) throw error;
      onInvalid(error.message);
      return [];
    }
  });
  if (problems.length > 0)
    context.say(`${path}: ${problems.length} malformed rows left out; the first: ${problems[0]}`);
  if (cases.length === 0) throw new UsageError(`${path}: holds no usable row`);
  return { cases, invalid: problems.length, files };
}
