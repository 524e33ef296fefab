import type { ExperimentReport, ReportArm, ReportEvaluation, Score } from "./report-data.js";

/** How a metric is written. */
export interface MetricStyle {
  label: string;
  unit: "percent" | "score" | "count";
  /** Value as it is shown, and decimals. */
  scale: number;
  decimals: number;
  /** Where chance or a tie lies, in shown units. */
  neutral?: number;
}

const percent = (label: string): MetricStyle => ({ label, unit: "percent", scale: 100, decimals: 1 });

const STYLES: Readonly<Record<string, MetricStyle>> = {
  acc: percent("accuracy, %"),
  acc_norm: percent("accuracy by length, %"),
  exact_match_strict: percent("exact match, %"),
  exact_match_flexible: percent("exact match, flexible, %"),
  average: percent("mean, %"),
  win_rate: { label: "win rate, %", unit: "percent", scale: 1, decimals: 1, neutral: 50 },
  lc_win_rate: { label: "length-controlled win rate, %", unit: "percent", scale: 1, decimals: 1, neutral: 50 },
  discrete_win_rate: { label: "discrete win rate, %", unit: "percent", scale: 1, decimals: 1, neutral: 50 },
  attack_success_rate: percent("attacks that succeed, %"),
  defense_success_rate: percent("refused, %"),
  unsafe_defense_rate: percent("unsafe refused, %"),
  safe_compliance_rate: percent("safe answered, %"),
  safe_refusal_rate: percent("safe refused, %"),
  refusal_precision: percent("precision of refusal, %"),
  refusal_recall: percent("recall of refusal, %"),
  refusal_f1: percent("F1 of refusal, %"),
  accuracy: percent("accuracy, %"),
  unclassified_rate: percent("unclassified, %"),
  pair_accuracy: { ...percent("own response above drawn ones, %"), neutral: 50 },
  pair_accuracy_others: { ...percent("own response above others, %"), neutral: 50 },
  pair_accuracy_by_sum: percent("own response above others by the sum, %"),
  top: percent("own response first, %"),
  top_by_sum: percent("own response first by the sum, %"),
  reciprocal_rank: { label: "mean reciprocal rank", unit: "score", scale: 1, decimals: 3 },
  bits_per_token: { label: "bits a token from the instruction", unit: "score", scale: 1, decimals: 3 },
  bits_per_token_over_other: { label: "bits a token over another instruction", unit: "score", scale: 1, decimals: 3 },
  logprob_per_token: { label: "log-probability a token", unit: "score", scale: 1, decimals: 3 },
  logprob_per_token_other: {
    label: "log-probability a token, another instruction",
    unit: "score",
    scale: 1,
    decimals: 3,
  },
  logprob_per_token_none: { label: "log-probability a token, no instruction", unit: "score", scale: 1, decimals: 3 },
  ended_by_itself: percent("ended by itself, %"),
  exact: percent("exact, %"),
  characters: { label: "characters", unit: "count", scale: 1, decimals: 0 },
  bleu: { label: "BLEU", unit: "score", scale: 1, decimals: 2 },
  rougeL: { label: "ROUGE-L", unit: "score", scale: 1, decimals: 4 },
  bertscore_f1: { label: "BERTScore F1", unit: "score", scale: 1, decimals: 4 },
};

export function styleOf(metric: string): MetricStyle {
  return STYLES[metric] ?? { label: metric.replaceAll("_", " "), unit: "score", scale: 1, decimals: 2 };
}

/** A value in the metric's shown units; "–" where there is none. */
export function shownValue(metric: string, value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const { scale, decimals, unit } = styleOf(metric);
  const shown = value * scale;
  return unit === "count" ? Math.round(shown).toLocaleString("en-US") : shown.toFixed(decimals);
}

/** Metrics that stand for a suite in tables and charts; all others are in the list of all figures. */
const LEADING: readonly string[] = [
  "average",
  "acc",
  "exact_match_strict",
  "win_rate",
  "lc_win_rate",
  "helpfulness",
  "factuality",
  "clarity",
  "depth",
  "engagement",
  "safety",
  "overall",
  "defense_success_rate",
  "unsafe_defense_rate",
  "safe_refusal_rate",
  "bleu",
  "rougeL",
  "bertscore_f1",
  "pair_accuracy",
  "top",
  "logprob_per_token",
  "bits_per_token",
  "ended_by_itself",
  "exact",
];

/** Every metric that suites report. */
export const METRICS: readonly string[] = [...new Set([...Object.keys(STYLES), ...LEADING])];

/** A column of a table: a metric of a suite. */
export interface Column {
  suite: string;
  metric: string;
  hasPublished: boolean;
}

export interface ResultTable {
  /** Evaluations of one title share a table. */
  evaluations: string[];
  title: string;
  columns: Column[];
  rows: { arm: string; title: string; scores: (Score | undefined)[] }[];
}

