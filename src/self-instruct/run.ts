import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../errors.js";
import { acquireRunLock } from "../files/run-lock.js";
import { withJournal } from "../llm/journal.js";
import type { LanguageModel } from "../llm/language-model.js";
import type { AskReport } from "./ask.js";
import { type BootstrapReport, bootstrapInstructions } from "./bootstrap.js";
import { classifyInstructions } from "./classify.js";
import { generateInstances } from "./instances.js";
import { readClassification } from "./parse-file.js";
import { prepareFinetuning, type Summary } from "./prepare.js";
import { loadPrompts } from "./prompts.js";
import type { SelfInstructRecipe } from "./recipe.js";
import { readSeedTasks } from "./seed-tasks.js";
import { classificationFile, FILES, type InstructionRow, readStage } from "./stage-files.js";

export const STAGES = ["bootstrap", "classify", "instances", "prepare"] as const;
export type Stage = (typeof STAGES)[number];

export interface RunOptions {
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
}

export interface RunReport {
  bootstrap?: BootstrapReport;
  classify?: AskReport;
  instances?: AskReport;
  prepare?: Summary;
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
    for (const stage of stages) await runStage(stage, recipe, { ...options, model: journal }, report);
    return report;
  } finally {
    journal?.close();
    lock.release();
  }
}

async function runStage(
  stage: Stage,
  recipe: SelfInstructRecipe,
  options: RunOptions,
  report: RunReport,
): Promise<void> {
  const { folder, signal, onProgress } = options;
  const prompts = loadPrompts(recipe.prompts);
  const progress = (done: number, total: number): void => onProgress?.(stage, done, total);
  if (stage === "prepare") {
    requireFile(folder, FILES.instances, "instances");
    const seedTasks = recipe.prepare.include_seed_tasks ? await readSeedTasks(options.seedTasks) : [];
    report.prepare = await prepareFinetuning({
      folder,
      classification: classificationFile(folder),
      seedTasks,
      maxInstances: recipe.instances.max_instances,
      instructions: recipe.prepare.num_instructions,
      templates: prompts.encoding,
      style: recipe.prepare.completion_style,
      seed: recipe.seed,
      onInvalid: options.onInvalid,
    });
    return;
  }
  const { model } = options;
  if (!model) throw new UsageError(`${stage}: a model is needed`);
  const shared = { model, chat: recipe.chat, signal };
  if (stage === "bootstrap") {
    const tasks = await readSeedTasks(options.seedTasks);
    const { bootstrap } = recipe;
    report.bootstrap = await bootstrapInstructions({
      ...shared,
      path: join(folder, FILES.instructions),
      seedInstructions: tasks
        .filter((task) => !recipe.classification_seeds_only || task.is_classification)
        .map(({ instruction }) => instruction),
      count: recipe.num_instructions,
      seed: recipe.seed,
      lead: recipe.classification_seeds_only ? prompts.bootstrapClassification : prompts.bootstrap,
      perPrompt: bootstrap.instructions_per_prompt,
      machinePerPrompt: bootstrap.machine_instructions_per_prompt,
      requestsPerBatch: bootstrap.requests_per_batch,
      threshold: bootstrap.similarity_threshold,
      sampling: {
        maxTokens: bootstrap.max_tokens,
        temperature: bootstrap.temperature,
        topP: bootstrap.top_p,
        presencePenalty: bootstrap.presence_penalty,
        stop: ["\n\n", `\n${2 * bootstrap.instructions_per_prompt}`, ...lastItems(bootstrap.instructions_per_prompt)],
      },
      cutResponses: bootstrap.cut_responses,
      maxIdleBatches: bootstrap.max_idle_batches,
      onProgress: (done) => progress(done, recipe.num_instructions),
    });
    return;
  }
  requireFile(folder, FILES.instructions, "bootstrap");
  if (stage === "classify") {
    // Of each row the text alone is kept: with their prompts 52,000 rows are large.
    const instructions = (await readInstructions(folder)).map(({ instruction }) => instruction);
    report.classify = await classifyInstructions({
      ...shared,
      instructions,
      from: classificationFile(folder),
      path: join(folder, FILES.classification),
      prompt: prompts.classify,
      onProgress: progress,
    });
    return;
  }
  const instructions = await readInstructions(folder);
  const classification = await readClassification(classificationFile(folder));
  const missing = instructions.find(({ instruction }) => !classification.has(instruction));
  if (missing) throw new UsageError(`${folder}: not all instructions are classified; run the stage "classify" first`);
  const { instances } = recipe;
  report.instances = await generateInstances({
    ...shared,
    instructions,
    isClassification: (instruction) => classification.get(instruction) === true,
    path: join(folder, FILES.instances),
    prompts: { classification: prompts.instancesClassification, generation: prompts.instancesGeneration },
    maxInstances: instances.max_instances,
    maxTokens: { classification: instances.max_tokens_classification, generation: instances.max_tokens_generation },
    presencePenalty: instances.presence_penalty,
    onProgress: progress,
  });
}

async function readInstructions(folder: string): Promise<InstructionRow[]> {
  return (await readStage<InstructionRow>(join(folder, FILES.instructions), ["instruction"])).map(({ row }) => row);
}

/** "16." and "16 .": where a continuation of an 8-item prompt ends. */
function lastItems(perPrompt: number): string[] {
  return [`${2 * perPrompt}.`, `${2 * perPrompt} .`];
}

function requireFile(folder: string, name: string, stage: Stage): void {
  if (!existsSync(join(folder, name)))
    throw new UsageError(`${join(folder, name)}: no such file; run the stage "${stage}" first`);
}
