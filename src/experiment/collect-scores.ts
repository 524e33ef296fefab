/** The figures of an experiment: means over seeds, with errors of rows and of runs. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { originsIn, originsText, type PromptOrigin } from "../data/prompt-origin.js";
import type { MetricValue } from "../eval/results.js";
import { rowFigures, rowIdentity } from "../eval/row-figures.js";
import { readAllJsonl } from "../files/jsonl.js";
import { crossedErrors, type ErrorBars, summaryErrors } from "../metrics/error-bars.js";
import { mean } from "../metrics/statistics.js";
import type { Experiment } from "../recipe/experiment-schema.js";
import type { Score } from "../report/experiment/report-data.js";
import type { EvaluatedStep } from "./evaluated-step.js";

interface Run {
  metric: MetricValue;
  n: number;
  missing: number;
  folder: string;
  /** Members of a mean, such as the suites of `core`. */
  meanOf: string[];
  prompts: PromptOrigin[];
}

type Names = Pick<Score, "arm" | "evaluation" | "suite" | "metric">;

/** One score for each arm, evaluation, suite and metric, with the published figure beside it. */
export async function scoresOf(experiment: Experiment, evaluated: readonly EvaluatedStep[]): Promise<Score[]> {
  const found = new Map<string, Names & { runs: Run[] }>();
  for (const { step, folder, results } of evaluated)
    for (const [suite, { n, missing, metrics, details }] of Object.entries(results))
      for (const [metric, value] of Object.entries(metrics)) {
        const { arm, evaluation } = step;
        const id = JSON.stringify([evaluation, suite, metric, arm]);
        const entry = found.get(id) ?? { arm, evaluation, suite, metric, runs: [] };
        found.set(id, entry);
        const meanOf = Object.keys((details?.mean_of as object | undefined) ?? {});
        const prompts = [suite, ...meanOf].flatMap((name) => originsIn(results[name]?.config?.prompt_origins));
        entry.runs.push({ metric: value, n, missing, folder, meanOf, prompts });
      }
  const samples = new RowReader();
  const scores: Score[] = [];
  for (const { runs, ...names } of found.values()) {
    const published = publishedFor(experiment, names);
    scores.push({ ...names, ...(await combine(runs, names, samples)), ...(published ? { published } : {}) });
  }
  return order(experiment, scores);
}

async function combine(runs: readonly Run[], names: Names, samples: RowReader): Promise<Omit<Score, keyof Names>> {
  const known = runs.filter(({ metric }) => metric.value !== null);
  const sum = (pick: (run: Run) => number): number => runs.reduce((total, run) => total + pick(run), 0);
  const how = [...new Set(runs.flatMap(({ metric }) => metric.how ?? []))];
  const [{ meanOf }] = runs as [Run];
  if (meanOf.length > 0) how.push(`the plain mean of ${meanOf.join(", ")}`);
  const prompts = originsText(runs.flatMap((run) => run.prompts));
  const counts = {
    n: sum(({ n }) => n),
    missing: sum(({ missing }) => missing),
    seeds: runs.length,
    ...(how.length > 0 ? { how: how.join("; ") } : {}),
    ...(prompts ? { prompts } : {}),
  };
  const nothing = { sampling: null, runToRun: null, stderr: null, low: null, high: null };
  if (known.length === 0) return { value: null, ...nothing, ...counts };
  const value = mean(known.map(({ metric }) => metric.value!));
  const { combined: stderr, ...errors } = await errorsOf(known, names, samples);
  return { value, ...errors, stderr, ...counts };
}

/** From the rows where several runs scored the same ones and the figure is their mean; else from the runs' own errors. */
async function errorsOf(runs: readonly Run[], { suite, metric }: Names, samples: RowReader): Promise<ErrorBars> {
  const figures = runs.map(({ metric: { value, stderr }, n }) => ({ value: value!, stderr, n }));
  if (runs.length < 2) return summaryErrors(figures);
  const rows = await Promise.all(runs.map(({ folder }) => samples.read(folder, suite, metric)));
  const isMean = rows.every((values, i) => {
    const all = [...values.values()];
    return all.length > 1 && Math.abs(mean(all) - figures[i]!.value) <= 1e-9 * Math.max(1, Math.abs(figures[i]!.value));
  });
  const shared = [...rows[0]!.keys()].filter((id) => rows.every((values) => values.has(id))).sort();
  if (!isMean || shared.length < 2 || shared.length < 0.9 * rows[0]!.size) return summaryErrors(figures);
  return crossedErrors(rows.map((values) => shared.map((id) => values.get(id)!)));
}

/** Figures of rows by question, each file read once. A question that stands several times has the mean of its figures. */
class RowReader {
  private readonly files = new Map<string, Promise<Map<string, Map<string, number>[]>>>();

  async read(folder: string, suite: string, metric: string): Promise<Map<string, number>> {
    const path = join(folder, "samples", `${suite}.jsonl`);
    const file = this.files.get(path) ?? RowReader.load(path, suite);
    this.files.set(path, file);
    const values = new Map<string, number>();
    for (const [id, rows] of await file) {
      const own = rows.flatMap((row) => row.get(metric) ?? []);
      if (own.length > 0) values.set(id, mean(own));
    }
    return values;
  }

  private static async load(path: string, suite: string): Promise<Map<string, Map<string, number>[]>> {
    const found = new Map<string, Map<string, number>[]>();
    for (const row of existsSync(path) ? await readAllJsonl(path) : []) {
      const id = rowIdentity(row);
      found.set(id, [...(found.get(id) ?? []), rowFigures(suite, row)]);
    }
    return found;
  }
}

function publishedFor({ published }: Experiment, { arm, evaluation, suite, metric }: Names): Score["published"] {
  const names = [`${evaluation}/${suite}.${metric}`, `${suite}.${metric}`];
  for (const [source, { arms }] of published.entries()) {
    const figures = arms[arm];
    const name = figures && names.find((each) => figures[each] !== undefined);
    if (name !== undefined) return { value: figures![name]!, source };
  }
  return undefined;
}

/** Evaluations and arms in the order of the file; suites and metrics as they came. */
function order(experiment: Experiment, scores: readonly Score[]): Score[] {
  const evaluations = Object.keys(experiment.evaluations);
  const arms = Object.keys(experiment.arms);
  const columns = [...new Set(scores.map(({ suite, metric }) => `${suite}.${metric}`))];
  const rank = (score: Score): number[] => [
    evaluations.indexOf(score.evaluation),
    columns.indexOf(`${score.suite}.${score.metric}`),
    arms.indexOf(score.arm),
  ];
  return [...scores].sort((a, b) => {
    const [left, right] = [rank(a), rank(b)];
    const at = left.findIndex((value, i) => value !== right[i]);
    return at < 0 ? 0 : left[at]! - right[at]!;
  });
}
