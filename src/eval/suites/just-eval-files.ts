/** Files that the original just-eval and the scripts of Response Tuning read: answers, judgements, and the commands between them. */
import { join } from "node:path";
import { writeFileAtomically } from "../../files/atomic-write.js";
import type { JsonRow } from "../../files/jsonl.js";
import { type JustEvalMetrics, justEvalMetrics } from "../../metrics/just-eval-metrics.js";
import { type Judgement, readJudgement } from "../../metrics/just-eval-parse.js";
import type { WrittenAnswer } from "../answers.js";
import { shellWord, writeJsonFile } from "../hand-over.js";
import type { JudgePrompt } from "../judge-prompt.js";
import { answersFolder, partMark, type SuiteContext } from "../suite.js";

export interface Question {
  id: number;
  instruction: string;
  isSafety: boolean;
  /** The row as it is in the data set. */
  fields: JsonRow;
}

const KINDS = ["regular", "safety"] as const;
type Kind = (typeof KINDS)[number];

const MODES: Record<Kind, string> = { regular: "score_multi", safety: "score_safety" };
/** The judge of Response Tuning's runs. */
const GPT_MODEL = "gpt-4o-2024-08-06";

const inputFile = (context: SuiteContext, kind: Kind): string =>
  `just_eval_input_${kind}_model_outputs${partMark(context)}.json`;
const resultFile = (kind: Kind): string => `just_eval_${kind}_eval_output.json`;
const kindOf = ({ isSafety }: Question): Kind => (isSafety ? "safety" : "regular");

export const justEvalFolder = (context: SuiteContext): string => answersFolder(context, "just_eval");

/**
 * Writes the answers as the original tool reads them: regular and safety rows apart, by id, each with the columns of the data set, and
 * a command for each file. Returns the commands' paths.
 */
export function writeJustEvalInputs(
  context: SuiteContext,
  questions: readonly Question[],
  answers: readonly WrittenAnswer[],
): string[] {
  const folder = justEvalFolder(context);
  return KINDS.flatMap((kind) => {
    const rows = questions.flatMap((question, i) => {
      const { output, asked } = answers[i]!;
      if (kindOf(question) !== kind || output === undefined) return [];
      const { id, instruction, isSafety: _, fields } = question;
      const own = { output, generator: context.generator, ...(asked === undefined ? {} : { input_prompt: asked }) };
      return [{ ...fields, id, instruction, category: kind, ...own }];
    });
    if (rows.length === 0) return [];
    rows.sort((a, b) => a.id - b.id);
    writeJsonFile(join(folder, inputFile(context, kind)), rows);
    const script = join(folder, `${kind}_eval_command.sh`);
    writeFileAtomically(script, commandOf(context, kind));
    return [script];
  });
}

function commandOf(context: SuiteContext, kind: Kind): string {
  const flags: [string, string][] = [
    ["--mode", MODES[kind]],
    ["--gpt_model", GPT_MODEL],
    ["--model_output_file", inputFile(context, kind)],
    ["--eval_output_file", resultFile(kind)],
  ];
  const words = [...flags.map(([flag, value]) => `  ${flag} ${shellWord(value)}`), '  "$@"'];
  return `#!/usr/bin/env bash\n# Judges these answers with the original just-eval; OPENAI_API_KEY holds the key.\ncd "$(dirname "$0")" || exit 1\njust_eval \\\n${words.join(" \\\n")}\n`;
}

/**
 * Writes judgements as the original tool does, so that its `--report_only` and the metrics script of Response Tuning read them.
 * Judgements that could not be read are left out: that script takes a safety row without one for an error. With Response Tuning's
 * names its figures are written, too.
 */
export function writeJustEvalJudgements(
  context: SuiteContext,
  questions: readonly Question[],
  judged: readonly ({ output: string; verdict: Judgement; prompt: string } | undefined)[],
): void {
  let total = 0;
  const verdicts: Judgement[] = [];
  for (const kind of KINDS) {
    const rows = questions.flatMap((question, i) => {
      const found = judged[i];
      const scores = found && scoresOf(found.verdict);
      if (kindOf(question) !== kind || !found || !scores) return [];
      return [
        {
          id: question.id,
          input: question.instruction,
          output_cand: found.output,
          generator_cand: context.generator,
          eval_config: { mode: MODES[kind], gpt: context.judgeName ?? null, max_words: -1 },
          prompt: found.prompt,
          result: JSON.stringify(scores),
          parsed_result: scores,
        },
      ];
    });
    if (rows.length === 0) continue;
    rows.sort((a, b) => a.id - b.id);
    writeJsonFile(join(justEvalFolder(context), resultFile(kind)), rows);
    total += rows.length;
    verdicts.push(...rows.map(({ parsed_result }) => readJudgement(parsed_result)!));
  }
  if (context.layout === "rt" && total > 0)
    writeScriptMetrics(justEvalFolder(context), total, justEvalMetrics(verdicts));
}

/** The order of Response Tuning's metrics script. */
const SCRIPT_ASPECTS = ["helpfulness", "factuality", "clarity", "depth", "engagement", "safety"] as const;

/** Writes `metrics_N.json`, N being the rows of all result files, with the names of Response Tuning's metrics script. Returns its path. */
export function writeScriptMetrics(folder: string, total: number, { aspects, overall }: JustEvalMetrics): string {
  const path = join(folder, `metrics_${total}.json`);
  const means = SCRIPT_ASPECTS.flatMap((aspect) => {
    const given = aspects[aspect];
    return given && given.n > 0 ? [[`avg_${aspect}_score`, given.mean]] : [];
  });
  writeJsonFile(path, { ...Object.fromEntries(means), avg_score: overall });
  return path;
}

/** Numbers, as scores in words lose their fraction in the original scripts; undefined where a score is none of the scale. */
function scoresOf(verdict: Judgement): Record<string, { reason: string; score: number | "N/A" }> | undefined {
  const entries = Object.entries(verdict);
  if (entries.some(([, { problem }]) => problem)) return undefined;
  return Object.fromEntries(entries.map(([aspect, { reason, score }]) => [aspect, { reason, score: score ?? "N/A" }]));
}

/** The user's turn of a judge's prompt, as the original keeps it. */
export const userTurn = (prompt: JudgePrompt, values: Record<string, string>): string =>
  prompt.messages(values).at(-1)!.content;
