import {
  type Aspect,
  type AspectJudgement,
  type Judgement,
  REGULAR_ASPECTS,
  SAFETY_ASPECTS,
} from "./just-eval-parse.js";
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
  /** Rows whose score is no number of the scale, and rows whose score cannot be read: in no mean. */
  outOfRange: number;
  unreadable: number;
}

/** The score that enters the mean. */
function counted({ score, problem }: AspectJudgement, notApplicable: NotApplicable): number | undefined {
  if (score !== undefined || problem) return score;
  return notApplicable === "original-report" ? 5 : undefined;
}

export interface JustEvalMetrics {
  /** Rows, and those whose judgement could be read; the others are in no mean. */
  n: number;
  parsed: number;
  aspects: Partial<Record<Aspect, AspectMetrics>>;
  /** Mean of the aspects' means, 1–5; `NaN` when nothing was parsed. */
  overall: number;
  /** `NaN` where an aspect has a single row. */
  overallStderr: number;
}

/** just-eval's averages: each aspect over the rows that score it, and their mean. */
export function justEvalMetrics(
  judgements: readonly (Judgement | undefined)[],
  notApplicable: NotApplicable = "missing",
): JustEvalMetrics {
  const aspects: JustEvalMetrics["aspects"] = {};
  const scored: { aspect: Aspect; n: number; mean: number }[] = [];
  for (const aspect of [...REGULAR_ASPECTS, ...SAFETY_ASPECTS]) {
    const given = judgements.flatMap((judgement) => judgement?.[aspect] ?? []);
    const scores = given.flatMap((each) => counted(each, notApplicable) ?? []);
    if (given.length === 0) continue;
    if (scores.length > 0) scored.push({ aspect, n: scores.length, mean: mean(scores) });
    aspects[aspect] = {
      mean: mean(scores),
      stderr: standardError(scores),
      n: scores.length,
      notApplicable: given.filter(({ score, problem }) => score === undefined && !problem).length,
      outOfRange: given.filter(({ problem }) => problem === "out of range").length,
      unreadable: given.filter(({ problem }) => problem === "unreadable").length,
    };
  }
  return {
    n: judgements.length,
    parsed: judgements.filter((judgement) => judgement !== undefined).length,
    aspects,
    overall: mean(scored.map((each) => each.mean)),
    overallStderr: overallError(judgements, scored, notApplicable),
  };
}

/** Aspects of one row go together, so the error is that of the rows' shares in the overall figure. */
function overallError(
  judgements: readonly (Judgement | undefined)[],
  scored: readonly { aspect: Aspect; n: number; mean: number }[],
  notApplicable: NotApplicable,
): number {
  if (scored.length === 0 || scored.some(({ n }) => n < 2)) return Number.NaN;
  const shares = judgements.flatMap((judgement) => {
    const parts = scored.flatMap(({ aspect, n, mean: middle }) => {
      const given = judgement?.[aspect];
      const score = given && counted(given, notApplicable);
      return score === undefined ? [] : [(score - middle) / n / scored.length];
    });
    return parts.length > 0 ? [parts.reduce((sum, part) => sum + part, 0)] : [];
  });
  const squares = shares.reduce((sum, share) => sum + share * share, 0);
  return Math.sqrt((squares * shares.length) / (shares.length - 1));
}
