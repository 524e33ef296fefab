import { existsSync, readFileSync } from "node:fs";
import { locatePinnedFile } from "../../data/pinned-file.js";
import { readRows } from "../../data/read-rows.js";
import type { LocateOptions } from "../../data/source-files.js";
import { UsageError } from "../../errors.js";
import { canonicalJson } from "../../files/canonical-json.js";
import type { JsonRow } from "../../files/jsonl.js";
import { sha256 } from "../../files/sha256.js";
import {
  areOutputsSwitched,
  preferenceFromLogprobs,
  type TopLogprob,
  type WinRate,
  winRate,
} from "../../metrics/alpaca-preference.js";
import { parseDifficultyTable } from "../../metrics/difficulty-table.js";
import {
  fitDifficulty,
  type LengthControlledResult,
  type LengthControlledRow,
  lengthControlledWinRate,
} from "../../metrics/length-controlled.js";
import { EVAL_FILES } from "../eval-files.js";
import { readFiles } from "../load-rows.js";

/** A judged pair of outputs; output_1 is the reference's. */
export interface Annotation {
  instruction: string;
  output_1: string;
  output_2: string;
  generator_2?: string;
  /** 1 = reference … 2 = model; `null` = the judge did not say. */
  preference: number | null;
}

export interface AnnotationReport {
  winRate: WinRate;
  lengthControlled?: LengthControlledResult;
  /** How it was fitted, in words. */
  how?: string;
  /** Why there is no length-controlled figure. */
  lengthControlledProblem?: string;
  /** Rows whose preference could be computed again from the judge's raw log-probabilities, and the largest difference. */
  recomputed: { rows: number; largestDifference: number };
}

/**
 * Reads AlpacaEval's `annotations.json`. A row without a preference takes it from the judge's raw log-probabilities, where
 * they are kept; without either it is missing.
 */
export async function readAnnotations(
  path: string,
): Promise<{ rows: Annotation[]; recomputed: AnnotationReport["recomputed"] }> {
  const rows: Annotation[] = [];
  const recomputed = { rows: 0, largestDifference: 0 };
  for await (const { row, line } of readRows(path)) {
    const text = (field: string): string => {
      const value = row[field];
      if (typeof value !== "string") throw new UsageError(`${path}:${line}: field "${field}" is not a text`);
      return value;
    };
    const instruction = text("instruction");
    const given = checkedPreference(row.preference, `${path}:${line}`);
    const raw = rawPreference(row, instruction, `${path}:${line}`);
    if (raw !== undefined && given !== null) {
      recomputed.rows++;
      recomputed.largestDifference = Math.max(recomputed.largestDifference, Math.abs(raw - given));
    }
    rows.push({
      instruction,
      output_1: text("output_1"),
      output_2: text("output_2"),
      ...(typeof row.generator_2 === "string" ? { generator_2: row.generator_2 } : {}),
      preference: given ?? raw ?? null,
    });
  }
  if (rows.length === 0) throw new UsageError(`${path}: holds no annotations`);
  return { rows, recomputed };
}

/** 1 … 2, 0 for a draw, or nothing; pandas writes nothing as NaN. @throws UsageError for any other value. */
function checkedPreference(value: unknown, where: string): number | null {
  if (value === undefined || value === null || (typeof value === "number" && Number.isNaN(value))) return null;
  if (typeof value === "number" && (value === 0 || (value >= 1 && value <= 2))) return value;
  throw new UsageError(
    `${where}: preference is ${JSON.stringify(value)}; expected 1 (reference) to 2 (model), 0 for a draw, or null`,
  );
}

/** Preference from `raw_completion.logprobs.content[0].top_logprobs`, as the OpenAI API writes it. */
function rawPreference(row: JsonRow, instruction: string, where: string): number | undefined {
  const completion = row.raw_completion as { logprobs?: { content?: { top_logprobs?: TopLogprob[] }[] } } | undefined;
  const top = completion?.logprobs?.content?.[0]?.top_logprobs;
  if (!Array.isArray(top)) return undefined;
  for (const { token, logprob } of top)
    if (logprob !== null && !(typeof logprob === "number" && logprob <= 0))
      throw new UsageError(
        `${where}: log-probability of ${JSON.stringify(token)} is ${JSON.stringify(logprob)}; expected 0 or less, or null for none`,
      );
  const switched =
    typeof row.is_switched_outputs === "boolean" ? row.is_switched_outputs : areOutputsSwitched(instruction);
  return preferenceFromLogprobs(top, switched);
}

export interface AnnotationReportOptions {
  /** Annotations of other models, to fit the instructions' difficulty from; joined on the instruction. */
  others?: readonly (readonly Annotation[])[];
  /** Path of the official table of difficulties, which published figures need. */
  difficulty?: string;
  /** The benchmark's instructions in their order, which is what the table's index counts. */
  instructions?: readonly string[];
  recomputed?: AnnotationReport["recomputed"];
}

/**
 * Win rate and length-controlled win rate of one model's annotations. That the second cannot be worked out does not take the
 * first away.
 */
export function reportAnnotations(
  given: readonly Annotation[],
  options: AnnotationReportOptions = {},
): AnnotationReport {
  const rows = inOrder(given, options.difficulty === undefined ? [] : (options.instructions ?? []));
  const { recomputed = { rows: 0, largestDifference: 0 } } = options;
  const base = { winRate: winRate(rows.map(({ preference }) => preference)), recomputed };
  try {
    return { ...base, ...lengthControl(rows, options) };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { ...base, lengthControlledProblem: error.message };
  }
}

