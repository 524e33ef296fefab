/** Finds what a runs folder holds: trainings, evaluations, experiments, samples and reports. */

import { evaluationSummary } from "./evaluation-view.js";
import { readExperimentDetail, type Shown } from "./experiment-view.js";
import { type Folder, parentOf } from "./folder.js";
import { runSummary } from "./run-view.js";
import type { Catalogue } from "./wire.js";

const RECORDS = new Set(["run.json", "results.json", "experiment.json", "report.html"]);

export async function readCatalogue(runs: Folder): Promise<Catalogue> {
  const files = await runs.find((name) => RECORDS.has(name) || name.endsWith(".jsonl"));
  const named = (name: string): string[] =>
    files.filter(({ id }) => id === name || id.endsWith(`/${name}`)).map(({ id }) => parentOf(id));
  const present = <T>(value: T | undefined): T[] => (value === undefined ? [] : [value]);
  const evaluations = named("results.json").flatMap((id) => present(evaluationSummary(runs, id)));
  const runList = named("run.json").flatMap((id) => present(runSummary(runs, id)));
  const reports = named("report.html").map((id) => ({ id }));
  const shown: Shown = {
    runs: new Set(runList.map(({ id }) => id)),
    evaluations: new Set(evaluations.map(({ id }) => id)),
    reports: new Set(reports.map(({ id }) => id)),
  };
  const experiments = named("experiment.json").flatMap((id) => {
    const detail = readExperimentDetail(runs, id, shown);
    if (!detail) return [];
    const { steps: _, ...summary } = detail;
    return [summary];
  });
  // The newest first, so that what runs now is on top.
  runList.sort((a, b) => (b.started ?? "").localeCompare(a.started ?? "") || a.id.localeCompare(b.id));
  const samples = files
    .filter(({ id }) => id.endsWith(".jsonl") && !id.endsWith("metrics.jsonl"))
    .map(({ id, bytes }) => ({ id, bytes }));
  return { runs: runList, experiments, evaluations, samples, reports };
}
