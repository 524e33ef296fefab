import { existsSync } from "node:fs";
import { locatePinnedFile } from "../../data/pinned-file.js";
import { EvokeError } from "../../errors.js";
import { corpusBleu } from "../../metrics/bleu.js";
import { rouge } from "../../metrics/rouge.js";
import { mean } from "../../metrics/statistics.js";
import { answerConfig, writeAnswers } from "../answers.js";
import type { BertScorer } from "../bert-scorer.js";
import { EVAL_FILES, PREDICTION_FILES } from "../eval-files.js";
import { readFiles } from "../load-rows.js";
import { readCases } from "../read-cases.js";
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

/** Scores of some rows: BLEU in 0–100, the means of the ROUGE-L F-measure (0–1) and of BERTScore's F1 where asked for. */
export interface TextScores {
  n: number;
  bleu: number;
  rougeL: number;
  bertscoreF1?: number;
}

export interface ModelScores extends TextScores {
  applications: Record<string, TextScores>;
}

/** A model's outputs with the figures of each, by index of the task. */
interface Scored {
  outputs: ReadonlyMap<number, string>;
  rouges: ReadonlyMap<number, number>;
  /** BERTScore's F1. */
  berts?: ReadonlyMap<number, number>;
}

/**
 * Self-Instruct's 252 user-oriented tasks (Wang et al. 2023): BLEU, ROUGE-L and on request BERTScore, beside eight published
 * models'.
 */
export async function runUserTasks(context: SuiteContext): Promise<SuiteOutput> {
  const scorer = context.bertScore && (await openScorer(context));
  try {
    return await score(context, scorer);
  } finally {
    await scorer?.dispose();
  }
}

async function openScorer(context: SuiteContext): Promise<BertScorer> {
  const { BertScorer } = await import("../bert-scorer.js");
  return BertScorer.open(context.bertScore);
}

