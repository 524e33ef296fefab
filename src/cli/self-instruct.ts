import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { Command } from "commander";
import { UsageError } from "../errors.js";
import { writeJsonl } from "../files/jsonl.js";
import type { ResolvedModel, ResolveOptions } from "../llm/resolve.js";
import { createProgress, type Progress } from "../progress/progress.js";
import type { SelfInstructRecipe } from "../self-instruct/recipe.js";
import type { RunReport } from "../self-instruct/run.js";
import type { Stage } from "../self-instruct/stages.js";
import { skipInvalid } from "./data-prepare.js";
import { addLocalFlags, type LocalFlags, localOptions } from "./generation-flags.js";
import { addLlmOptions, type LlmFlags, resolveOptions, sayUsage, withModel } from "./llm-options.js";
import { type GlobalOptions, globalOptions, parseCount, printJson, say } from "./output.js";

interface RunFlags extends LlmFlags, LocalFlags {
  set: string[];
  model?: string;
  out?: string;
  skipInvalid?: boolean;
  originalPrompts?: boolean;
  numInstructions?: number;
  generationTasksOnly?: boolean;
  classificationTasksOnly?: boolean;
  includeSeedTasks?: boolean;
  instanceFiles?: string[];
  classificationTypeFiles?: string[];
}

interface ParseFlags {
  instances: string[];
  classification: string[];
  out?: string;
  skipInvalid?: boolean;
}

const ERRORS_SHOWN = 10;
const ALL: readonly Stage[] = ["bootstrap", "classify", "instances", "prepare"];
const ABOUT: Record<Stage, string> = {
  bootstrap: "Propose new instructions and keep those unlike all known ones.",
  classify: "Find out which instructions are classification tasks.",
  instances: "Write inputs and outputs for each instruction.",
  prepare: "Read the instances out of the transcripts and write the fine-tuning files.",
};

/** `evoke self-instruct`: a data set made from seed tasks by a language model. */
export function selfInstructCommand(): Command {
  const command = new Command("self-instruct").description(
    "Make instruction data from seed tasks: all stages of a recipe, or one of them. A run that stopped goes on where it was.",
  );
  addRun(command, ALL);
  for (const stage of ALL) {
    const child = new Command(stage).description(ABOUT[stage]);
    addRun(child, [stage]);
    addStageFlags(child, stage);
    command.addCommand(child);
  }
  return command.addCommand(parseCommand());
}

function addRun(command: Command, stages: readonly Stage[]): void {
  command
    .argument("<recipe>", "recipe file (YAML)")
    .option(
      "--set <key=value>",
      "override a field of the recipe (repeatable)",
      (text: string, all: string[]) => [...all, text],
      [],
    )
    .option("--model <model>", "who writes, in place of the recipe's model")
    .option("--out <folder>", "run folder; default: out of the recipe, or runs/NAME")
    .option("--original-prompts", "ask with the original project's prompts (fetched), over the recipe's choice")
    .option("--skip-invalid", "leave malformed rows of stage files out and count them");
  addLocalFlags(addLlmOptions(command), undefined).action((path: string, _flags: unknown, self: Command) =>
    runStages(path, stages, flagsOf<RunFlags>(self), globalOptions(self)),
  );
}

/** The original scripts' flags, under their names. */
function addStageFlags(command: Command, stage: Stage): void {
  if (stage === "bootstrap")
    command.option("--num-instructions <n>", "machine-made instructions to reach, over the recipe's", parseCount);
  if (stage === "classify" || stage === "instances")
    command.option("--num-instructions <n>", "ask for the first n instructions only", parseCount);
  if (stage === "prepare")
    command.option("--num-instructions <n>", "use the instances of n instructions, drawn by seed", parseCount);
  if (stage === "instances")
    command
      .option("--generation-tasks-only", "ask for tasks that are no classification only")
      .option("--classification-tasks-only", "ask for classification tasks only");
  if (stage === "prepare")
    command
      .option("--instance-files <file...>", "transcripts, in place of the run folder's")
      .option("--classification-type-files <file...>", "classification, in place of the run folder's")
      .option("--include-seed-tasks", "add the seed tasks' own instances (the recipe's default)")
      .option("--no-include-seed-tasks", "leave the seed tasks' own instances out");
}

