import { existsSync } from "node:fs";
import { Command } from "commander";
import type { SelfInstructEvent } from "../api/self-instruct.js";
import { UsageError } from "../errors.js";
import { writeJsonl } from "../files/jsonl.js";
import { createProgress, type Progress } from "../progress/progress.js";
import type { RunReport } from "../self-instruct/run.js";
import type { Stage } from "../self-instruct/stages.js";
import { sayInvalid, skipInvalid } from "./data-prepare.js";
import { addLocalFlags, type LocalFlags } from "./generation-flags.js";
import { interruptible } from "./interrupt.js";
import { addLlmOptions, type LlmFlags, llmModelOptions, sayUsage } from "./llm-options.js";
import { type GlobalOptions, globalOptions, parseCount, printJson, say } from "./output.js";
import { trainProgress } from "./train.js";

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
  const { selfInstruct } = await import("../api/self-instruct.js");
  const set = [...flags.set];
  if (globals.seed !== undefined) set.push(`seed=${globals.seed}`);
  const count = flags.numInstructions;
  if (count !== undefined && stages[0] === "bootstrap") set.push(`num_instructions=${count}`);
  if (count !== undefined && stages[0] === "prepare") set.push(`prepare.num_instructions=${count}`);
  if (flags.includeSeedTasks !== undefined) set.push(`prepare.include_seed_tasks=${flags.includeSeedTasks}`);
  if (flags.originalPrompts) set.push("original_prompts=true");
  if (flags.generationTasksOnly && flags.classificationTasksOnly)
    throw new UsageError("--generation-tasks-only and --classification-tasks-only exclude each other");
  const shown = stageProgress(globals);
  const { folder, report, invalid, usage, local, trained } = await interruptible((signal) =>
    selfInstruct({
      ...{ recipe: path, set, stages, model: flags.model, out: flags.out, skipInvalid: flags.skipInvalid, signal },
      modelOptions: llmModelOptions(flags, globals),
      instanceFiles: flags.instanceFiles,
      classificationFiles: flags.classificationTypeFiles,
      firstInstructions: stages[0] === "classify" || stages[0] === "instances" ? count : undefined,
      tasksOnly: tasksOnly(flags),
      dataDir: globals.dataDir,
      device: globals.device,
      onProgress: shown.onProgress,
    }),
  ).finally(shown.finish);
  sayUsage(usage, globals);
  sayInvalid(invalid);
  await tell(report, folder, globals);
  const train = trained && { run: trained.folder, steps: trained.steps, loss: trained.loss };
  if (train) say(`trained: ${train.run} (${train.steps} steps, loss ${train.loss?.toFixed(4)})`, globals);
  if (globals.json)
    printJson({
      out: folder,
      ...report,
      ...local,
      usage: usage ?? null,
      invalid: invalid.length,
      ...(train && { train }),
    });
}

/** A line for each stage, then those of the training. */
function stageProgress(globals: GlobalOptions): { onProgress(event: SelfInstructEvent): void; finish(): void } {
  const training = trainProgress(globals);
  let line: Progress | undefined;
  let current: Stage | undefined;
  return {
    onProgress(event) {
      if (event.type === "notice") return say(event.message, globals);
      if (event.type === "train") {
        line?.finish();
        return training.onProgress(event.event);
      }
      const { stage, done, total } = event;
      if (stage !== current) {
        line?.finish();
        line = createProgress({ label: stage, total, quiet: globals.quiet });
        current = stage;
      }
      line?.update(done);
    },
    finish() {
      line?.finish();
      training.finish();
    },
  };
}

function tasksOnly(flags: RunFlags): "generation" | "classification" | undefined {
  if (flags.generationTasksOnly) return "generation";
  return flags.classificationTasksOnly ? "classification" : undefined;
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
      for (const file of flags.classification) if (!existsSync(file)) throw new UsageError(`${file}: no such file`);
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