async function score(context: SuiteContext, scorer: BertScorer | undefined): Promise<SuiteOutput> {
  const path = context.files.user_tasks ?? (await locatePinnedFile(EVAL_FILES.userTasks, context.source));
  const { cases: tasks, invalid, files } = await readCases(context, path, readTask);
  const answers = await writeAnswers(
    context,
    tasks.map(({ instruction, input }) => (input ? `${instruction}\n\n${input}` : instruction)),
    { label: "user_tasks", maxTokens: MAX_NEW_TOKENS },
  );
  const own = new Map(answers.flatMap(({ output }, i) => (output === undefined ? [] : [[i, output.trim()] as const])));
  const scored = await scoreOutputs(context, tasks, own, context.generator, scorer);
  const samples = tasks.map((task, i) => {
    const output = own.get(i);
    const given = { index: i, ...task };
    if (output === undefined) return { ...given, missing: answers[i]!.problem ?? "no answer" };
    const bertscore_f1 = scored.berts?.get(i);
    return { ...given, output, rougeL: scored.rouges.get(i), ...(scored.berts ? { bertscore_f1 } : {}) };
  });
  const models: Record<string, ModelScores> = {};
  // A model that is called like a published one stays apart from it.
  const isTaken = PREDICTION_FILES.some(({ model }) => model === context.generator);
  const ownName = isTaken ? `${context.generator} (this run)` : context.generator;
  if (own.size > 0) models[ownName] = scoreModel(tasks, scored);
  for (const [model, outputs] of await publishedOutputs(tasks, context))
    models[model] = scoreModel(tasks, await scoreOutputs(context, tasks, outputs, model, scorer));
  context.say(comparisonTable(models).trimEnd());
  const bleu = own.size > 0 ? models[ownName]!.bleu : Number.NaN;
  const empty = [...own.values()].filter((output) => output === "").length;
  const signature = corpusBleu([""], [""]).signature;
  return {
    results: {
      user_tasks: {
        n: own.size,
        missing: tasks.length - own.size + invalid,
        metrics: {
          bleu: plainMetric(bleu),
          rougeL: meanMetric([...scored.rouges.values()]),
          ...(scored.berts ? { bertscore_f1: meanMetric([...scored.berts.values()]) } : {}),
        },
        details: {
          empty,
          bleu_signature: signature,
          ...(scorer ? { bertscore_signature: scorer.signature } : {}),
          own: ownName,
          models,
        },
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

async function scoreOutputs(
  context: SuiteContext,
  tasks: readonly UserTask[],
  outputs: ReadonlyMap<number, string>,
  name: string,
  scorer?: BertScorer,
): Promise<Scored> {
  const rouges = new Map([...outputs].map(([i, output]) => [i, rougeL(tasks[i]!.target, output)]));
  if (!scorer) return { outputs, rouges };
  const rows = [...outputs];
  const progress = context.progress(`BERTScore of ${name}`, rows.length);
  try {
    const scores = await scorer.score(
      rows.map(([, output]) => output),
      rows.map(([i]) => tasks[i]!.target),
      progress,
    );
    return { outputs, rouges, berts: new Map(rows.map(([i], k) => [i, scores[k]!.f1])) };
  } finally {
    progress();
  }
}

/** Overall and per application. */
function scoreModel(tasks: readonly UserTask[], { outputs, rouges, berts }: Scored): ModelScores {
  const score = (members: readonly number[]): TextScores => ({
    n: members.length,
    bleu: corpusBleu(
      members.map((i) => outputs.get(i)!),
      members.map((i) => tasks[i]!.target),
    ).score,
    rougeL: mean(members.map((i) => rouges.get(i)!)),
    ...(berts ? { bertscoreF1: mean(members.map((i) => berts.get(i)!)) } : {}),
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

/** The published predictions that can be had, for the same tasks: model → outputs by index of the task. */
async function publishedOutputs(
  tasks: readonly UserTask[],
  context: SuiteContext,
): Promise<[string, Map<number, string>][]> {
  const found: [string, Map<number, string>][] = [];
  const place = new Map(tasks.map((task, i) => [joinKey(task.instruction, task.input), i]));
  for (const file of PREDICTION_FILES) {
    let path: string;
    try {
      path = await locatePinnedFile(file, context.source);
    } catch (error) {
      if (!(error instanceof EvokeError)) throw error;
      context.say(`user_tasks: published predictions left out: ${error.message}`);
      break; // they come from one place: the others cannot be had either
    }
    if (!existsSync(path)) continue;
    const outputs = new Map<number, string>();
    let left = 0;
    for (const row of (await readFiles([path])).rows) {
      const at = place.get(joinKey(row.text("instruction"), row.text("input")));
      const response = row.text("response").trim();
      if (at === undefined) left++;
      else if ((outputs.get(at) ?? response) !== response)
        throw row.problem("response", "is another one than that of an earlier row that asks the same");
      else outputs.set(at, response);
    }
    const lacking = tasks.length - outputs.size;
    if (lacking > 0 || (left > 0 && context.limit === undefined))
      context.say(
        `user_tasks: ${file.model} has no answer to ${lacking} of ${tasks.length} tasks, and ${left} to others`,
      );
    if (outputs.size > 0) found.push([file.model, outputs]);
  }
  return found;
}

const joinKey = (instruction: string, input: string): string => JSON.stringify([instruction.trim(), input.trim()]);

/** All models side by side, the best ROUGE-L first. */
function comparisonTable(models: Readonly<Record<string, TextScores>>): string {
  const withBert = Object.values(models).some(({ bertscoreF1 }) => bertscoreF1 !== undefined);
  const rows = Object.entries(models)
    .sort(([, a], [, b]) => b.rougeL - a.rougeL)
    .map(([name, { n, bleu, rougeL: value, bertscoreF1 }]) => [
      name,
      String(n),
      bleu.toFixed(2),
      value.toFixed(4),
      ...(withBert ? [bertscoreF1?.toFixed(4) ?? ""] : []),
    ]);
  return textTable([["model", "n", "BLEU", "ROUGE-L", ...(withBert ? ["BERTScore"] : [])], ...rows], [0]);
}
