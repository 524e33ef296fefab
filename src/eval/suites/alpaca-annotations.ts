import { readFileSync } from "node:fs";
import { readRows } from "../../data/read-rows.js";
import { UsageError } from "../../errors.js";
import type { JsonRow } from "../../files/jsonl.js";
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

/**
 * Win rate and length-controlled win rate of one model's annotations.
 *
 * @param others annotations of other models on the same instructions, to fit the instructions' difficulty from.
 * @param difficulty path of the official table, which published figures need.
 */
export function reportAnnotations(
  rows: readonly Annotation[],
  options: {
    others?: readonly (readonly Annotation[])[];
    difficulty?: string;
    recomputed?: AnnotationReport["recomputed"];
  } = {},
): AnnotationReport {
  const { others = [], recomputed = { rows: 0, largestDifference: 0 } } = options;
  const base = { winRate: winRate(rows.map(({ preference }) => preference)), recomputed };
  const lengths = lengthRows(rows);
  try {
    if (options.difficulty) {
      const { difficulty, gamed } = parseDifficultyTable(readFileSync(options.difficulty, "utf8"), options.difficulty);
      return { ...base, lengthControlled: lengthControlledWinRate(lengths, { difficulty, gamed }) };
    }
    const fitted = others.length > 0 ? fitDifficulty([lengths, ...others.map(lengthRows)]) : undefined;
    const given = fitted ? { difficulty: fitted, difficultySource: "fitted" as const } : {};
    return { ...base, lengthControlled: lengthControlledWinRate(lengths, given) };
  } catch (error) {
    if (!(error instanceof UsageError) || options.difficulty || others.length > 0) throw error;
    return { ...base, lengthControlledProblem: error.message };
  }
}

function lengthRows(rows: readonly Annotation[]): LengthControlledRow[] {
  return rows.map(({ preference, output_1, output_2 }) => ({
    preference,
    referenceLength: [...output_1].length,
    modelLength: [...output_2].length,
  }));
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
        }
      : {}),
    ...(lengthControlledProblem ? { lc_problem: lengthControlledProblem } : {}),
    preferences_recomputed: recomputed.rows,
    largest_difference: recomputed.largestDifference,
  };
}
