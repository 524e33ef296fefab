import { UsageError } from "../errors.js";
import { readJsonl } from "../files/jsonl.js";

/** A task written by a person, in the original project's schema. */
export interface SeedTask {
  id: string;
  name: string;
  instruction: string;
  instances: { input: string; output: string }[];
  is_classification: boolean;
}

/** @throws UsageError with file and line on a row that lacks a field. */
export async function readSeedTasks(path: string): Promise<SeedTask[]> {
  const tasks: SeedTask[] = [];
  for await (const { row, line } of readJsonl(path)) {
    const problem = whatIsWrong(row);
    if (problem) throw new UsageError(`${path}:${line}: ${problem}`);
    tasks.push(row as unknown as SeedTask);
  }
  if (tasks.length === 0) throw new UsageError(`${path}: no seed tasks`);
  return tasks;
}

function whatIsWrong(row: Record<string, unknown>): string | undefined {
  if (typeof row.instruction !== "string" || row.instruction.trim() === "") return 'the field "instruction" is missing';
  if (typeof row.is_classification !== "boolean") return 'the field "is_classification" must be true or false';
  if (!Array.isArray(row.instances)) return 'the field "instances" must be a list';
  for (const instance of row.instances as unknown[]) {
    const { input, output } = (instance ?? {}) as { input?: unknown; output?: unknown };
    if (typeof input !== "string" || typeof output !== "string")
      return 'every instance needs the texts "input" and "output"';
  }
  return undefined;
}
