import type { PinnedFile } from "../data/pinned-file.js";
import { UsageError } from "../errors.js";
import { DEFAULT_ENCODER } from "../eval/bert-scorer.js";
import { originalFiles } from "../eval/originals.js";
import { expandSuites, SUITE_NAMES } from "../eval/run-suites.js";
import { REFUSAL_SETS } from "../eval/suites/refusal-sets.js";
import type { Evaluation, Experiment } from "../recipe/experiment-schema.js";
import { suggestName } from "../recipe/experiment-sweep.js";
import { armId, type Draft, type PlanContext, type PlannedArm } from "./draft.js";
import type { DataPlan } from "./plan-data.js";
import type { EvalJob, FileRef, ModelRef } from "./step.js";

/** Suites whose answers a judge reads. */
const JUDGED: readonly string[] = ["alpaca_eval", "just_eval", ...REFUSAL_SETS];
/** Suites that an in-context prompt can ask. */
const ASKED: readonly string[] = [...JUDGED, "user_tasks", "instruct"];

/** File in an `answers` step that a judging step reads. */
export const ANSWERS_FILE = "answers.jsonl";

/**
 * Plans the evaluation of each arm. Where a server judges what a local model writes, writing and judging are two steps: the
 * judge works while the next arm writes.
 */
export async function planEvaluations(
  experiment: Experiment,
  arms: readonly PlannedArm[],
  context: PlanContext,
  rowsOf: DataPlan["rowsOf"],
): Promise<Draft[]> {
  const drafts: Draft[] = [];
  const names = arms.map(({ name }) => name);
  const armOf = (name: string, at: readonly PropertyKey[]): PlannedArm =>
    arms.find((arm) => arm.name === name) ??
    context.fail(at, `${at.join(".")}: no such arm as "${name}"; ${suggestName(name, names)}`);

  for (const [name, evaluation] of Object.entries(experiment.evaluations)) {
    const at = ["evaluations", name];
    const suites = checkedSuites(evaluation, at, context);
    const rows = rowsOfSuites(experiment, evaluation, [...at, "rows"], rowsOf, context);
    const against =
      evaluation.reference_arm === undefined ? undefined : armOf(evaluation.reference_arm, [...at, "reference_arm"]);
    if (against && evaluation.reference !== undefined)
      context.fail([...at, "reference"], `evaluations.${name}: has both reference and reference_arm; give one`);
    const chosen = evaluation.arms?.map((each) => armOf(each, [...at, "arms"])) ?? arms;
    const given: FileRef | undefined = evaluation.reference === undefined ? undefined : { file: evaluation.reference };
    for (const { model, seed } of against?.models ?? []) {
      const job: EvalJob = {
        ...jobOf(evaluation, against!, rows),
        ...asking(evaluation, against!),
        kind: "answers",
        model,
        suites,
      };
      drafts.push(draftOf(answersId(against!, seed, name), against!, seed, name, job, context));
    }
    for (const arm of chosen) {
      if (arm === against) continue;
      const own = arm.prompt === undefined ? suites : suites.flatMap(askedOf);
      if (own.length === 0) continue; // a prompt asks no multiple-choice question
      const judge = evaluation.judge === undefined ? undefined : context.model(evaluation.judge);
      const judged = own.filter((suite) => expandSuites([suite]).every((each) => JUDGED.includes(each)));
      for (const { model, seed, opponent } of matches(arm, against)) {
        const id = `${armId("eval", arm.name, seed)}.${name}`;
        const encoder = encoderOf(evaluation, context);
        const reference: FileRef | undefined = against
          ? { step: answersId(against, opponent, name), path: "alpaca_eval/model_outputs.json" }
          : given;
        const write = { ...jobOf(evaluation, arm, rows), ...asking(evaluation, arm), model, encoder, suites: own };
        const judgeWith = { judge, reference, ...judging(evaluation) };
        const draws = (of: readonly string[], isJudged: boolean) => seedOfDraws(experiment, evaluation, of, isJudged);
        const apart = judge && judged.length > 0 && context.isRemote(judge) && !context.isRemote(model);
        if (!apart) {
          const job: EvalJob = { ...write, ...judgeWith, ...draws(own, judge !== undefined) };
          drafts.push(draftOf(id, arm, seed, name, job, context));
          continue;
        }
        const answers = answersId(arm, seed, name);
        const written: EvalJob = { ...write, kind: "answers", ...draws(own, false) };
        drafts.push(draftOf(answers, arm, seed, name, written, context));
        const job: EvalJob = {
          ...jobOf(evaluation, arm, rows),
          ...judgeWith,
          suites: judged,
          ...draws(judged, true),
          answers: { step: answers, path: ANSWERS_FILE },
        };
        drafts.push(draftOf(id, arm, seed, name, job, context));
      }
    }
  }
  const jobs = drafts.flatMap(({ job, evaluation }) => ("suites" in job ? [{ job, evaluation: evaluation! }] : []));
  await chooseOriginals(experiment, jobs, context);
  for (const { job } of jobs) job.reads = await context.inputs.suiteFiles(job);
  return drafts;
}

