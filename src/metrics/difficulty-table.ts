import { parse } from "csv-parse/sync";
import { UsageError } from "../errors.js";
import type { GamedRow } from "./length-controlled.js";

export interface DifficultyTable {
  /** Difficulty by instruction index. */
  difficulty: number[];
  /** Rows of the gamed baselines, when the file has them. */
  gamed: GamedRow[];
}

/**
 * Reads AlpacaEval's difficulty data: `instruction_difficulty.csv` (an index column and a number), or `df_gamed.csv`
 * (columns `index`, `instruction_difficulty`, `std_delta_len`, `preference`; several rows an instruction).
 *
 * @param text the file's content. @param name what to call it in messages.
 * @throws UsageError naming the row or column that does not fit.
 */
export function parseDifficultyTable(text: string, name: string): DifficultyTable {
  let rows: string[][];
  try {
    rows = parse(text, { relax_column_count: true, skip_empty_lines: true, bom: true }) as string[][];
  } catch (error) {
    throw new UsageError(`${name}: not readable as CSV (${(error as Error).message})`);
  }
  const header = rows[0] ?? [];
  const isGamed = header.includes("std_delta_len");
  const at = (column: string): number => {
    const index = header.indexOf(column);
    if (index < 0) throw new UsageError(`${name}: no column "${column}"; expected AlpacaEval's difficulty table`);
    return index;
  };
  const difficultyAt = isGamed ? at("instruction_difficulty") : header.length - 1;
  const indexAt = isGamed ? at("index") : 0;
  const difficulty: number[] = [];
  const gamed: { model: string; row: GamedRow }[] = [];
  const modelAt = header.indexOf("model");
  const hasHeader = isGamed || !isNumber(header[difficultyAt]);
  for (let line = hasHeader ? 1 : 0; line < rows.length; line++) {
    const row = rows[line]!;
    const cell = (column: number, what: string): number => {
      if (!isNumber(row[column])) throw new UsageError(`${name}: row ${line + 1}: ${what} is not a number`);
      return Number(row[column]);
    };
    const index = cell(indexAt, "index");
    if (!Number.isInteger(index) || index < 0 || index > 1e6) {
      throw new UsageError(`${name}: row ${line + 1}: index ${index} is not a row number`);
    }
    const value = cell(difficultyAt, "difficulty");
    if ((difficulty[index] ?? value) !== value)
      throw new UsageError(
        `${name}: row ${line + 1}: another difficulty of instruction ${index} than in an earlier row`,
      );
    difficulty[index] = value;
    if (isGamed) {
      const [length, preference] = [at("std_delta_len"), at("preference")];
      const given = {
        standardLengthDifference: cell(length, "std_delta_len"),
        preference: cell(preference, "preference"),
      };
      gamed.push({ model: row[modelAt] ?? "", row: { index, difficulty: value, ...given } });
    }
  }
  if (difficulty.length === 0) throw new UsageError(`${name}: holds no rows`);
  for (let i = 0; i < difficulty.length; i++) {
    if (difficulty[i] === undefined) throw new UsageError(`${name}: no row for instruction ${i}`);
  }
  // The official file's order, model by model, whatever that of the file at hand: which rows are held out together depends on it.
  const order = ({ row }: { row: GamedRow }): number[] => [row.index, row.standardLengthDifference, row.preference];
  gamed.sort((a, b) =>
    order(a).reduce(
      (sign, value, i) => sign || value - order(b)[i]!,
      a.model < b.model ? -1 : Number(a.model > b.model),
    ),
  );
  return { difficulty, gamed: gamed.map(({ row }) => row) };
}

function isNumber(cell: string | undefined): boolean {
  return cell !== undefined && cell.trim() !== "" && Number.isFinite(Number(cell));
}
