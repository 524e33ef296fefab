import { existsSync } from "node:fs";
import { join } from "node:path";
import { answerLabel } from "../eval/row-figures.js";
import { type JsonRow, readAllJsonl } from "../files/jsonl.js";
import { mean } from "../metrics/statistics.js";
import type { Experiment } from "../recipe/experiment-schema.js";
import type {
  AnswerLengths,
  ApplicationScore,
  ExperimentReport,
  Question,
  TaskModel,
} from "../report/experiment/report-data.js";
import type { EvaluatedStep } from "./evaluated-step.js";

/** Questions of each suite that the report shows with everyone's answer. */
const SHOWN = 100;
/** Longest answer shown, in characters; answers are at most some pages. */
const LONGEST = 6000;

/** Answers side by side, their lengths, and scores by application. */
export async function collectAnswers(
  experiment: Experiment,
  evaluated: readonly EvaluatedStep[],
): Promise<Pick<ExperimentReport, "questions" | "lengths" | "applications" | "taskModels">> {
  const questions = new Map<string, Question>();
  const lengths: AnswerLengths[] = [];
  const applications: ApplicationScore[] = [];
  const taskModels: TaskModel[] = [];
  for (const evaluation of Object.keys(experiment.evaluations)) {
    for (const { step, folder, results } of evaluated) {
      if (step.evaluation !== evaluation) continue;
      for (const suite of Object.keys(results)) {
        const path = join(folder, "samples", `${suite}.jsonl`);
        if (!existsSync(path)) continue;
        const samples = (await readAllJsonl(path)).filter((row) => typeof row.output === "string" && row.instruction);
        if (samples.length === 0) continue;
        const isFirstSeed = step.seed === undefined || step.seed === experiment.seeds[0];
        if (!isFirstSeed) continue;
        lengths.push(lengthsOf(samples, { arm: step.arm, evaluation, suite }));
        for (const row of samples.slice(0, SHOWN)) addAnswer(questions, row, step.arm, evaluation, suite);
        if (suite === "user_tasks") {
          const found = taskScores(results[suite]!.details, evaluation, step.arm).filter(
            ({ model, isPublished }) =>
              !taskModels.some(
                (known) =>
                  known.evaluation === evaluation && known.model === model && known.isPublished === isPublished,
              ),
          );
          taskModels.push(...found.map(({ applications: _, ...model }) => model));
          applications.push(...found.flatMap((model) => model.applications));
        }
      }
    }
  }
  const arms = Object.keys(experiment.arms);
  const place = (name: string): number => arms.indexOf(name);
  const all = [...questions.values()];
  for (const question of all) question.answers.sort((a, b) => place(a.arm) - place(b.arm));
  return { questions: all, lengths: lengths.sort((a, b) => place(a.arm) - place(b.arm)), applications, taskModels };
}

function addAnswer(
  questions: Map<string, Question>,
  row: JsonRow,
  arm: string,
  evaluation: string,
  suite: string,
): void {
  const asked = String(row.instruction) + (typeof row.input === "string" && row.input ? `\n\n${row.input}` : "");
  const key = JSON.stringify([evaluation, suite, row.index, asked]);
  const expected = row.expected ?? row.target;
  const question = questions.get(key) ?? {
    evaluation,
    suite,
    instruction: asked,
    ...(expected === undefined ? {} : { expected: String(expected) }),
    answers: [],
  };
  questions.set(key, question);
  const text = String(row.output);
  question.answers.push({
    arm,
    text: text.length > LONGEST ? `${text.slice(0, LONGEST)} […]` : text,
    notes: notesOf(row),
  });
}

function notesOf(row: JsonRow): string[] {
  const notes: string[] = [];
  if (typeof row.output_tokens === "number")
    notes.push(`${row.output_tokens} ${row.output_tokens === 1 ? "token" : "tokens"}`);
  if (row.finish_reason === "stop") notes.push("ended by itself");
  if (row.finish_reason === "length") notes.push("cut off at the limit");
  if (row.expected !== undefined)
    notes.push(
      row.finish_reason === "stop" && String(row.output).trim() === String(row.expected).trim()
        ? "exact ✓"
        : "not exact",
    );
  const label = answerLabel(row);
  if (label !== undefined) notes.push(typeof label === "string" ? label : "unclassified");
  if (typeof row.preference === "number") notes.push(`preference ${(row.preference - 1).toFixed(2)}`);
  if (typeof row.rougeL === "number") notes.push(`ROUGE-L ${row.rougeL.toFixed(2)}`);
  const scores = row.scores as Record<string, { score?: unknown }> | undefined;
  for (const [aspect, judged] of Object.entries(scores ?? {}))
    if (typeof judged?.score === "number") notes.push(`${aspect} ${judged.score}`);
  if (typeof row.missing === "string") notes.push(row.missing);
  return notes;
}

function lengthsOf(
  samples: readonly JsonRow[],
  names: Pick<AnswerLengths, "arm" | "evaluation" | "suite">,
): AnswerLengths {
  const sorted = samples.map((row) => [...String(row.output)].length).sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  return {
    ...names,
    n: sorted.length,
    mean: mean(sorted),
    quantiles: [at(0.05), at(0.25), at(0.5), at(0.75), at(0.95)],
  };
}

interface ModelScores {
  applications?: Record<string, { n: number; bleu: number; rougeL: number }>;
  [figure: string]: unknown;
}

/** What the suite says of the arm and of the published models, as a whole and by application. */
function taskScores(
  details: Record<string, unknown> | undefined,
  evaluation: string,
  arm: string,
): (TaskModel & { applications: ApplicationScore[] })[] {
  const models = (details?.models ?? {}) as Record<string, ModelScores>;
  // Results of before evoke named its own model there have it under the arm's name.
  const own = details?.own ?? arm;
  return Object.entries(models).map(([name, { applications, ...rest }]) => {
    const names = { evaluation, model: name === own ? arm : name, isPublished: name !== own };
    const figures = Object.entries(rest).filter((pair): pair is [string, number] => typeof pair[1] === "number");
    return {
      ...names,
      figures: Object.fromEntries(figures),
      applications: Object.entries(applications ?? {}).map(([application, { n, bleu, rougeL }]) => ({
        ...names,
        application,
        n,
        bleu,
        rougeL,
      })),
    };
  });
}