/** What the errors in tables are. */
export const ERRORS =
  "± one standard error, over the rows; with several seeds over rows and seeds (each by itself in the list of all figures)";

/** What a reader must know of single figures, each line once. */
export function howNotes(scores: readonly (Score | undefined)[]): string[] {
  return [
    ...new Set(
      scores.flatMap((score) => (score?.how ? [`${score.suite}, ${styleOf(score.metric).label}: ${score.how}`] : [])),
    ),
  ];
}

/** What is less than a whole benchmark in some evaluations, each line once. */
export function extentNotes({ evaluations }: ExperimentReport, names: readonly string[]): string[] {
  return [...new Set(evaluations.flatMap(({ name, extents }) => (names.includes(name) ? extents : [])))];
}

/** The prompts that figures depend on, one line for each suite: "Prompts of just_eval: judge: …". */
export function promptNotes(scores: readonly (Score | undefined)[]): string[] {
  return [
    ...new Set(scores.flatMap((score) => (score?.prompts ? [`Prompts of ${score.suite}: ${score.prompts}`] : []))),
  ];
}

/**
 * One table for each title of evaluations: arms down, leading figures across. Evaluations of one title share it, unless two have a
 * figure of the same arm, suite and metric: then each has a table of its own, named by what differs.
 */
export function resultTables(report: ExperimentReport): ResultTable[] {
  const titles = [...new Set(report.evaluations.map(({ title }) => title))];
  return titles.flatMap((title) => {
    const group = report.evaluations.filter((each) => each.title === title);
    const figures = report.scores.filter(({ evaluation }) => group.some(({ name }) => name === evaluation));
    const isShared = new Set(figures.map(figureOf)).size === figures.length;
    const tables = isShared ? [group] : group.map((evaluation) => [evaluation]);
    return tables.flatMap((members): ResultTable[] => {
      const evaluations = members.map(({ name }) => name);
      const scores = figures.filter(({ evaluation }) => evaluations.includes(evaluation));
      const columns = columnsOf(scores);
      if (columns.length === 0) return [];
      const present = new Set(scores.map(({ arm }) => arm));
      const rows = report.arms
        .filter((arm) => present.has(arm.name))
        .map((arm) => ({
          arm: arm.name,
          title: armTitle(report, arm),
          scores: columns.map(({ suite, metric }) =>
            scores.find((score) => score.arm === arm.name && score.suite === suite && score.metric === metric),
          ),
        }));
      return [{ evaluations, title: isShared ? title : `${title}: ${difference(members[0]!, group)}`, columns, rows }];
    });
  });
}

const figureOf = ({ arm, suite, metric }: Score): string => JSON.stringify([arm, suite, metric]);

/** Title of an arm, with its name where another one has the same title. */
function armTitle({ arms }: ExperimentReport, { name, title }: ReportArm): string {
  return arms.some((other) => other.name !== name && other.title === title) ? `${title} (${name})` : title;
}

/** What tells an evaluation from the others of its title. */
function difference(evaluation: ReportEvaluation, group: readonly ReportEvaluation[]): string {
  const facts = (each: ReportEvaluation): string[] => [
    `judge ${each.judge ?? "none"}`,
    each.limit === undefined ? "all rows" : `${each.limit} rows`,
    `against ${each.reference ?? "the suite's reference"}`,
  ];
  const own = facts(evaluation).filter((fact, i) => group.some((other) => facts(other)[i] !== fact));
  const isUnique = group.filter((other) => facts(other).join() === facts(evaluation).join()).length === 1;
  return isUnique && own.length > 0 ? own.join(", ") : evaluation.name;
}

/** The suites' leading metrics; the subjects of MMLU are summed up in its own line. A suite without one shows what it has. */
function columnsOf(scores: readonly Score[]): Column[] {
  const main = scores.filter(({ suite }) => !suite.startsWith("mmlu_"));
  const suites = [...new Set(main.map(({ suite }) => suite))];
  return suites.flatMap((suite) => {
    const own = main.filter((score) => score.suite === suite);
    const metrics = [...new Set(own.map(({ metric }) => metric))];
    const leading = LEADING.filter((metric) => metrics.includes(metric));
    return (leading.length > 0 ? leading : metrics).map((metric) => ({
      suite,
      metric,
      hasPublished: own.some((score) => score.metric === metric && score.published !== undefined),
    }));
  });
}

/** "59.8 ± 0.4"; the error is left out where there is none. */
export function withError(score: Score | undefined): string {
  if (score === undefined) return "–";
  const value = shownValue(score.metric, score.value);
  if (score.stderr === null || value === "–") return value;
  return `${value} ± ${shownValue(score.metric, score.stderr)}`;
}

/** The published figure: "not at hand" where there is one that is not known here, "–" where there is none. */
export function publishedText(score: Score | undefined): string {
  if (score?.published === undefined) return "–";
  return score.published.value === null ? "not at hand" : shownValue(score.metric, score.published.value);
}
