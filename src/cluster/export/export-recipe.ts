/** Writes the folder that another trainer runs: configuration, rows, and how to start. */
import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import type { TrainingExample } from "../../data/encode.js";
import { UsageError } from "../../errors.js";
import type { TrainingRecipe } from "../../recipe/schema.js";
import { jobRequirements } from "../ray/package.js";
import { axolotlConfig } from "./axolotl.js";
import { HAND_OVER, handOver } from "./hand-over.js";
import { jobFiles, START } from "./launch.js";
import { labelledRow, type PlanOptions, planTraining, type TrainingPlan } from "./training-plan.js";
import { needsScript, trlConfig, trlScript } from "./trl.js";

export const TRAINERS = ["trl", "axolotl"] as const;
export type Trainer = (typeof TRAINERS)[number];

export interface ExportOptions extends PlanOptions {
  to: Trainer;
  /** Folder to write. */
  out: string;
  /** Replace the folder when it is there. */
  force: boolean;
}

export interface ExportedRecipe {
  folder: string;
  files: string[];
  /** What starts the training in that folder. */
  command: string;
  examples: number;
  validation: number;
  steps: number;
  /** What the other trainer does otherwise. */
  differences: string[];
}

/** @throws UsageError when the folder is there already, besides what `planTraining` throws. */
export async function exportRecipe(recipe: TrainingRecipe, options: ExportOptions): Promise<ExportedRecipe> {
  const { to, out, force } = options;
  if (existsSync(out) && !force) throw new UsageError(`${out}: exists already; --force replaces it`);
  // What --force takes away must be an export.
  if (existsSync(out) && !["sft.yaml", "axolotl.yaml"].some((name) => existsSync(join(out, name))))
    throw new UsageError(`${out}: holds no exported recipe, so it is not replaced; use another --out`);
  if (to !== "trl" && (options.launch || options.inSequence))
    throw new UsageError("--accelerate and --in-sequence are for --to trl");
  const plan = await planTraining(recipe, options);
  const { files, command } = to === "trl" ? trlFiles(plan) : axolotlFiles(plan);
  files["data/train.jsonl"] = lines(plan.train);
  files[HAND_OVER] = `${JSON.stringify(handOver(plan, to), null, 2)}\n`;
  if (plan.validation.length) files["data/validation.jsonl"] = lines(plan.validation);
  await writeFolder(out, files);
  return {
    folder: out,
    files: Object.keys(files).sort(),
    command,
    examples: plan.train.length,
    validation: plan.validation.length,
    steps: plan.steps,
    differences: differences(plan, to),
  };
}

interface Written {
  files: Record<string, string>;
  command: string;
}

function trlFiles(plan: TrainingPlan): Written {
  const command = plan.launch
    ? START
    : needsScript(plan)
      ? "python train.py --config sft.yaml"
      : "trl sft --config sft.yaml";
  const files: Record<string, string> = { "sft.yaml": commented(trlConfig(plan), command, plan, "trl") };
  if (needsScript(plan)) files["train.py"] = trlScript(plan);
  if (plan.launch) Object.assign(files, jobFiles(plan.launch, jobRequirements()));
  return { files, command };
}

function axolotlFiles(plan: TrainingPlan): Written {
  const command = "axolotl train axolotl.yaml";
  return { files: { "axolotl.yaml": commented(axolotlConfig(plan), command, plan, "axolotl") }, command };
}

function commented(config: Record<string, unknown>, command: string, plan: TrainingPlan, to: Trainer): string {
  const { recipe, train, steps } = plan;
  const notes = [
    `evoke recipe: ${recipe.method}, ${recipe.mode}, template ${recipe.template}; ${train.length} examples, ${steps} steps.`,
    `Run in this folder: ${command}`,
    ...differences(plan, to),
  ];
  return `${notes.map((note) => `# ${note}`).join("\n")}\n\n${yaml11(config)}`;
}

/** Both tools read YAML 1.1, where `no` is false, and 1e-8 a text for the parser they use but 1.0e-8 a number. */
function yaml11(config: Record<string, unknown>): string {
  return stringify(config, { version: "1.1" }).replace(/^(\s*\w+: -?\d+)(e[-+]\d+)$/gm, "$1.0$2");
}

/** Kept short: each is one line of the configuration's head and of the command's output. */
function differences({ recipe, precision, inSequence, validation, batch }: TrainingPlan, to: Trainer): string[] {
  const order = inSequence
    ? "Batches come in evoke's order of the first pass, in every pass; first adapter and dropout are drawn by the other trainer's own generator."
    : "Batches come in the other trainer's own order, and dropout is drawn from its own generator.";
  const found = [order];
  if (validation.length)
    found.push(
      `Its validation loss is the mean over batches of ${batch.micro} rows of their means; evoke's is the mean over all learnt tokens.`,
    );
  if (precision === "bfloat16") found.push("Arithmetic is bfloat16; evoke computes in float32.");
  if (recipe.packing) found.push("Examples of a micro-batch are padded instead of laid one behind the other.");
  if (to === "axolotl" && recipe.early_stop && recipe.early_stop.min_delta > 0)
    found.push("Axolotl knows no early_stop.min_delta: any fall of the validation loss counts.");
  return found;
}

function lines(examples: readonly TrainingExample[]): string {
  return examples.map((example) => `${JSON.stringify(labelledRow(example))}\n`).join("");
}

/** All files or none: written beside, then moved into place. */
async function writeFolder(out: string, files: Record<string, string>): Promise<void> {
  const place = out.replace(/[/\\]+$/, "");
  const [temporary, replaced] = [`${place}.tmp`, `${place}.old`];
  for (const leftover of [temporary, replaced]) await rm(leftover, { recursive: true, force: true });
  await mkdir(join(temporary, "data"), { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(temporary, name), text);
  // Moved away whole: a folder that is half removed could not be told from a stranger's.
  if (existsSync(place)) await rename(place, replaced);
  await rename(temporary, place);
  await rm(replaced, { recursive: true, force: true });
}
