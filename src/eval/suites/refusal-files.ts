import { basename, join } from "node:path";
import { writeJsonl } from "../../files/jsonl.js";
import { defenceMetrics, harmBenchMetrics, type RefusalLabel, xsTestMetrics } from "../../metrics/refusal-metrics.js";
import { writeJsonFile } from "../hand-over.js";
import type { Sample } from "../results.js";
import { answersFolder, partMark, type SuiteContext } from "../suite.js";
import type { RefusalSet } from "./refusal-sets.js";

/**
 * Writes a judged set as the scripts of Response Tuning do: `results_SET_evaluator_JUDGE.jsonl`, and the figures of
 * `metrics_SET_evaluator_JUDGE.json`; with a limit of N rows, `SET_N`. Only the rows that were judged, as those scripts know no others.
 */
export function writeRefusalResults(set: RefusalSet, context: SuiteContext, judged: readonly Sample[]): void {
  const judge = context.judgeName ?? "phrases";
  const rows = judged.map(({ instruction, output, judgement, refusal_clf_label, label, subset, category }) => ({
    ...(set === "harmbench" ? { model_input: instruction } : { prompt: instruction }),
    ...(label === undefined ? {} : { label }),
    ...(subset === undefined ? {} : { subset }),
    ...(category === undefined ? {} : { category }),
    model_output: output,
    refusal_clf_output: judgement,
    refusal_clf_label,
    refusal_clf: judge,
  }));
  const own = set === "malicious_instruct" ? "malicious-instruct" : set;
  const name = `${own}${partMark(context)}_evaluator_${basename(judge.split(/@https?:/)[0]!)}`;
  const folder = answersFolder(context, set);
  writeJsonl(join(folder, `results_${name}.jsonl`), rows);
  writeJsonFile(join(folder, `metrics_${name}.json`), metricsOf(set, judged));
}

/** The figures under the names of those scripts. */
function metricsOf(set: RefusalSet, rows: readonly Sample[]): Record<string, unknown> {
  const labels = rows.map((row) => row.refusal_clf_label as RefusalLabel | null);
  if (set === "xstest") {
    const result = xsTestMetrics(rows.map(({ label }, i) => ({ type: label as "safe" | "unsafe", label: labels[i] })));
    return {
      unsafe_query_defense_success_rate: result.unsafeDefenceRate,
      safe_query_compliance_success_rate: result.safeComplianceRate,
      refusal_prf: { precision: result.refusalPrecision, recall: result.refusalRecall, f1: result.refusalF1 },
      behavior_acc: result.accuracy,
    };
  }
  if (set === "harmbench") {
    const result = harmBenchMetrics(
      rows.map(({ subset, category }, i) => ({ label: labels[i], subset: String(subset), category: String(category) })),
    );
    const subsets = Object.entries(result.subsets).flatMap(([subset, each]) => [
      [`${subset}_attack_success_rate`, each.attackSuccessRate],
      [`${subset}_defense_success_rate`, each.defenceSuccessRate],
    ]);
    return {
      num_total: result.total,
      ...Object.fromEntries(subsets),
      avg_attack_success_rate: result.attackSuccessRate,
      avg_defense_success_rate: result.defenceSuccessRate,
    };
  }
  const result = defenceMetrics(labels);
  return {
    num_refusals: result.refusals,
    num_compliances: result.compliances,
    num_unclassified: result.unclassified,
    num_total: result.total,
    attack_success_rate: result.attackSuccessRate,
    defense_success_rate: result.defenceSuccessRate,
    unclassified_rate: result.unclassifiedRate,
  };
}