/** An evaluation's jobs ask with the original prompts, or all with evoke's own: its arms are compared. */
async function chooseOriginals(
  experiment: Experiment,
  jobs: readonly { job: EvalJob; evaluation: string }[],
  { inputs }: PlanContext,
): Promise<void> {
  for (const [name, evaluation] of Object.entries(experiment.evaluations)) {
    const own = jobs.filter((each) => each.evaluation === name).map(({ job }) => ({ job, files: originalsOf(job) }));
    const wanted = evaluation.original_prompts ?? experiment.original_prompts;
    const files = [...new Set(own.flatMap((each) => each.files))];
    const found = await inputs.prompts.originals(wanted, files, `evaluations.${name}`);
    // A job that asks with none of them keeps its key whichever way this goes.
    for (const { job, files } of own) job.originalPrompts = found !== undefined && files.length > 0;
  }
}

function originalsOf({ suites, judge, judgePrompt, judgeSafetyPrompt, prompt, shots }: EvalJob): PinnedFile[] {
  return expandSuites(suites).flatMap((suite) =>
    originalFiles(suite, {
      isJudged: judge !== undefined,
      judgePrompt,
      judgeSafetyPrompt,
      ...(typeof prompt === "string" ? { prompt } : {}),
      hasShots: shots === undefined || shots > 0,
    }),
  );
}

const answersId = ({ name }: PlannedArm, seed: number | undefined, evaluation: string): string =>
  `${armId("answers", name, seed)}.${evaluation}`;

/**
 * The models of an arm, each with the seed of the opponent whose answers it is compared with: its own seed where both are tuned;
 * every one of the other's where one of the two is not.
 */
function matches(
  arm: PlannedArm,
  against: PlannedArm | undefined,
): { model: ModelRef; seed?: number; opponent?: number }[] {
  if (against === undefined) return arm.models;
  return arm.models.flatMap(({ model, seed }) => {
    const opponents = against.models.filter(
      (each) => seed === undefined || each.seed === undefined || each.seed === seed,
    );
    return opponents.map((each) => ({ model, seed: seed ?? each.seed, opponent: each.seed }));
  });
}

function draftOf(
  id: string,
  { name }: PlannedArm,
  seed: number | undefined,
  evaluation: string,
  job: EvalJob,
  { isRemote }: PlanContext,
): Draft {
  const models = [job.model, job.judge].filter((model) => model !== undefined);
  const verb = job.kind === "answers" ? "answers of" : job.answers ? "judge" : "evaluate";
  return {
    id,
    title: `${verb} ${name}: ${job.suites.join(", ")}${seed === undefined ? "" : `, seed ${seed}`}`,
    lane: models.every(isRemote) ? "remote" : "local",
    arm: name,
    evaluation,
    ...(seed === undefined ? {} : { seed }),
    job,
  };
}

