import { existsSync } from "node:fs";
import { join } from "node:path";
import type { SuiteResult } from "../eval/results.js";
import { openResults } from "../eval/results-file.js";
import { readAllJsonl } from "../files/jsonl.js";
import { mean, standardError } from "../metrics/statistics.js";
import type { Arm, Experiment } from "../recipe/experiment-schema.js";
import {
  COMMAND_FACT,
  type ExperimentReport,
  type LossCurve,
  type ReportArm,
  type Score,
} from "../report/experiment/report-data.js";
import { collectAnswers } from "./collect-answers.js";
import { collectData } from "./collect-data.js";
import type { EvaluatedStep } from "./evaluated-step.js";
import { modelFact, modelNotes } from "./model-notes.js";
import type { OpenExperiment } from "./open.js";
import type { ExperimentRecord } from "./record.js";
import type { Step } from "./step.js";

/** Reads the finished steps' folders into what the report shows. */
export async function collectReport(
  opened: OpenExperiment,
  record: ExperimentRecord,
  done: ReadonlySet<string>,
): Promise<ExperimentReport> {
  const { out, steps, loaded } = opened;
  const { experiment } = loaded;
  const evaluated = readEvaluations(out, steps, done);
  const answers = await collectAnswers(experiment, evaluated);
  return {
    name: experiment.name,
    title: experiment.title ?? experiment.name,
    ...(experiment.description ? { description: experiment.description } : {}),
    notes: modelNotes(experiment, opened.models),
    smoke: opened.smoke,
    facts: factsOf(opened, record),
    absent: record.steps
      .filter(({ id }) => !done.has(id))
      .map(({ id, status, error }) => ({ id, status, ...(error ? { error } : {}) })),
    arms: Object.entries(experiment.arms).map(([name, arm]) => armOf(name, arm, experiment, opened)),
    evaluations: Object.entries(experiment.evaluations).map(([name, evaluation]) => ({
      name,
      title: evaluation.title ?? name,
      ...(evaluation.judge ? { judge: evaluation.judge } : {}),
      ...(evaluation.limit ? { limit: evaluation.limit } : {}),
      ...(evaluation.reference_arm ? { reference: evaluation.reference_arm } : {}),
      ownRows: Object.keys(evaluation.rows ?? {}),
    })),
    scores: scoresOf(experiment, evaluated),
    losses: await lossesOf(out, steps, done),
    ...answers,
    data: await collectData(opened, done),
    published: experiment.published.map(({ source, url, note, tables }) => ({
      source,
      tables,
      ...(url ? { url } : {}),
      ...(note ? { note } : {}),
    })),
  };
}

