import { join } from "node:path";
import type { OnInvalidRow } from "../data/source-row.js";
import { FailureError } from "../errors.js";
import { writeFileAtomically } from "../files/atomic-write.js";
import { writeJsonl } from "../files/jsonl.js";
import { Random } from "../random/counter.js";
import { type CompletionStyle, encodeInstances } from "./encode.js";
import { type ParsedTask, parseInstanceFiles } from "./parse-file.js";
import type { Instance } from "./parse-instances.js";
import type { SelfInstructPrompts } from "./prompts.js";
import type { SeedTask } from "./seed-tasks.js";
import { FILES } from "./stage-files.js";

export interface PrepareOptions {
  folder: string;
  /** Files of transcripts. */
  instanceFiles: readonly string[];
  /** Instruction → whether it is a classification task. */
  classification: ReadonlyMap<string, boolean>;
  /** Seed tasks whose own instances join the fine-tuning data. */
  seedTasks: readonly SeedTask[];
  maxInstances: number;
  /** Use the instances of this many instructions, drawn by seed; all when undefined. */
  instructions?: number;
  templates: SelfInstructPrompts["encoding"];
  style: CompletionStyle;
  seed: number;
  onInvalid?: OnInvalidRow;
}

/** Counts of the paper's table 1, lengths in words. */
export interface Summary {
  /** Instructions that were read, those without an instance included. */
  instructions: number;
  /** Those of them that ask for a class. */
  classification_instructions: number;
  /** Instructions whose transcript gave no usable instance. */
  without_instances: number;
  /** Pairs of input and output. */
  instances: number;
  /** Instances whose instruction needs no input. */
  empty_inputs: number;
  /** Words, separated by white space. */
  mean_instruction_words: number;
  /** Of inputs that are not empty. */
  mean_input_words: number;
  /** Of outputs. */
  mean_output_words: number;
  /** Instances of the seed tasks among the training rows. */
  seed_instances: number;
  /** Rows written for training. */
  finetuning_rows: number;
}

/**
 * Steps 6 and 7: transcripts → instances (`all_generated_instances.jsonl`) → fine-tuning rows (`finetuning.jsonl`), and
 * the same instances as Alpaca rows and as chat messages.
 */
export async function prepareFinetuning(options: PrepareOptions): Promise<Summary> {
  const { folder, seed } = options;
  const tasks = await parseInstanceFiles(options.instanceFiles, options.classification, options.onInvalid);
  const sampled = tasks.map((task) => ({ ...task, instances: sampleInstances(task, options.maxInstances, seed) }));
  const all = sampled.flatMap(({ instances }) => instances);
  writeJsonl(join(folder, FILES.allInstances), all);
  const used = options.instructions === undefined ? all : ofSomeInstructions(all, options.instructions, seed);
  const seeds = options.seedTasks.flatMap(({ instruction, instances }) =>
    instances.map(({ input, output }): Instance => ({ instruction, input, output })),
  );
  const training = [...used, ...seeds];
  if (training.length === 0)
    throw new FailureError(`${folder}: no usable instance in ${tasks.length} transcripts; a stronger model is needed`);
  const rows = encodeInstances(training, options.templates, seed, options.style);
  writeJsonl(join(folder, FILES.finetuning), rows);
  writeJsonl(join(folder, FILES.alpaca), training);
  writeJsonl(join(folder, FILES.messages), training.map(asMessages));
  const summary = summarise(sampled, seeds.length, rows.length);
  writeFileAtomically(join(folder, FILES.summary), `${JSON.stringify(summary, null, 2)}\n`);
  return summary;
}

function sampleInstances({ instruction, instances }: ParsedTask, count: number, seed: number): Instance[] {
  if (instances.length <= count) return instances;
  const chosen = new Set(new Random("self-instruct instances", seed, instruction).sample(instances, count));
  return instances.filter((instance) => chosen.has(instance));
}

function ofSomeInstructions(instances: Instance[], count: number, seed: number): Instance[] {
  const names = [...new Set(instances.map(({ instruction }) => instruction))];
  const chosen = new Set(new Random("self-instruct instructions", seed).sample(names, count));
  return instances.filter(({ instruction }) => chosen.has(instruction));
}

function asMessages({ instruction, input, output }: Instance): unknown {
  const content = input === "" ? instruction : `${instruction}\n\n${input}`;
  return {
    messages: [
      { role: "user", content },
      { role: "assistant", content: output },
    ],
  };
}

function summarise(tasks: readonly ParsedTask[], seedInstances: number, rows: number): Summary {
  const instances = tasks.flatMap((task) => task.instances);
  const mean = (texts: string[]): number => {
    const total = texts.reduce((sum, text) => sum + text.split(/\s+/).filter(Boolean).length, 0);
    return texts.length === 0 ? 0 : Number((total / texts.length).toFixed(3));
  };
  return {
    instructions: tasks.length,
    classification_instructions: tasks.filter(({ isClassification }) => isClassification).length,
    without_instances: tasks.filter((task) => task.instances.length === 0).length,
    instances: instances.length,
    empty_inputs: instances.filter(({ input }) => input === "").length,
    mean_instruction_words: mean(tasks.map(({ instruction }) => instruction)),
    mean_input_words: mean(instances.filter(({ input }) => input !== "").map(({ input }) => input)),
    mean_output_words: mean(instances.map(({ output }) => output)),
    seed_instances: seedInstances,
    finetuning_rows: rows,
  };
}
