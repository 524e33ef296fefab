import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { PromptOrigin } from "../data/prompt-origin.js";
import type { LocateOptions } from "../data/source-files.js";
import { EvokeError, UsageError } from "../errors.js";
import { acquireRunLock } from "../files/run-lock.js";
import { withJournal } from "../llm/journal.js";
import type { LanguageModel } from "../llm/language-model.js";
import type { AskReport } from "./ask.js";
import type { BootstrapReport } from "./bootstrap.js";
import { originalSelfInstructPrompts } from "./originals.js";
import type { Summary } from "./prepare.js";
import { loadPrompts, type SelfInstructPrompts } from "./prompts.js";
import type { SelfInstructRecipe } from "./recipe.js";
import { FILES } from "./stage-files.js";
import {
  bootstrapStage,
  classifyStage,
  instancesStage,
  prepareStage,
  STAGES,
  type Stage,
  type StageSetting,
} from "./stages.js";

export interface RunOptions
  extends Pick<StageSetting, "instanceFiles" | "classificationFiles" | "firstInstructions" | "tasksOnly"> {
  folder: string;
  /** Path of the seed tasks. */
  seedTasks: string;
  stages?: readonly Stage[];
  /** Needed by all stages but "prepare". */
  model?: LanguageModel;
  signal?: AbortSignal;
  onProgress?: (stage: Stage, done: number, total: number) => void;
  /** Takes malformed rows of stage files in place of an exception. */
  onInvalid?: (message: string) => void;
  /** Where the original prompts are looked for. */
  source?: LocateOptions;
}

/** Counts by stage; absent for stages that were not done. */
export interface RunReport {
  /** New instructions. */
  bootstrap?: BootstrapReport;
  /** Which instructions ask for a class. */
  classify?: AskReport;
  /** Inputs and outputs. */
  instances?: AskReport;
  /** Training rows. */
  prepare?: Summary;
  /** The prompts that a model was asked with. */
  prompts?: PromptOrigin[];
  /** Calls answered from the journal, and calls made. */
  calls: { reused: number; made: number };
}

/**
 * Runs stages of Self-Instruct in a folder, one process at a time. Every stage goes on from what the folder holds; a
 * finished call is never made again.
 */
export async function runSelfInstruct(recipe: SelfInstructRecipe, options: RunOptions): Promise<RunReport> {
  const { folder, stages = STAGES } = options;
  mkdirSync(folder, { recursive: true });
  const lock = acquireRunLock(folder);
  const journal = options.model && withJournal(options.model, join(folder, FILES.journal));
  const report: RunReport = { calls: journal?.calls ?? { reused: 0, made: 0 } };
  try {
    const asks = stages.some((stage) => stage !== "prepare");
    const prompts = asks ? await askedPrompts(recipe, options) : loadPrompts(recipe.prompts);
    if (asks) report.prompts = prompts.origins;
    for (const stage of stages) await runStage(stage, recipe, prompts, { ...options, model: journal }, report);
    return report;
  } finally {
    journal?.close();
    lock.release();
  }
}

/** The folder's prompts over the originals, where the recipe asks for them, over evoke's own. */
async function askedPrompts(
  { prompts, original_prompts: wanted = false }: SelfInstructRecipe,
  { source = {}, signal }: RunOptions,
): Promise<SelfInstructPrompts> {
  if (wanted === false) return loadPrompts(prompts);
  try {
    return loadPrompts(prompts, await originalSelfInstructPrompts({ ...source, signal }));
  } catch (error) {
    if (wanted === true || !(error instanceof EvokeError)) throw error;
    source.say?.(`evoke's own prompts are used: ${error.message}`);
    return loadPrompts(prompts);
  }
}

async function runStage(
  stage: Stage,
  recipe: SelfInstructRecipe,
  prompts: SelfInstructPrompts,
  options: RunOptions,
  report: RunReport,
): Promise<void> {
  const setting: StageSetting = {
    ...options,
    recipe,
    prompts,
    onProgress: (done, total) => options.onProgress?.(stage, done, total),
  };
  if (stage === "prepare") {
    report.prepare = await prepareStage(setting);
    return;
  }
  const { model } = options;
  if (!model) throw new UsageError(`${stage}: a model is needed`);
  if (stage === "bootstrap") report.bootstrap = await bootstrapStage(setting, model);
  else if (stage === "classify") report.classify = await classifyStage(setting, model);
  else report.instances = await instancesStage(setting, model);
}
