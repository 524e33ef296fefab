import type { OnInvalidRow } from "../data/source-row.js";
import { UsageError } from "../errors.js";
import { readJsonl } from "../files/jsonl.js";
import { meansYes } from "./classify.js";
import { type Instance, parseInstances } from "./parse-instances.js";
import { type ClassificationRow, readStage, requireTexts, type StoredAnswer } from "./stage-files.js";

/** An instruction with the instances found in its transcript, in file order. */
export interface ParsedTask {
  instruction: string;
  isClassification: boolean;
  instances: Instance[];
}

/** Instruction → whether it is a classification task; of several files the last that has an instruction counts. */
export async function readClassification(paths: readonly string[]): Promise<Map<string, boolean>> {
  const kinds = new Map<string, boolean>();
  for (const path of paths)
    for (const { row } of await readStage<ClassificationRow>(path, ["instruction", "is_classification"]))
      kinds.set(row.instruction, meansYes(row.is_classification));
  return kinds;
}

/**
 * Reads the instances out of files of transcripts (step 6). A transcript without metadata counts as complete.
 *
 * @throws UsageError with file and line on a malformed row or one whose kind is unknown, unless `onInvalid` takes it.
 */
export async function parseInstanceFiles(
  paths: readonly string[],
  classification: ReadonlyMap<string, boolean>,
  onInvalid?: OnInvalidRow,
): Promise<ParsedTask[]> {
  const tasks: ParsedTask[] = [];
  for (const path of paths) await parseInto(tasks, path, classification, onInvalid);
  return tasks;
}

async function parseInto(
  tasks: ParsedTask[],
  path: string,
  classification: ReadonlyMap<string, boolean>,
  onInvalid?: OnInvalidRow,
): Promise<void> {
  for await (const { row, line } of readJsonl(path, onInvalid)) {
    try {
      requireTexts(row, ["instruction", "raw_instances"], `${path}:${line}`);
      const instruction = row.instruction as string;
      const isClassification = classification.get(instruction);
      if (isClassification === undefined)
        throw new UsageError(`${path}:${line}: the classification file does not have this instruction`);
      const isCut = wasCut(row.instance_metadata);
      const instances = parseInstances(row.raw_instances as string, instruction, isClassification, isCut);
      tasks.push({ instruction, isClassification, instances });
    } catch (error) {
      if (!onInvalid || !(error instanceof UsageError)) throw error;
      onInvalid(error.message, line);
    }
  }
}

/** Whether the metadata of a stored answer say that length cut it off. */
export function wasCut(metadata: unknown): boolean {
  const response = (metadata as Partial<StoredAnswer> | null | undefined)?.response;
  return Array.isArray(response?.choices) && response.choices[0]?.finish_reason === "length";
}
