import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { FailureError } from "../../errors.js";
import { chatRendering, runTemplate } from "../../eval/chat-rendering.js";
import { originalPromptFile } from "../../eval/originals.js";
import { BUILT_IN_PROMPTS, loadPromptFile, type PromptFile } from "../../eval/prompt-file.js";
import { resultNotes } from "../../eval/provenance.js";
import type { SuiteResult } from "../../eval/results.js";
import { resultRecord } from "../../eval/results-file.js";
import { runSuites } from "../../eval/run-suites.js";
import type { SuiteContext } from "../../eval/suite.js";
import { readAllJsonl, writeJsonl } from "../../files/jsonl.js";
import { regularFiles } from "../../files/regular-file.js";
import { type JournaledModel, withJournal } from "../../llm/journal.js";
import type { ResolvedModel } from "../../llm/resolve.js";
import { ANSWERS_FILE } from "../plan-evaluations.js";
import type { EvalJob, FileRef, ModelRef } from "../step.js";
import { type StepContext, type StepSummary, withStepModel } from "./context.js";

/** An evaluation in the step's folder: `results.json`, `samples/`, journals of finished calls. */
export async function runEvaluation(job: EvalJob, context: StepContext): Promise<StepSummary> {
  mkdirSync(context.folder, { recursive: true });
  const { template, rules } = job;
  return withOptional(context, job, job.model, { template, rules }, (model) => {
    // A judge is asked in its own template and without rules, so a model that is asked otherwise is opened twice.
    const plain = !template && !rules;
    const same = job.judge && job.model && plain && context.modelOf(job.judge) === context.modelOf(job.model);
    if (same && "model" in job.model!) return evaluate(job, context, model, model);
    return withOptional(context, job, job.judge, {}, (judge) => evaluate(job, context, model, judge));
  });
}

function withOptional<T>(
  context: StepContext,
  { weights }: EvalJob,
  ref: ModelRef | undefined,
  { template, rules }: Pick<EvalJob, "template" | "rules">,
  work: (model: ResolvedModel | undefined) => Promise<T>,
): Promise<T> {
  if (!ref) return work(undefined);
  const options = { ...(weights ? { weights } : {}), ...(template ? { template } : {}), ...(rules ? { rules } : {}) };
  return withStepModel(context, ref, options, work);
}

async function evaluate(
  job: EvalJob,
  context: StepContext,
  model: ResolvedModel | undefined,
  judge: ResolvedModel | undefined,
): Promise<StepSummary> {
  const { folder, signal, dataDir, mirror } = context;
  const opened: JournaledModel[] = [];
  const journaled = (each: ResolvedModel | undefined, name: string): JournaledModel | undefined => {
    if (!each) return undefined;
    const journal = withJournal(each, join(folder, name));
    opened.push(journal);
    return journal;
  };
  const file = (ref: FileRef | undefined): string | undefined => ref && context.fileOf(ref);
  // Suites tell at length how to judge with other tools; that belongs into no experiment's progress.
  const say = (line: string): void => void (job.kind === "eval" && context.say(line));
  try {
    const prompt = await promptOf(job, context);
    // A run is asked as it was trained, also where choices are scored.
    const template = job.template ?? (prompt ? undefined : await runTemplate(model));
    const suites: SuiteContext = {
      model: journaled(model, "journal.jsonl"),
      judge: journaled(judge, "journal-judge.jsonl"),
      judgeName: job.judge && context.modelOf(job.judge),
      generator: job.generator,
      out: folder,
      record: await resultRecord({ model, judge, modelName: job.model && context.modelOf(job.model) }),
      limit: job.limit,
      shots: job.shots,
      bos: job.bos,
      drawn: job.drawn,
      seed: job.seed,
      template,
      ...(model ? await chatRendering(model, template) : {}),
      prompt,
      source: { dataDir, mirror, say: (line) => context.say(line), signal },
      files: Object.fromEntries(Object.entries(job.rows).map(([suite, ref]) => [suite, context.fileOf(ref)])),
      outputs: job.answers && [context.fileOf(job.answers)],
      originalPrompts: job.originalPrompts,
      judgePrompt: file(job.judgePrompt),
      judgeSafetyPrompt: file(job.judgeSafetyPrompt),
      judgeMaxNewTokens: job.judgeMaxNewTokens,
      reference: file(job.reference),
      difficulty: file(job.difficulty),
      maxNewTokens: job.maxNewTokens,
      bertScore: job.encoder && {
        encoder: context.modelOf(job.encoder),
        deviceName: context.device,
        say: (line) => context.say(line),
        signal,
      },
      skipInvalid: job.skipInvalid,
      signal,
      say,
      progress: (label, total) => context.progress(label, total, "rows"),
    };
    const results = await runSuites(job.suites, suites);
    signal.throwIfAborted();
    await requireAnswers(results, folder);
    for (const note of resultNotes(results)) say(note);
    if (job.kind === "answers") await collectAnswers(folder);
    return {
      suites: Object.fromEntries(Object.entries(results).map(([name, { n, missing }]) => [name, { n, missing }])),
      open: opened.reduce((sum, { calls }) => sum + calls.failed, 0),
    };
  } finally {
    for (const each of opened) each.close();
  }
}

/** The in-context prompt: a file, one of the package's own, or the original of that name. */
async function promptOf({ prompt, originalPrompts }: EvalJob, context: StepContext): Promise<PromptFile | undefined> {
  if (prompt === undefined) return undefined;
  if (typeof prompt !== "string") return loadPromptFile(context.fileOf(prompt));
  const builtIn = BUILT_IN_PROMPTS.find((name) => name === prompt);
  const { dataDir, mirror, signal } = context;
  if (!originalPrompts || !builtIn) return loadPromptFile(prompt);
  return originalPromptFile(builtIn, { dataDir, mirror, signal, say: (line) => context.say(line) });
}

/**
 * A judge that answers nonsense is a result; a model or server that answers nothing at all is a failure.
 *
 * @throws FailureError when every request of a suite failed.
 */
async function requireAnswers(results: Readonly<Record<string, SuiteResult>>, folder: string): Promise<void> {
  for (const [suite, { n, missing }] of Object.entries(results)) {
    const path = join(folder, "samples", `${suite}.jsonl`);
    if (n > 0 || missing === 0 || !existsSync(path)) continue;
    const problems = (await readAllJsonl(path)).map((row) =>
      row.output === undefined || String(row.missing).startsWith("the judge failed") ? row.missing : undefined,
    );
    if (problems.some((problem) => problem === undefined)) continue;
    throw new FailureError(`${suite}: no request was answered; the first: ${String(problems[0])}`);
  }
}

/** All answers of the step as rows of instruction and output, for the judging step. */
async function collectAnswers(folder: string): Promise<void> {
  const answers: { instruction: unknown; output: unknown }[] = [];
  for (const name of regularFiles(join(folder, "samples")))
    for (const { instruction, output } of await readAllJsonl(join(folder, "samples", name)))
      if (typeof instruction === "string" && typeof output === "string") answers.push({ instruction, output });
  writeJsonl(join(folder, ANSWERS_FILE), answers);
}
