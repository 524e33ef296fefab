import { existsSync } from "node:fs";
import { EvokeError } from "../../errors.js";
import { corpusBleu } from "../../metrics/bleu.js";
import { rouge } from "../../metrics/rouge.js";
import { mean } from "../../metrics/statistics.js";
import { answerConfig, writeAnswers } from "../answers.js";
import { EVAL_FILES, locateEvalFile, PREDICTION_FILES } from "../eval-files.js";
import { readFiles } from "../load-rows.js";
import { meanMetric, plainMetric, type SuiteOutput, textTable } from "../results.js";
import type { Row } from "../row.js";
import type { SuiteContext } from "../suite.js";

const MAX_NEW_TOKENS = 1024;

interface UserTask {
  id: string;
  application: string;
  instruction: string;
  input: string;
  target: string;
}

/** Scores of some rows: BLEU in 0–100, the ROUGE-L F-measure in 0–1. */
export interface TextScores {
  n: number;
  bleu: number;
  rougeL: number;
}

export interface ModelScores extends TextScores {
  applications: Record<string, TextScores>;
}

/** Self-Instruct's 252 user-oriented tasks (Wang et al. 2023): BLEU and ROUGE-L beside eight published models'. */
export async function runUserTasks(context: SuiteContext): Promise<SuiteOutput> {
  const path = context.files.user_tasks ?? (await locateEvalFile(EVAL_FILES.userTasks, context.source));
  const { rows, files } = await readFiles([path], context.source);
  const tasks = rows.slice(0, context.limit).map(readTask);
  const answers = await writeAnswers(
    context,
    tasks.map(({ instruction, input }) => (input ? `${instruction}\n\n${input}` : instruction)),
    { label: "user_tasks", maxTokens: MAX_NEW_TOKENS },
  );
  const own = new Map(answers.flatMap(({ output }, i) => (output === undefined ? [] : [[i, output.trim()] as const])));
  const rougeOf = new Map([...own].map(([i, output]) => [i, rougeL(tasks[i]!.target, output)]));
  const samples = tasks.map((task, i) => {
    const output = own.get(i);
    const given = { index: i, ...task };
    if (output === undefined) return { ...given, missing: answers[i]!.problem ?? "no answer" };
    return { ...given, output, rougeL: rougeOf.get(i) };
  });
  const models: Record<string, ModelScores> = {};
  if (own.size > 0) models[context.generator] = scoreModel(tasks, own, rougeOf);
  Object.assign(models, await publishedScores(tasks, context));
  context.say(comparisonTable(models).trimEnd());
  const bleu = own.size > 0 ? models[context.generator]!.bleu : Number.NaN;
  const empty = [...own.values()].filter((output) => output === "").length;
  const signature = corpusBleu([""], [""]).signature;
  return {
    results: {
      user_tasks: {
        n: own.size,
        missing: tasks.length - own.size,
        metrics: { bleu: plainMetric(bleu), rougeL: meanMetric([...rougeOf.values()]) },
        details: { empty, bleu_signature: signature, models },
        config: { ...answerConfig(context, MAX_NEW_TOKENS), rows: files },
      },
    },
    samples: { user_tasks: samples },
  };
}

function readTask(row: Row): UserTask {
  const instances = row.fields.instances;
  const first = Array.isArray(instances)
    ? (instances[0] as { input?: unknown; output?: unknown } | undefined)
    : undefined;
  if (typeof first?.input !== "string" || typeof first.output !== "string")
    throw row.problem("instances", "holds no object with input and output");
  return {
    id: row.text("id"),
    application: row.text("motivation_app"),
    instruction: row.text("instruction"),
    input: first.input,
    target: first.output,
  };
}

const rougeL = (target: string, output: string): number =>
  rouge(target, output, ["rougeL"], { stemmer: true }).rougeL.fmeasure;

/** Overall and per application. @param outputs by index of the task. @param rouges their ROUGE-L, by the same index. */
export function scoreModel(
  tasks: readonly UserTask[],
  outputs: ReadonlyMap<number, string>,
  rouges: ReadonlyMap<number, number>,
): ModelScores {
  const score = (members: readonly number[]): TextScores => ({
    n: members.length,
    bleu: corpusBleu(
      members.map((i) => outputs.get(i)!),
      members.map((i) => tasks[i]!.target),
    ).score,
    rougeL: mean(members.map((i) => rouges.get(i)!)),
  });
  const byApplication = new Map<string, number[]>();
  for (const i of outputs.keys()) {
    const { application } = tasks[i]!;
    byApplication.set(application, [...(byApplication.get(application) ?? []), i]);
  }
  const applications = [...byApplication].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    ...score([...outputs.keys()]),
    applications: Object.fromEntries(applications.map(([name, members]) => [name, score(members)])),
  };
}

/** Scores of the published predictions that can be had, on the same tasks. */
async function publishedScores(
  tasks: readonly UserTask[],
  context: SuiteContext,
): Promise<Record<string, ModelScores>> {
  const scores: Record<string, ModelScores> = {};
  const place = new Map(tasks.map((task, i) => [joinKey(task.instruction, task.input), i]));
  for (const file of PREDICTION_FILES) {
    let path: string;
    try {
      path = await locateEvalFile(file, context.source);
    } catch (error) {
      if (!(error instanceof EvokeError)) throw error;
      context.say(`user_tasks: published predictions left out: ${error.message}`);
      break; // they come from one place: the others cannot be had either
    }
    if (!existsSync(path)) continue;
    const outputs = new Map<number, string>();
    for (const row of (await readFiles([path])).rows) {
      const at = place.get(joinKey(row.text("instruction"), row.text("input")));
      if (at !== undefined) outputs.set(at, row.text("response").trim());
    }
    if (outputs.size === 0) continue;
    const rouges = new Map([...outputs].map(([i, output]) => [i, rougeL(tasks[i]!.target, output)]));
    scores[file.model] = scoreModel(tasks, outputs, rouges);
  }
  return scores;
}

const joinKey = (instruction: string, input: string): string => JSON.stringify([instruction.trim(), input.trim()]);

/** All models side by side, the best ROUGE-L first. */
export function comparisonTable(models: Readonly<Record<string, TextScores>>): string {
  const rows = Object.entries(models)
    .sort(([, a], [, b]) => b.rougeL - a.rougeL)
    .map(([name, { n, bleu, rougeL: value }]) => [name, String(n), bleu.toFixed(2), value.toFixed(4)]);
  return textTable([["model", "n", "BLEU", "ROUGE-L"], ...rows], [0]);
}
