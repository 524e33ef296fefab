import { strip } from "../data/python-text.js";
import type { LanguageModel } from "../llm/language-model.js";
import { withoutThoughts } from "../metrics/judge-reply.js";
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
  /** Most tokens of an answer. */
  maxTokens: number;
  isChosen?: (instruction: string) => boolean;
  chat?: boolean;
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
}

const STOP = ["\n", "Task"];

/** Step 4 (section 2.2): is an instruction a classification task? */
export async function classifyInstructions(options: ClassifyOptions): Promise<AskReport> {
  const earlier = await readStage<ClassificationRow>(options.from, ["instruction", "is_classification"]);
  // An empty answer is what a failed request leaves behind.
  const known = new Map(
    earlier.filter(({ row }) => row.is_classification !== "").map(({ row }) => [row.instruction, row]),
  );
  // A chat model's first line may be a preamble, or a thought.
  const sampling = { maxTokens: options.maxTokens, temperature: 0, ...(options.chat ? {} : { stop: STOP }) };
  return askEach({
    ...options,
    tasks: options.instructions,
    known: (instruction) => known.get(instruction),
    request: (instruction) => asRequest(fillPrompt(options.prompt, instruction), sampling, options.chat),
    row: (instruction, answer): ClassificationRow => {
      const text = answer?.text ?? "";
      return { instruction, is_classification: options.chat ? (chatVerdict(text) ?? text) : text };
    },
    save: (rows) => writeStage(options.path, rows),
  });
}

/** "Yes" or "No" in a chat model's reply: its first such word, thoughts left out. */
export function chatVerdict(reply: string): "Yes" | "No" | undefined {
  const word = /(?<![\p{L}\p{N}])(yes|no)(?![\p{L}\p{N}])/iu.exec(withoutThoughts(reply))?.[1];
  return word === undefined ? undefined : word.toLowerCase() === "yes" ? "Yes" : "No";
}

/** Whether the model's answer means yes: the original project's rule. */
export function meansYes(answer: string): boolean {
  return ["Yes", "yes", "YES"].includes(strip(answer));
}