/** A stage's flags. Those that `self-instruct` has as well, commander gives to that command wherever they stand. */
function flagsOf<T>(self: Command): T {
  const flags: Record<string, unknown> = self.opts();
  const above = self.parent;
  for (const [name, value] of Object.entries(above?.opts() ?? {}))
    if (above?.getOptionValueSource(name) === "cli") flags[name] = value;
  return flags as T;
}

async function runStages(
  path: string,
  stages: readonly Stage[],
  flags: RunFlags,
  globals: GlobalOptions,
): Promise<void> {
  const { loadSelfInstructRecipe } = await import("../self-instruct/recipe.js");
  const { runSelfInstruct } = await import("../self-instruct/run.js");
  const sets = [...flags.set];
  if (flags.model !== undefined) sets.push(`model=${JSON.stringify(flags.model)}`);
  if (globals.seed !== undefined) sets.push(`seed=${globals.seed}`);
  if (flags.numInstructions !== undefined && stages[0] === "bootstrap")
    sets.push(`num_instructions=${flags.numInstructions}`);
  if (flags.numInstructions !== undefined && stages[0] === "prepare")
    sets.push(`prepare.num_instructions=${flags.numInstructions}`);
  if (flags.includeSeedTasks !== undefined) sets.push(`prepare.include_seed_tasks=${flags.includeSeedTasks}`);
  if (flags.originalPrompts) sets.push("original_prompts=true");
  if (flags.generationTasksOnly && flags.classificationTasksOnly)
    throw new UsageError("--generation-tasks-only and --classification-tasks-only exclude each other");
  const recipe = loadSelfInstructRecipe(path, sets);
  const folder = flags.out ?? recipe.out ?? join("runs", basename(path).replace(/\.ya?ml$/, ""));
  const seedTasks = await locateSeeds(recipe.seed_tasks, globals);
  const skipped = skipInvalid(flags.skipInvalid === true);
  let progress: Progress | undefined;
  let current: Stage | undefined;
  const options = {
    folder,
    seedTasks,
    stages,
    source: { dataDir: globals.dataDir, say: (line: string) => say(line, globals) },
    onInvalid: skipped.onInvalid,
    instanceFiles: existing(flags.instanceFiles),
    classificationFiles: existing(flags.classificationTypeFiles),
    firstInstructions: stages[0] === "classify" || stages[0] === "instances" ? flags.numInstructions : undefined,
    tasksOnly: tasksOnly(flags),
    onProgress: (stage: Stage, done: number, total: number): void => {
      if (stage !== current) {
        progress?.finish();
        progress = createProgress({ label: stage, total, quiet: globals.quiet });
        current = stage;
      }
      progress?.update(Math.min(done, total));
    },
  };
  let used: ResolvedModel | undefined;
  let report: RunReport;
  try {
    report = stages.some((stage) => stage !== "prepare")
      ? await withModel(
          recipe.model,
          { ...resolveOptions(flags, globals, fromRecipe(recipe)), ...localOptions(flags) },
          (model, signal) => {
            used = model;
            return runSelfInstruct(recipe, { ...options, model, signal });
          },
        )
      : await runSelfInstruct(recipe, options);
  } finally {
    progress?.finish();
    if (used) sayUsage(used, globals);
  }
  skipped.report();
  await tell(report, folder, globals);
  const trained = recipe.train && stages === ALL ? await train(recipe.train, folder, globals) : undefined;
  const { localRecord } = await import("../llm/local-record.js");
  const record = used ? localRecord(used) : {};
  if (globals.json)
    printJson({
      out: folder,
      ...report,
      ...record,
      usage: used?.usage ?? null,
      invalid: skipped.count(),
      ...(trained && { train: trained }),
    });
}

function existing(paths: string[] | undefined): string[] | undefined {
  for (const path of paths ?? []) if (!existsSync(path)) throw new UsageError(`${path}: no such file`);
  return paths;
}

function tasksOnly(flags: RunFlags): "generation" | "classification" | undefined {
  if (flags.generationTasksOnly) return "generation";
  return flags.classificationTasksOnly ? "classification" : undefined;
}

