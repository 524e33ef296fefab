import { type Aspect, type Judgement, REGULAR_ASPECTS, SAFETY_ASPECTS } from "./just-eval-parse.js";
import { mean, standardError } from "./statistics.js";

/**
 * What "N/A" counts as: nothing ("missing"), or 5 points as in the original tool's own report ("original-report").
 */
export type NotApplicable = "missing" | "original-report";

export interface AspectMetrics {
  mean: number;
  /** `NaN` for a single row. */
  stderr: number;
  /** Rows with a score, and rows judged "N/A". */
  n: number;
  notApplicable: number;
}

export interface JustEvalMetrics {
  /** Rows, and those whose judgement could be read; the others are in no mean. */
  n: number;
  parsed: number;
  aspects: Partial<Record<Aspect, AspectMetrics>>;
  /** Mean of the aspects' means, 1–5; `NaN` when nothing was parsed. */
  overall: number;
}

/** just-eval's averages: each aspect over the rows that score it, and their mean. */
export function justEvalMetrics(
  judgements: readonly (Judgement | undefined)[],
  notApplicable: NotApplicable = "missing",
): JustEvalMetrics {
  const aspects: JustEvalMetrics["aspects"] = {};
  for (const aspect of [...REGULAR_ASPECTS, ...SAFETY_ASPECTS]) {
    const given = judgements.flatMap((judgement) => judgement?.[aspect] ?? []);
    const absent = given.filter(({ score }) => score === undefined).length;
    const scores = given.flatMap(({ score }) => score ?? (notApplicable === "original-report" ? 5 : []));
    if (scores.length === 0) continue;
    aspects[aspect] = { mean: mean(scores), stderr: standardError(scores), n: scores.length, notApplicable: absent };
  }
  return {
    n: judgements.length,
    parsed: judgements.filter((judgement) => judgement !== undefined).length,
    aspects,
    overall: mean(Object.values(aspects).map((metrics) => metrics.mean)),
  };
}