/**
 * Rows in an order of their own, so that neither sums nor the folds of the fit depend on the file's: the benchmark's, as the original has
 * it, where its instructions are given; else one that has nothing to do with what is asked.
 */
function inOrder(rows: readonly Annotation[], instructions: readonly string[]): Annotation[] {
  const places = new Map(instructions.map((instruction, i): [string, number] => [instruction.trim(), i]));
  const keyed = rows.map((row) => ({
    row,
    place: places.get(row.instruction.trim()) ?? instructions.length,
    key: sha256(canonicalJson([row.instruction.trim(), row.output_2, row.output_1, row.preference])),
  }));
  keyed.sort((a, b) => a.place - b.place || (a.key < b.key ? -1 : 1));
  return keyed.map(({ row }) => row);
}

function lengthControl(
  rows: readonly Annotation[],
  { others = [], difficulty: path, instructions = [] }: AnnotationReportOptions,
): Pick<AnnotationReport, "lengthControlled" | "how"> {
  if (path !== undefined) {
    const { difficulty, gamed } = parseDifficultyTable(readFileSync(path, "utf8"), path);
    const places = new Map(instructions.map((instruction, i): [string, number] => [instruction.trim(), i]).reverse());
    const placed = rows.flatMap((row) => {
      const place = places.get(row.instruction.trim());
      return place === undefined || difficulty[place] === undefined ? [] : [{ row, place }];
    });
    if (placed.length === 0)
      throw new UsageError(`${path}: none of the ${rows.length} instructions is known to be one of AlpacaEval's`);
    const used = new Set(placed.map(({ place }) => place));
    const part = placed.length < rows.length ? `, on the ${placed.length} of ${rows.length} rows that have one` : "";
    return {
      lengthControlled: lengthControlledWinRate(lengthRows(placed.map(({ row }) => row)), {
        difficulty: placed.map(({ place }) => difficulty[place]!),
        gamed: gamed.filter(({ index }) => used.has(index)),
      }),
      how: `difficulties of the official table${part}`,
    };
  }
  const lengths = lengthRows(rows);
  if (others.length === 0)
    return {
      lengthControlled: lengthControlledWinRate(lengths),
      how: "fitted without difficulties: no published figure comes out so",
    };
  const joined = others.map((other) => {
    const known = new Map(other.map((row) => [row.instruction.trim(), row]));
    const twice = other.find((row) => known.get(row.instruction.trim())!.preference !== row.preference);
    if (twice)
      throw new UsageError(
        `the other models' annotations judge an instruction twice, differently: ${JSON.stringify(twice.instruction.slice(0, 60))}`,
      );
    return rows.map((row) => {
      const found = known.get(row.instruction.trim());
      return found && lengthRows([found])[0];
    });
  });
  const shared = rows.filter((_, i) => joined.some((model) => model[i] !== undefined)).length;
  if (shared === 0) throw new UsageError("the other models' annotations are on other instructions");
  const part = shared < rows.length ? ` on ${shared} of ${rows.length} rows` : "";
  return {
    lengthControlled: lengthControlledWinRate(lengths, {
      difficulty: fitDifficulty([lengths, ...joined]),
      difficultySource: "fitted",
    }),
    how: `difficulties fitted from ${others.length} other ${others.length === 1 ? "model's" : "models'"} judgements${part}`,
  };
}

function lengthRows(rows: readonly Annotation[]): LengthControlledRow[] {
  return rows.map(({ preference, output_1, output_2 }) => ({
    preference,
    referenceLength: [...output_1].length,
    modelLength: [...output_2].length,
  }));
}

/**
 * The benchmark's instructions in the order that tables of difficulties count.
 *
 * @throws UsageError for a table that cannot be read.
 */
export async function difficultyInstructions(table: string, source: LocateOptions): Promise<string[]> {
  if (!existsSync(table)) throw new UsageError(`${table}: no such difficulty table`);
  parseDifficultyTable(readFileSync(table, "utf8"), table);
  const { rows } = await readFiles([await locatePinnedFile(EVAL_FILES.alpacaEval, source)]);
  return rows.map((row) => row.text("instruction"));
}

/** The figures under the names of the command's contract. */
export function annotationSummary(report: AnnotationReport): Record<string, unknown> {
  const { winRate: wins, lengthControlled, lengthControlledProblem, recomputed } = report;
  return {
    n: wins.n,
    missing: wins.missing,
    win_rate: wins.winRate,
    standard_error: wins.standardError,
    discrete_win_rate: wins.discreteWinRate,
    wins: wins.wins,
    losses: wins.losses,
    draws: wins.draws,
    ...(lengthControlled
      ? {
          lc_win_rate: lengthControlled.winRate,
          // Without difficulties the prediction is the same for every row, and its spread says nothing.
          lc_standard_error: lengthControlled.difficulty === "none" ? null : lengthControlled.standardError,
          lc_difficulty: lengthControlled.difficulty,
          lc_how: report.how,
        }
      : {}),
    ...(lengthControlledProblem ? { lc_problem: lengthControlledProblem } : {}),
    preferences_recomputed: recomputed.rows,
    largest_difference: recomputed.largestDifference,
  };
}
