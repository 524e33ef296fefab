import { rmSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../errors.js";
import { writeJsonl } from "../files/jsonl.js";
import { locateSplit } from "./load-rows.js";
import { withProvenance } from "./provenance.js";
import { averageMetric, type MetricValue, type SuiteOutput, type SuiteResult } from "./results.js";
import { type Results, recorded, resultsToKeep, writeResults } from "./results-file.js";
import { runAnswerTask } from "./run-answer-task.js";
import { runChoiceTask } from "./run-choice-task.js";
import type { SuiteContext } from "./suite.js";
import { SUMMARIES } from "./suite-summaries.js";
import { runAlpacaEval } from "./suites/alpaca-eval.js";
import { runInstruct } from "./suites/instruct.js";
import { runJustEval } from "./suites/just-eval.js";
import { runReferenceLikelihood } from "./suites/reference-likelihood.js";
import { runRefusalSet } from "./suites/refusal.js";
import { REFUSAL_SETS, type RefusalSet } from "./suites/refusal-sets.js";
import { runResponseRanking } from "./suites/response-ranking.js";
import { runUserTasks } from "./suites/user-tasks.js";
import { TASK_SETS, TASKS } from "./tasks/index.js";

const SUITES: Readonly<Record<string, (context: SuiteContext) => Promise<SuiteOutput>>> = {
  ...Object.fromEntries(
    TASKS.map((task) => [
      task.name,
      (context: SuiteContext) => (task.kind === "choice" ? runChoiceTask(task, context) : runAnswerTask(task, context)),
    ]),
  ),
  alpaca_eval: runAlpacaEval,
  just_eval: runJustEval,
  ...Object.fromEntries(
    REFUSAL_SETS.map((set: RefusalSet) => [set, (context: SuiteContext) => runRefusalSet(set, context)]),
  ),
  user_tasks: runUserTasks,
  instruct: runInstruct,
  response_ranking: runResponseRanking,
  reference_likelihood: runReferenceLikelihood,
};

/** Names that stand for several suites. */
const SETS: Readonly<Record<string, readonly string[]>> = { ...TASK_SETS, refusal: REFUSAL_SETS };

/** Every name that `evoke eval` takes. */
export const SUITE_NAMES: readonly string[] = [...Object.keys(SUITES), ...Object.keys(SETS)];

/** What a suite measures, or which suites a set stands for, in one line. */
export function suiteSummary(name: string): string {
  return SUMMARIES[name] ?? `the set of ${(SETS[name] ?? []).join(", ")}`;
}

/**
 * The single suites behind some names, each once, in the order given.
 *
 * @throws UsageError for an unknown name.
 */
export function expandSuites(names: readonly string[]): string[] {
  const found = names.flatMap((name): string[] => {
    if (Object.hasOwn(SETS, name)) return expandSuites(SETS[name]!);
    if (Object.hasOwn(SUITES, name)) return [name];
    throw new UsageError(`${name}: no such suite; there are ${SUITE_NAMES.join(", ")}`);
  });
  return [...new Set(found)];
}

/**
 * Runs suites one after another. After each one its samples and the results so far are on the disk; a run that is started
 * again in the same folder takes finished calls from its journals. Results that the folder has of other suites stay.
 *
 * @param names as given by the user; sets among them get a result of their own.
 * @returns the results of these suites.
 * @throws UsageError when the folder holds results of another model.
 */
export async function runSuites(names: readonly string[], context: SuiteContext): Promise<Results> {
  const results: Results = {};
  const { out, record = {} } = context;
  const own = expandSuites(names);
  const kept = resultsToKeep(out, new Set([...names, ...own]), record);
  // Figures of an earlier run of these suites must not pass for this one's.
  if (Object.keys(kept).length > 0) writeResults(out, kept, record);
  else rmSync(join(out, "results.json"), { force: true });
  await locateRows(own, context);
  for (const name of own) {
    const output = withProvenance(await SUITES[name]!(context), context);
    for (const [file, samples] of Object.entries(output.samples))
      writeJsonl(join(out, "samples", `${file}.jsonl`), samples);
    Object.assign(results, output.results);
    writeResults(out, { ...kept, ...results }, record);
  }
  for (const name of names) if (Object.hasOwn(SETS, name)) addSet(name, results);
  writeResults(out, { ...kept, ...results }, record);
  return recorded(results, record);
}

/** Fetches benchmarks' rows, or says which are missing, before anything is computed. */
async function locateRows(names: readonly string[], { files, shots, source }: SuiteContext): Promise<void> {
  for (const task of TASKS.filter(({ name }) => names.includes(name))) {
    await locateSplit(task.data, task.split, { ...source, file: files[task.name] });
    if ((shots ?? task.shots) > 0 && !task.fewShot.fixed) await locateSplit(task.data, task.fewShot.split, source);
  }
}

/** The figure by which a suite enters the mean of a set. */
const LEADING = ["acc", "exact_match_strict", "defense_success_rate", "unsafe_defense_rate"];

function leading(result: SuiteResult): [string, MetricValue] {
  const name = LEADING.find((each) => result.metrics[each] !== undefined)!;
  return [name, result.metrics[name]!];
}

/** A set's result: the plain mean over its members' leading figures. Sets within it come first. */
function addSet(name: string, results: Record<string, SuiteResult>): void {
  const members = SETS[name]!.map((member) => {
    if (Object.hasOwn(SETS, member)) addSet(member, results);
    return [member, results[member]!] as const;
  });
  const figures = members.map(([member, result]) => [member, ...leading(result)] as const);
  const own = name === "arc" ? "acc" : "average";
  results[name] = {
    n: members.reduce((sum, [, { n }]) => sum + n, 0),
    missing: members.reduce((sum, [, { missing }]) => sum + missing, 0),
    metrics: { [own]: averageMetric(figures.map(([, , metric]) => metric)) },
    details: { mean_of: Object.fromEntries(figures.map(([member, metric]) => [member, metric])) },
  };
}
