/** What an experiment found, in a few sentences made from its figures, whichever way they fall. */
import { shownValue } from "./figures.js";
import type { ExperimentReport, ReportArm, Score } from "./report-data.js";

/** Share of pairs that a model without any idea gets right. */
const CHANCE = 0.5;

/**
 * Sentences on the claim of Response Tuning, for a report with an untuned arm and tuned ones of the same base model:
 * whether the base model already tells which response belongs to an instruction, and what tuning changed. Empty where
 * the report measures none of it.
 */
export function findingOf(report: ExperimentReport): string[] {
  const base = report.arms.find(({ kind }) => kind === "untuned");
  if (!base) return [];
  const tuned = ["rt", "it"].flatMap(
    (kind) => report.arms.find((arm) => arm.kind === kind && arm.model === base.model) ?? [],
  );
  if (tuned.length === 0) return [];
  return [...rankingSentence(report, base, tuned), ...endingSentence(report, base, tuned)];
}

function scoreOf(report: ExperimentReport, { name }: ReportArm, suite: string, metric: string): Score | undefined {
  const found = report.scores.find((score) => score.arm === name && score.suite === suite && score.metric === metric);
  return found?.value === null ? undefined : found;
}

function rankingSentence(report: ExperimentReport, base: ReportArm, tuned: readonly ReportArm[]): string[] {
  const of = (arm: ReportArm): Score | undefined => scoreOf(report, arm, "response_ranking", "pair_accuracy_others");
  const before = of(base);
  if (!before) return [];
  const error = before.stderr ?? 0;
  const above = before.value! - CHANCE;
  const verdict =
    above > 2 * error
      ? "so it tells them apart before any tuning"
      : above < -2 * error
        ? "so it prefers the wrong ones"
        : "no better than chance, within the error";
  const after = tuned.flatMap((arm) => {
    const score = of(arm);
    return score ? [`${percent(score)} after ${title(arm)}`] : [];
  });
  return [
    `The untuned model finds an instruction's own response more probable than another's in ${percent(before)} of pairs ` +
      `(chance 50 %): ${verdict}${after.length ? `; ${after.join(", ")}` : ""}.`,
  ];
}

function endingSentence(report: ExperimentReport, base: ReportArm, tuned: readonly ReportArm[]): string[] {
  const of = (arm: ReportArm): Score | undefined => scoreOf(report, arm, "instruct", "ended_by_itself");
  const before = of(base);
  const after = tuned.flatMap((arm) => {
    const score = of(arm);
    return score ? [{ arm, score }] : [];
  });
  if (!before || after.length === 0) return [];
  const changed = after.map(({ arm, score }) => {
    const spread = 2 * Math.hypot(score.stderr ?? 0, before.stderr ?? 0);
    const change = score.value! - before.value!;
    const how = change > spread ? "more" : change < -spread ? "fewer" : "no clear change";
    return `${percent(score)} after ${title(arm)} (${how})`;
  });
  return [`It ends ${percent(before)} of its answers by itself; ${changed.join(", ")}.`];
}

/** RT never sees an instruction, which the reader may not know. */
const title = ({ kind, title: name }: ReportArm): string =>
  kind === "rt" ? `${name}, tuning on responses alone` : `${name}, tuning on instructions and responses`;

const percent = ({ metric, value }: Score): string => `${shownValue(metric, value)} %`;
