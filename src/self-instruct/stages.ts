/** The stages of Self-Instruct in a run folder: what each takes from the recipe and from the files of those before it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../errors.js";
import type { LanguageModel } from "../llm/language-model.js";
import type { AskReport } from "./ask.js";
import { type BootstrapReport, bootstrapInstructions } from "./bootstrap.js";
import { classifyInstructions } from "./classify.js";
import { generateInstances } from "./instances.js";
import { readClassification } from "./parse-file.js";
import { prepareFinetuning, type Summary } from "./prepare.js";
import type { SelfInstructPrompts } from "./prompts.js";
import type { SelfInstructRecipe } from "./recipe.js";
import { readSeedTasks } from "./seed-tasks.js";
import { classificationFile, FILES, type InstructionRow, readStage } from "./stage-files.js";

export const STAGES = ["bootstrap", "classify", "instances", "prepare"] as const;
/** Stages in their order. */
export type Stage = (typeof STAGES)[number];

/** What every stage knows. */
export interface StageSetting {
  recipe: SelfInstructRecipe;
  prompts: SelfInstructPrompts;
  /** The run folder. */
  folder: string;
  /** Path of the seed tasks. */
  seedTasks: string;
  signal?: AbortSignal;
  onProgress: (done: number, total: number) => void;
  /** Takes malformed rows of stage files in place of an exception. */
  onInvalid?: (message: string) => void;
  /** Files to read in place of the folder's own. */
  instanceFiles?: readonly string[];
  classificationFiles?: readonly string[];
  /** Ask for these instructions only: the first so many, or those of one kind. What others have already stays. */
  firstInstructions?: number;
  tasksOnly?: "generation" | "classification";
}

/** Adds instructions to the folder's list until it is as long as the recipe asks. */
export async function bootstrapStage(setting: StageSetting, model: LanguageModel): Promise<BootstrapReport> {
  const { recipe, prompts, folder, signal, onProgress } = setting;
  const { bootstrap, classification_seeds_only: classificationOnly } = recipe;
  const tasks = await readSeedTasks(setting.seedTasks);
  const seeds = classificationOnly ? tasks.filter((task) => task.is_classification) : tasks;
  return bootstrapInstructions({
    model,
    chat: recipe.chat,
    signal,
    path: join(folder, FILES.instructions),
    seedInstructions: seeds.map(({ instruction }) => instruction),
    count: recipe.num_instructions,
    seed: recipe.seed,
    lead: classificationOnly ? prompts.bootstrapClassification : prompts.bootstrap,
    perPrompt: bootstrap.instructions_per_prompt,
    machinePerPrompt: bootstrap.machine_instructions_per_prompt,
    requestsPerBatch: bootstrap.requests_per_batch,
    threshold: bootstrap.similarity_threshold,
    sampling: {
      maxTokens: bootstrap.max_tokens,
      temperature: bootstrap.temperature,
      topP: bootstrap.top_p,
      presencePenalty: bootstrap.presence_penalty,
      stop: (recipe.chat ? chatListEnds : listEnds)(2 * bootstrap.instructions_per_prompt),
    },
    cutResponses: bootstrap.cut_responses,
    maxIdleBatches: bootstrap.max_idle_batches,
    onProgress: (done) => onProgress(done, recipe.num_instructions),
  });
}

/** Asks of each instruction whether it is a classification task. */
export async function classifyStage(setting: StageSetting, model: LanguageModel): Promise<AskReport> {
  const { recipe, prompts, folder, signal, onProgress } = setting;
  requireFile(folder, FILES.instructions, "bootstrap");
  // Of each row the text alone is kept: with their prompts 52,000 rows are large.
  const instructions = (await readInstructions(folder)).map(({ instruction }) => instruction);
  const chosen = new Set(instructions.slice(0, setting.firstInstructions));
  return classifyInstructions({
    model,
    chat: recipe.chat,
    signal,
    instructions,
    from: classificationFile(folder),
    path: join(folder, FILES.classification),
    prompt: prompts.classify,
    isChosen: (instruction) => chosen.has(instruction),
    maxTokens: recipe.classify.max_tokens ?? (recipe.chat ? 64 : 3),
    onProgress,
  });
}

/** Has inputs and outputs written for each instruction. */
export async function instancesStage(setting: StageSetting, model: LanguageModel): Promise<AskReport> {
  const { recipe, prompts, folder, signal, onProgress } = setting;
  requireFile(folder, FILES.instructions, "bootstrap");
  const instructions = await readInstructions(folder);
  const classification = await classificationOf(setting);
  const chosen = new Set(instructions.slice(0, setting.firstInstructions).map(({ instruction }) => instruction));
  const missing = [...chosen].find((instruction) => !classification.has(instruction));
  if (missing) throw new UsageError(`${folder}: not all instructions are classified; run the stage "classify" first`);
  const { instances } = recipe;
  return generateInstances({
    model,
    chat: recipe.chat,
    signal,
    instructions,
    isClassification: (instruction) => classification.get(instruction) === true,
    path: join(folder, FILES.instances),
    isChosen: (instruction) =>
      chosen.has(instruction) &&
      (setting.tasksOnly === undefined || (setting.tasksOnly === "classification") === classification.get(instruction)),
    prompts: { classification: prompts.instancesClassification, generation: prompts.instancesGeneration },
    maxInstances: instances.max_instances,
    maxTokens: { classification: instances.max_tokens_classification, generation: instances.max_tokens_generation },
    presencePenalty: instances.presence_penalty,
    onProgress,
  });
}

/** Makes rows for fine-tuning of what was written; asks no model. */
export async function prepareStage(setting: StageSetting): Promise<Summary> {
  const { recipe, prompts, folder, onInvalid } = setting;
  const instanceFiles = setting.instanceFiles ?? [join(folder, FILES.instances)];
  if (!setting.instanceFiles) requireFile(folder, FILES.instances, "instances");
  const seedTasks = recipe.prepare.include_seed_tasks ? await readSeedTasks(setting.seedTasks) : [];
  return prepareFinetuning({
    folder,
    instanceFiles,
    classification: await classificationOf(setting),
    seedTasks,
    maxInstances: recipe.instances.max_instances,
    instructions: recipe.prepare.num_instructions,
    templates: prompts.encoding,
    style: recipe.prepare.completion_style,
    seed: recipe.seed,
    onInvalid,
  });
}

async function readInstructions(folder: string): Promise<InstructionRow[]> {
  return (await readStage<InstructionRow>(join(folder, FILES.instructions), ["instruction"])).map(({ row }) => row);
}

function classificationOf({ folder, classificationFiles }: StageSetting): Promise<Map<string, boolean>> {
  return readClassification(classificationFiles ?? [classificationFile(folder)]);
}

/** Where a continuation of a numbered list ends: at an empty line, or where its item `last` begins. */
function listEnds(last: number): string[] {
  return ["\n\n", `\n${last}`, `${last}.`, `${last} .`];
}

/** A chat model may put blank lines between items, and any mark around their numbers. */
function chatListEnds(last: number): string[] {
  return [`\n${last}.`, `\n${last})`, `\n**${last}`, `\nTask ${last}`];
}

function requireFile(folder: string, name: string, stage: Stage): void {
  if (!existsSync(join(folder, name)))
    throw new UsageError(`${join(folder, name)}: no such file; run the stage "${stage}" first`);
}