function fromRecipe({ llm, adapter, weights }: SelfInstructRecipe): ResolveOptions {
  const { timeout, max_requests, max_tokens, api_key_env, ...rest } = llm;
  const given = {
    ...rest,
    weights,
    adapter,
    timeoutSeconds: timeout,
    maxRequests: max_requests,
    maxTokens: max_tokens,
    apiKeyEnv: api_key_env,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

async function locateSeeds(reference: string, globals: GlobalOptions): Promise<string> {
  if (existsSync(reference)) return reference;
  const { findSource } = await import("../data/sources.js");
  if (!findSource(reference)) throw new UsageError(`${reference}: no such file of seed tasks`);
  const { locateData } = await import("../data/source-files.js");
  const { files } = await locateData(reference, { dataDir: globals.dataDir, say: (line) => say(line, globals) });
  return files[0]!;
}

async function tell(
  { bootstrap, classify, instances, prepare, prompts, calls }: RunReport,
  folder: string,
  globals: GlobalOptions,
): Promise<void> {
  const { whatBecame } = await import("../self-instruct/bootstrap.js");
  const { originsText } = await import("../data/prompt-origin.js");
  for (const [stage, part] of Object.entries({ classify, instances }))
    for (const error of part?.errors.slice(0, ERRORS_SHOWN) ?? []) say(`failed in ${stage}: ${error}`, globals);
  if (bootstrap)
    say(`${bootstrap.instructions} instructions; left out of what was proposed: ${whatBecame(bootstrap)}`, globals);
  if (prepare)
    say(
      `${prepare.instances} instances of ${prepare.instructions} instructions (${prepare.classification_instructions} classification), ${prepare.finetuning_rows} fine-tuning rows: ${folder}`,
      globals,
    );
  if (prompts) say(`prompts: ${originsText(prompts)}`, globals);
  if (calls.reused > 0) say(`${calls.reused} calls answered from the journal, ${calls.made} made`, globals);
}

/** Runs the recipe's training on the fine-tuning file, going on with a run that stopped. */
async function train(
  recipePath: string,
  folder: string,
  globals: GlobalOptions,
): Promise<{ run: string; steps: number; loss?: number }> {
  const { loadRecipe } = await import("../recipe/load.js");
  const { trainRun } = await import("../train/run.js");
  const out = join(folder, "train");
  const sets = [`data.path=${JSON.stringify(join(folder, "finetuning.jsonl"))}`];
  if (globals.device !== "auto") sets.push(`device=${globals.device}`);
  const recipe = await loadRecipe(recipePath, sets);
  const resume = existsSync(join(out, "run.json"));
  const record = await trainRun(recipe, { out, resume, say: (line) => say(line, globals) });
  say(`trained: ${out} (${record.progress.step} steps, loss ${record.loss?.toFixed(4)})`, globals);
  return { run: out, steps: record.progress.step, loss: record.loss };
}

function parseCommand(): Command {
  return new Command("parse")
    .description("Read the instances out of raw transcripts.")
    .requiredOption("--instances <file...>", "rows of instruction, raw_instances and maybe instance_metadata")
    .requiredOption("--classification <file...>", "rows of instruction and is_classification")
    .option("--out <file>", "JSON Lines file to write: instruction, input, output (required)")
    .option("--skip-invalid", "leave malformed rows out and count them")
    .action(async (_flags: unknown, self: Command) => {
      const flags = flagsOf<ParseFlags>(self);
      if (flags.out === undefined) throw new UsageError("required option '--out <file>' not specified");
      const globals = globalOptions(self);
      const { parseInstanceFiles, readClassification } = await import("../self-instruct/parse-file.js");
      existing(flags.classification);
      const skipped = skipInvalid(flags.skipInvalid === true);
      const classification = await readClassification(flags.classification);
      const tasks = await parseInstanceFiles(flags.instances, classification, skipped.onInvalid);
      const rows = tasks.flatMap(({ instances }) => instances);
      writeJsonl(flags.out, rows);
      skipped.report();
      if (globals.json)
        printJson({ tasks: tasks.length, instances: rows.length, invalid: skipped.count(), out: flags.out });
      say(`${rows.length} instances of ${tasks.length} transcripts: ${flags.out}`, globals);
    });
}