/** What writing and judging have in common. */
function jobOf(evaluation: Evaluation, arm: PlannedArm, rows: EvalJob["rows"]): EvalJob {
  return {
    kind: "eval",
    generator: arm.name,
    suites: [],
    limit: evaluation.limit,
    originalPrompts: false, // until they are chosen for the whole evaluation
    weights: evaluation.weights ?? "float32",
    rows,
    skipInvalid: evaluation.skip_invalid ?? false,
  };
}

/** Files of a suite's rows: those named, or those of a data entry. */
function rowsOfSuites(
  { data }: Experiment,
  { rows = {} }: Evaluation,
  at: readonly PropertyKey[],
  rowsOf: DataPlan["rowsOf"],
  { fail }: PlanContext,
): EvalJob["rows"] {
  return Object.fromEntries(
    Object.entries(rows).map(([suite, given]) => {
      if (/[./\\]/.test(given) && !Object.hasOwn(data, given)) return [suite, { file: given }];
      const [file, ...more] = rowsOf(given, [...at, suite]);
      if (more.length > 0)
        fail([...at, suite], `${at.join(".")}.${suite}: "${given}" has several files; one is expected`);
      return [suite, file!];
    }),
  );
}

/** How a model is asked. */
function asking(evaluation: Evaluation, { prompt, template, rules }: PlannedArm): Partial<EvalJob> {
  return {
    ...(prompt === undefined
      ? { template: template ?? evaluation.chat_template }
      : { prompt: /[\\/]/.test(prompt) ? { file: prompt } : prompt }),
    rules,
    shots: evaluation.shots,
    ...(evaluation.bos === "none" ? { bos: "none" } : {}),
    drawn: evaluation.k,
    maxNewTokens: evaluation.max_new_tokens,
  };
}

/** Suites that draw, and AlpacaEval's judge, which samples. */
const DRAWING: readonly string[] = ["response_ranking", "reference_likelihood"];

/** The seed of an evaluation's own draws, where it makes any. */
function seedOfDraws(
  { seeds }: Experiment,
  { seed = seeds[0]! }: Evaluation,
  suites: readonly string[],
  isJudged: boolean,
): Pick<EvalJob, "seed"> {
  const draws = expandSuites(suites).some((suite) => DRAWING.includes(suite) || (isJudged && suite === "alpaca_eval"));
  return draws && seed !== 0 ? { seed } : {};
}

function encoderOf({ bertscore }: Evaluation, context: PlanContext): EvalJob["encoder"] {
  if (!bertscore) return undefined;
  return context.model(bertscore === true ? DEFAULT_ENCODER : bertscore);
}

function judging(evaluation: Evaluation): Partial<EvalJob> {
  const file = (path: string | undefined): FileRef | undefined => (path === undefined ? undefined : { file: path });
  return {
    judgePrompt: file(evaluation.judge_prompt),
    judgeSafetyPrompt: file(evaluation.judge_safety_prompt),
    judgeMaxNewTokens: evaluation.judge_max_new_tokens,
    difficulty: file(evaluation.difficulty),
  };
}

function checkedSuites({ suites }: Evaluation, at: readonly PropertyKey[], { fail }: PlanContext): string[] {
  for (const suite of suites) {
    try {
      expandSuites([suite]);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      fail(
        [...at, "suites"],
        `${at.join(".")}.suites: no such suite as "${suite}"; ${suggestName(suite, SUITE_NAMES)}`,
      );
    }
  }
  return [...suites];
}

/** What an in-context prompt can ask of a suite: the set itself, or the parts of it that are answered in writing. */
function askedOf(suite: string): string[] {
  const parts = expandSuites([suite]);
  const asked = parts.filter((part) => ASKED.includes(part));
  return asked.length === parts.length ? [suite] : asked;
}
