/** What lm-evaluation-harness scored (tools/golden/lm_eval.py), and the suites that repeat its runs. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import type { SuiteContext } from "../../src/eval/suite.js";
import { readAllJsonl } from "../../src/files/jsonl.js";
import { renderTulu } from "../../src/tokenizer/chat-template.js";

/** The request, its log-probability, and whether greedy decoding would write the continuation. */
type GoldenScore = [request: string, logprob: number, greedy: 0 | 1];

export interface GoldenRun {
  task: string;
  shots: number;
  template: "tulu" | "none";
  rows: number;
  metrics: Record<string, number>;
  samples?: GoldenScore[][];
  answers?: { doc: number; filter: string; answer: string; exact_match: number; context: string }[];
}

const root = fileURLToPath(new URL("../../", import.meta.url));
const packed = readFileSync(join(root, "src/eval/fixtures/lm-eval.json.gz"));
const { runs } = JSON.parse(gunzipSync(packed).toString()) as { runs: GoldenRun[] };

export const dataDir = process.env.EVOKE_DATA ?? join(root, "..", "shared", "data");
/** Runs that score choices, and runs that write answers. */
export const choiceRuns = runs.filter(({ samples }) => samples);
export const answerRuns = runs.filter(({ answers }) => answers);

export const nameOf = ({ task, shots, template, rows }: GoldenRun): string =>
  `${task}, ${shots} shots, template ${template}, ${rows} rows`;
export const suiteOf = ({ task }: GoldenRun): string => (task.startsWith("mmlu") ? "mmlu" : task);

/** Tells a request apart, as the script does. */
export const digest = (...texts: string[]): string =>
  createHash("sha256").update(JSON.stringify(texts)).digest("hex").slice(0, 12);

/** Index of the likeliest choice, the first of equals. */
export const chosen = (logprobs: readonly number[]): number => logprobs.indexOf(Math.max(...logprobs));

const EOS = "<|im_end|>";

/** The context of a golden run; MMLU's one subject is cut out of the whole. @param folder for that. */
export async function contextOf(
  { task, shots, template, rows }: GoldenRun,
  folder: string,
): Promise<Partial<SuiteContext>> {
  const base = {
    shots,
    limit: rows,
    source: { dataDir },
    ...(template === "tulu"
      ? {
          template,
          chat: (messages: Parameters<typeof renderTulu>[0]) => ({
            context: renderTulu(messages, EOS, { addGenerationPrompt: true }),
          }),
        }
      : {}),
  };
  if (task === "hellaswag")
    return { ...base, files: { hellaswag: join(dataDir, "core/hellaswag/validation_499_raw.jsonl") } };
  if (!task.startsWith("mmlu_")) return base;
  const own = join(folder, task);
  mkdirSync(join(own, "core", "mmlu"), { recursive: true });
  for (const split of ["test", "dev"]) {
    const all = await readAllJsonl(join(dataDir, "core", "mmlu", `${split}.jsonl`));
    const members = all.filter(({ subject }) => `mmlu_${subject}` === task);
    writeFileSync(
      join(own, "core", "mmlu", `${split}.jsonl`),
      members.map((row) => `${JSON.stringify(row)}\n`).join(""),
    );
  }
  return { ...base, source: { dataDir: own } };
}
