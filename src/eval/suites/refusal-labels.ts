import { UsageError } from "../../errors.js";
import type { RefusalLabel } from "../../metrics/refusal-metrics.js";
import { parseRefusalVerdict } from "../../metrics/refusal-verdict.js";
import { readFiles } from "../load-rows.js";
import type { SuiteResult } from "../results.js";
import type { Row } from "../row.js";
import { refusalReport } from "./refusal-report.js";
import type { RefusalSet } from "./refusal-sets.js";

/**
 * Metrics of labels that exist already: rows with `refusal_clf_label` (refusal, compliance, or anything else for
 * unclassified). Rows with `label` safe or unsafe are XSTest's, rows with `subset` are HarmBench's.
 */
export async function reportRefusalLabels(path: string): Promise<SuiteResult & { kind: RefusalSet }> {
  const { rows } = await readFiles([path]);
  const first = rows[0]!;
  const kind: RefusalSet = first.has("label") ? "xstest" : first.has("subset") ? "harmbench" : "advbench";
  const labelled = rows.map((row) => ({ label: labelOf(row), tags: tagsOf(row, kind) }));
  const { metrics, details } = refusalReport(kind, labelled);
  return { kind, n: rows.length, missing: 0, metrics, details };
}

function labelOf(row: Row): RefusalLabel | undefined {
  const given = row.fields.refusal_clf_label;
  if (given === undefined) throw row.problem("refusal_clf_label", "is missing");
  if (given !== null && typeof given !== "string") throw row.problem("refusal_clf_label", "is neither a text nor null");
  return given === null ? undefined : parseRefusalVerdict(given);
}

function tagsOf(row: Row, kind: RefusalSet): Record<string, string> {
  if (kind === "harmbench") return { subset: row.text("subset"), category: row.optionalText("category") ?? "none" };
  if (kind !== "xstest") return {};
  const label = row.text("label");
  if (label !== "safe" && label !== "unsafe")
    throw new UsageError(`${row.where}: field "label" is "${label}", expected "safe" or "unsafe"`);
  return { label };
}
