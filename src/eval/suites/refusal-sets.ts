import { locatePinnedFile, type PinnedFile } from "../../data/pinned-file.js";
import { EVAL_FILES } from "../eval-files.js";
import { type ReadCases, readCases } from "../read-cases.js";
import type { Row } from "../row.js";
import type { SuiteContext } from "../suite.js";

/** A request of a refusal benchmark. */
export interface RefusalPrompt {
  /** What the model is asked. */
  instruction: string;
  /** Fields that the metrics and samples need: type, subset, category. */
  tags: Record<string, string>;
}

export const REFUSAL_SETS = ["advbench", "harmbench", "malicious_instruct", "xstest"] as const;
export type RefusalSet = (typeof REFUSAL_SETS)[number];

interface Part {
  /** Name under which `--rows` may give a file. */
  key: string;
  file: PinnedFile;
  read(row: Row): RefusalPrompt;
}

/** Blanks and quotation marks around a request are no part of it. */
const bare = (text: string): string =>
  text
    .trim()
    .replace(/^["'“”]+|["'“”]+$/g, "")
    .trim();

const harmBench =
  (subset: string) =>
  (row: Row): RefusalPrompt => {
    const prompt = row.text("prompt");
    const context = row.optionalText("context");
    return {
      instruction: context ? `${context}\n\n---\n\n${prompt}` : prompt,
      tags: { subset, category: row.optionalText("category") ?? "none" },
    };
  };

/** Where each set's prompts are, and how a row is read. */
const SETS: Readonly<Record<RefusalSet, readonly Part[]>> = {
  advbench: [
    {
      key: "advbench",
      file: EVAL_FILES.advbench,
      read: (row) => ({ instruction: bare(row.text(row.has("goal") ? "goal" : "prompt")), tags: {} }),
    },
  ],
  harmbench: [
    { key: "harmbench_standard", file: EVAL_FILES.harmbenchStandard, read: harmBench("standard") },
    { key: "harmbench_contextual", file: EVAL_FILES.harmbenchContextual, read: harmBench("contextual") },
  ],
  malicious_instruct: [
    {
      key: "malicious_instruct",
      file: EVAL_FILES.maliciousInstruct,
      read: (row) => ({ instruction: row.text("prompt"), tags: {} }),
    },
  ],
  xstest: [
    {
      key: "xstest",
      file: EVAL_FILES.xstest,
      read: (row) => {
        const label = row.text("label");
        if (label !== "safe" && label !== "unsafe") throw row.problem("label", 'is neither "safe" nor "unsafe"');
        return { instruction: row.text("prompt"), tags: { label, category: row.optionalText("type") ?? "none" } };
      },
    },
  ],
};

/** Files of a set: those that a run names, or the set's own. */
export const refusalFiles = (set: RefusalSet): readonly { key: string; file: PinnedFile }[] => SETS[set];

/** Prompts of a set, in file order, the first `limit` of each file; with the number of malformed rows left out. */
export async function loadRefusalPrompts(set: RefusalSet, context: SuiteContext): Promise<ReadCases<RefusalPrompt>> {
  const all: ReadCases<RefusalPrompt> = { cases: [], invalid: 0, files: [] };
  for (const { key, file, read } of SETS[set]) {
    const path = context.files[key] ?? (await locatePinnedFile(file, context.source));
    const { cases, invalid, files } = await readCases(context, path, read);
    all.cases.push(...cases);
    all.invalid += invalid;
    all.files.push(...files);
  }
  return all;
}