function factsOf({ models, loaded, smoke }: OpenExperiment, record: ExperimentRecord): [string, string][] {
  const { seeds } = loaded.experiment;
  const facts: [string, string][] = Object.entries(models).map(([name, { chosen }]) => [
    `model ${name}`,
    modelFact(chosen),
  ]);
  if (smoke) facts.push(["variant", "smoke: small, to see that everything works"]);
  facts.push(["seeds", seeds.join(", ")]);
  facts.push([COMMAND_FACT, record.command]);
  facts.push([
    "versions",
    Object.entries(record.versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(", "),
  ]);
  return facts;
}

function armOf(name: string, arm: Arm, experiment: Experiment, { models, loaded }: OpenExperiment): ReportArm {
  const model = arm.model ?? experiment.model!;
  return {
    name,
    title: arm.title ?? name,
    kind: arm.mode ?? (arm.prompt === undefined ? "untuned" : "in-context"),
    model: models[model]?.chosen ?? model,
    ...(arm.data === undefined ? {} : { data: [arm.data].flat().join(" + ") }),
    changes: [...(arm.prompt === undefined ? [] : [`prompt=${arm.prompt}`]), ...flat(arm.set ?? {})],
    seeds: arm.mode === undefined ? [] : [...experiment.seeds],
    ...(loaded.sweptArms[name] ? { swept: loaded.sweptArms[name] } : {}),
  };
}

/** `{lora: {r: 8}}` → `lora.r=8` */
function flat(block: object, prefix = ""): string[] {
  return Object.entries(block).flatMap(([key, value]) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? flat(value, `${prefix}${key}.`)
      : [`${prefix}${key}=${JSON.stringify(value)}`],
  );
}

function readEvaluations(out: string, steps: readonly Step[], done: ReadonlySet<string>): EvaluatedStep[] {
  const judged = new Map(
    steps.flatMap(({ job }) => (job.kind === "eval" && job.answers ? [[job.answers.step, job.suites] as const] : [])),
  );
  const references = new Set(
    steps.flatMap(({ job }) =>
      job.kind === "eval" && job.reference && "step" in job.reference ? [job.reference.step] : [],
    ),
  );
  return steps.flatMap((step): EvaluatedStep[] => {
    const { job, arm, evaluation } = step;
    if ((job.kind !== "eval" && job.kind !== "answers") || !done.has(step.id)) return [];
    if (arm === undefined || evaluation === undefined || references.has(step.id)) return [];
    const folder = join(out, step.folder);
    const results = openResults(folder);
    if (!results) return [];
    // Sets stand before and beside their parts: "refusal" goes with advbench, whose answers another step judges.
    const elsewhere = judged.get(step.id) ?? [];
    const parts = new Set(elsewhere.flatMap((suite) => [suite, ...partsOf(results[suite])]));
    const own = Object.fromEntries(Object.entries(results).filter(([suite]) => !parts.has(suite)));
    return [{ step: { ...step, job, arm, evaluation }, folder, results: own }];
  });
}

const partsOf = (result: SuiteResult | undefined): string[] =>
  Object.keys((result?.details?.mean_of as object | undefined) ?? {});

/** One score for each arm, evaluation, suite and metric, with the published figure beside it. */
function scoresOf(experiment: Experiment, evaluated: readonly EvaluatedStep[]): Score[] {
  const found = new Map<string, { arm: string; evaluation: string; suite: string; metric: string; runs: Run[] }>();
  for (const { step, results } of evaluated)
    for (const [suite, { n, missing, metrics }] of Object.entries(results))
      for (const [metric, { value, stderr }] of Object.entries(metrics)) {
        const { arm, evaluation } = step;
        const id = JSON.stringify([evaluation, suite, metric, arm]);
        const entry = found.get(id) ?? { arm, evaluation, suite, metric, runs: [] };
        found.set(id, entry);
        entry.runs.push({ value, stderr, n, missing });
      }
  const scores = [...found.values()].map(({ runs, ...names }): Score => {
    const published = publishedFor(experiment, names);
    return { ...names, ...combine(runs), ...(published ? { published } : {}) };
  });
  return order(experiment, scores);
}

interface Run {
  value: number | null;
  stderr: number | null;
  n: number;
  missing: number;
}

function combine(runs: readonly Run[]): Pick<Score, "value" | "stderr" | "n" | "missing" | "seeds"> {
  const values = runs.flatMap(({ value }) => (value === null ? [] : [value]));
  const sum = (pick: (run: Run) => number): number => runs.reduce((total, run) => total + pick(run), 0);
  const counts = { n: sum(({ n }) => n), missing: sum(({ missing }) => missing), seeds: runs.length };
  if (values.length === 0) return { value: null, stderr: null, ...counts };
  return { value: mean(values), stderr: values.length > 1 ? standardError(values) : runs[0]!.stderr, ...counts };
}

function publishedFor(
  { published }: Experiment,
  { arm, evaluation, suite, metric }: { arm: string; evaluation: string; suite: string; metric: string },
): Score["published"] {
  for (const [source, { arms }] of published.entries()) {
    const figures = arms[arm];
    const value = figures?.[`${evaluation}/${suite}.${metric}`] ?? figures?.[`${suite}.${metric}`];
    if (value !== undefined) return { value, source };
    if (figures && (`${suite}.${metric}` in figures || `${evaluation}/${suite}.${metric}` in figures))
      return { value: null, source };
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

async function lossesOf(out: string, steps: readonly Step[], done: ReadonlySet<string>): Promise<LossCurve[]> {
  const curves: LossCurve[] = [];
  for (const step of steps) {
    if (step.kind !== "train" || !done.has(step.id)) continue;
    const path = join(out, step.folder, "metrics.jsonl");
    if (!existsSync(path)) continue;
    const rows = await readAllJsonl(path);
    const points = rows.map((row) => ({ step: Number(row.step), loss: Number(row.loss) }));
    const validation = rows.flatMap((row) =>
      row.validation_loss === undefined ? [] : [{ step: Number(row.step), loss: Number(row.validation_loss) }],
    );
    const seed = step.id.includes("@") ? step.seed : undefined;
    curves.push({ arm: step.arm!, ...(seed === undefined ? {} : { seed }), points, validation });
  }
  return curves;
}
