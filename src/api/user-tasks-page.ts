import { join } from "node:path";
import type { SuiteResult } from "../eval/results.js";
import type { ModelScores } from "../eval/suites/user-tasks.js";
import { writeFileAtomically } from "../files/atomic-write.js";

/** The page of the user tasks, beside the results. */
export async function writeUserTasksPage(
  out: string,
  own: string,
  { n, missing, details = {} }: SuiteResult,
  say: (line: string) => void,
): Promise<void> {
  const { userTasksPage } = await import("../report/user-tasks-page.js");
  const facts: [string, string][] = [
    ["rows", `${n}${missing ? ` (${missing} missing)` : ""}`],
    ["empty answers", String(details.empty)],
    ["BLEU", String(details.bleu_signature)],
  ];
  if (details.bertscore_signature) facts.push(["BERTScore", String(details.bertscore_signature)]);
  const path = join(out, "user-tasks.html");
  writeFileAtomically(
    path,
    userTasksPage({
      own: typeof details.own === "string" ? details.own : own,
      models: details.models as Record<string, ModelScores>,
      facts,
    }),
  );
  say(`report: ${path}`);
}
