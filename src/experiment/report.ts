import { join } from "node:path";
import { writeFileAtomically } from "../files/atomic-write.js";
import { canonicalJson } from "../files/canonical-json.js";
import { sha256 } from "../files/sha256.js";
import type { OpenExperiment } from "./open.js";
import type { ExperimentRecord } from "./record.js";

/** Raised when reports look different, so that finished experiments get the new one. */
const VERSION = 3;

export const REPORT_FILES = {
  html: "report.html",
  markdown: "report.md",
  csv: "report.csv",
  json: "report.json",
} as const;

/** What a report is made of: it is written again when this changes. */
export function reportKey({ hash, steps, promptNotes }: OpenExperiment, done: ReadonlySet<string>): string {
  return sha256(canonicalJson([VERSION, hash, promptNotes, steps.map(({ id, key }) => [id, key, done.has(id)])]));
}

/** Writes the report from what the finished steps left in their folders. */
export async function writeReport(
  opened: OpenExperiment,
  record: ExperimentRecord,
  done: ReadonlySet<string>,
): Promise<NonNullable<ExperimentRecord["report"]>> {
  const { collectReport } = await import("./collect.js");
  const { experimentHtml } = await import("../report/experiment/html.js");
  const { experimentCsv, experimentMarkdown } = await import("../report/experiment/text.js");
  const report = await collectReport(opened, record, done);
  const write = (name: string, text: string): void => writeFileAtomically(join(opened.out, name), text);
  write(REPORT_FILES.json, `${JSON.stringify(report, null, 2)}\n`);
  write(REPORT_FILES.csv, experimentCsv(report));
  write(REPORT_FILES.markdown, experimentMarkdown(report));
  write(REPORT_FILES.html, experimentHtml(report));
  return { ...REPORT_FILES, key: reportKey(opened, done) };
}
