import { readRows } from "../data/read-rows.js";
import { UsageError } from "../errors.js";
import type { JsonRow } from "../files/jsonl.js";

/** The answers of a file by what they answer. Rows that ask the same keep their order. */
export interface AnswerFile {
  /** For messages. */
  path: string;
  answers: ReadonlyMap<string, string[]>;
  /** Who wrote them, where the rows say so. */
  generator?: string;
}

/**
 * Reads files of answers: rows of `instruction` (with its `input` after a blank line where a row has one) and `output`, as AlpacaEval,
 * just-eval and this program write them; also `prompt` and `response`, and just-eval's results with `input` and `output_cand`, and the refusal results of Response Tuning with
 * `model_input` or `prompt`, and `model_output`.
 *
 * @throws UsageError for a row without these, or a file without rows.
 */
export async function readAnswerFiles(paths: readonly string[]): Promise<AnswerFile> {
  const answers = new Map<string, string[]>();
  let generator: string | undefined;
  const path = paths.join(", ");
  for (const file of paths)
    for await (const { row, line } of readRows(file)) {
      const key = keyOf(row);
      const value = row.output ?? row.response ?? row.output_cand ?? row.model_output;
      const text = Array.isArray(value) && value.length === 1 ? value[0] : value; // older files keep lists of one
      if (key === undefined || typeof text !== "string")
        throw new UsageError(`${file}:${line}: expected fields "instruction" and "output" with text`);
      const given = row.generator ?? row.generator_cand;
      if (typeof given === "string") generator = given;
      answers.set(key, [...(answers.get(key) ?? []), text]);
    }
  if (answers.size === 0) throw new UsageError(`${path}: holds no outputs`);
  return { path, answers, generator };
}

function keyOf(row: JsonRow): string | undefined {
  const asked = row.instruction ?? row.model_input ?? row.prompt ?? row.input;
  if (typeof asked !== "string") return undefined;
  const input = row.instruction === undefined ? "" : row.input;
  return typeof input === "string" && input.trim() ? `${asked.trim()}\n\n${input.trim()}` : asked.trim();
}

/**
 * The answer to each instruction; `undefined` where the file has none. Instructions that are asked more than once are paired with
 * their answers in order.
 *
 * @param isPart whether only the first instructions of the suite are asked, so that the file may hold more answers.
 * @throws UsageError where an instruction has another number of answers than it is asked times, and they differ: which belongs to
 * which cannot be told.
 */
export function pairAnswers(
  { path, answers }: AnswerFile,
  instructions: readonly string[],
  isPart: boolean,
): (string | undefined)[] {
  const asked = new Map<string, number>();
  for (const instruction of instructions) asked.set(instruction.trim(), (asked.get(instruction.trim()) ?? 0) + 1);
  const next = new Map<string, number>();
  return instructions.map((instruction) => {
    const key = instruction.trim();
    const there = answers.get(key);
    if (!there) return undefined;
    if (new Set(there).size === 1) return there[0];
    const times = asked.get(key)!;
    if (there.length < times || (there.length > times && !isPart))
      throw new UsageError(
        `${path}: holds ${there.length} different answers to an instruction that is asked ${times === 1 ? "once" : `${times} times`}: ${JSON.stringify(key.slice(0, 60))}`,
      );
    const at = next.get(key) ?? 0;
    next.set(key, at + 1);
    return there[at];
  });
}
