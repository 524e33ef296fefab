import { existsSync } from "node:fs";
import { join } from "node:path";
import { type SuiteExtent, suiteExtentText } from "../eval/provenance.js";
import type { SuiteResult } from "../eval/results.js";
import { openResults } from "../eval/results-file.js";
import { readAllJsonl } from "../files/jsonl.js";
import type { Arm, Experiment } from "../recipe/experiment-schema.js";
import {
  COMMAND_FACT,
  type ExperimentReport,
  type LossCurve,
  type ReportArm,
} from "../report/experiment/report-data.js";
import { collectAnswers } from "./collect-answers.js";
import { collectData } from "./collect-data.js";
import { scoresOf } from "./collect-scores.js";
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
    notes: [...modelNotes(experiment, opened.models), ...opened.promptNotes],
    smoke: opened.smoke,
    facts: factsOf(opened, record),
    absent: record.steps
      .filter(({ id, open }) => !done.has(id) || open)
      .map(({ id, status, error, open }) => ({
        id,
        status: open ? `${open} ${open === 1 ? "request" : "requests"} open` : status,
        ...(error ? { error } : {}),
      })),
    arms: Object.entries(experiment.arms).map(([name, arm]) => armOf(name, arm, experiment, opened)),
    evaluations: Object.entries(experiment.evaluations).map(([name, evaluation]) => ({
      name,
      title: evaluation.title ?? name,
      ...(evaluation.judge ? { judge: evaluation.judge } : {}),
      ...(evaluation.limit ? { limit: evaluation.limit } : {}),
      ...(evaluation.reference_arm ? { reference: evaluation.reference_arm } : {}),
      ownRows: Object.keys(evaluation.rows ?? {}),
      extents: extentsOf(evaluated.filter(({ step }) => step.evaluation === name)),
    })),
    scores: await scoresOf(experiment, evaluated),
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
  const { seeds, original_prompts: original } = loaded.experiment;
  const facts: [string, string][] = Object.entries(models).map(([name, { chosen }]) => [
    `model ${name}`,
    modelFact(chosen),
  ]);
  if (smoke) facts.push(["variant", "smoke: small, to see that everything works"]);
  facts.push(["seeds", seeds.join(", ")]);
  if (original !== false) facts.push(["original prompts", original === true ? "yes" : "where they can be had"]);
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
    changes: [
      ...(arm.prompt === undefined ? [] : [`prompt=${arm.prompt}`]),
      ...(arm.rules === undefined ? [] : [`rules=${arm.rules.join(",")}`]),
      ...flat(arm.set ?? {}),
    ],
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

/** Each suite's rows where they are not the whole benchmark, whatever arms were asked. */
function extentsOf(evaluated: readonly EvaluatedStep[]): string[] {
  const texts = evaluated.flatMap(({ results }) =>
    Object.values(results).flatMap(({ config }) => {
      const extent = config?.extent as SuiteExtent | undefined;
      return (extent && suiteExtentText(extent)) ?? [];
    }),
  );
  return [...new Set(texts)];
}

const partsOf = (result: SuiteResult | undefined): string[] =>
  Object.keys((result?.details?.mean_of as object | undefined) ?? {});

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
