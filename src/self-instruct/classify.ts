import { strip } from "../data/python-text.js";
import type { LanguageModel } from "../llm/language-model.js";
import { type AskReport, askEach, asRequest } from "./ask.js";
import { fillPrompt } from "./prompts.js";
import { type ClassificationRow, readStage, writeStage } from "./stage-files.js";

export interface ClassifyOptions {
  model: LanguageModel;
  instructions: readonly string[];
  /** File with earlier answers, which are kept, and file to write. */
  from: string;
  path: string;
  /** Few-shot prompt with `{instruction}`. */
  prompt: string;
  chat?: boolean;
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
}

const SAMPLING = { maxTokens: 3, temperature: 0, stop: ["\n", "Task"] };

/** Step 4 (section 2.2): is an instruction a classification task? */
export async function classifyInstructions(options: ClassifyOptions): Promise<AskReport> {
  const earlier = await readStage<ClassificationRow>(options.from, ["instruction", "is_classification"]);
  // An empty answer is what a failed request leaves behind.
  const known = new Map(
    earlier.filter(({ row }) => row.is_classification !== "").map(({ row }) => [row.instruction, row]),
  );
  return askEach({
    ...options,
    tasks: options.instructions,
    known: (instruction) => known.get(instruction),
    request: (instruction) => asRequest(fillPrompt(options.prompt, instruction), SAMPLING, options.chat),
    row: (instruction, answer): ClassificationRow => ({ instruction, is_classification: answer?.text ?? "" }),
    save: (rows) => writeStage(options.path, rows),
  });
}

/** Whether the model's answer means yes: the original project's rule. */
export function meansYes(answer: string): boolean {
  return ["Yes", "yes", "YES"].includes(strip(answer));
}
