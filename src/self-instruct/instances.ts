import type { LanguageModel } from "../llm/language-model.js";
import { type AskReport, askEach, asRequest } from "./ask.js";
import { plainTranscript } from "./plain-transcript.js";
import { fillPrompt } from "./prompts.js";
import { type InstancesRow, type InstructionRow, readStage, writeStage } from "./stage-files.js";

export interface InstancesOptions {
  model: LanguageModel;
  instructions: readonly InstructionRow[];
  isClassification: (instruction: string) => boolean;
  path: string;
  /** Output-first prompt for classification tasks, input-first prompt for the others, each with `{instruction}`. */
  prompts: { classification: string; generation: string };
  /** Examples a task may get, default 5. */
  maxInstances: number;
  maxTokens: { classification: number; generation: number };
  presencePenalty: number;
  isChosen?: (instruction: string) => boolean;
  chat?: boolean;
  signal?: AbortSignal;
  onProgress?: (done: number, total: number) => void;
}

/** Step 5 (section 2.3): transcripts with inputs and outputs for each instruction. */
export async function generateInstances(options: InstancesOptions): Promise<AskReport> {
  const { prompts, maxTokens, presencePenalty, maxInstances } = options;
  const earlier = await readStage<InstancesRow>(options.path, ["instruction", "raw_instances"]);
  const answered = earlier.filter(({ row }) => row.instance_metadata?.response !== null);
  const known = new Map(answered.map(({ row }) => [row.instruction, row]));
  const promptFor = (instruction: string): string => {
    const prompt = options.isClassification(instruction) ? prompts.classification : prompts.generation;
    return `${fillPrompt(prompt, instruction)}\n`;
  };
  return askEach({
    ...options,
    tasks: options.instructions,
    known: ({ instruction }) => known.get(instruction),
    isChosen: options.isChosen && (({ instruction }) => options.isChosen!(instruction)),
    request: ({ instruction }) => {
      const kind = options.isClassification(instruction) ? "classification" : "generation";
      const stop = [`Example ${maxInstances + 1}`, "Task:"];
      const sampling = { maxTokens: maxTokens[kind], temperature: 0, presencePenalty, stop };
      return asRequest(promptFor(instruction), sampling, options.chat);
    },
    row: ({ instruction, metadata, most_similar, avg_similarity_score }, answer): InstancesRow => ({
      instruction,
      raw_instances: options.chat ? plainTranscript(answer?.text ?? "") : (answer?.text ?? ""),
      instance_metadata: {
        prompt: promptFor(instruction),
        response: answer ? { choices: [{ text: answer.text, finish_reason: answer.finishReason }] } : null,
      },
      instruction_metadata: metadata,
      most_similar,
      avg_similarity_score,
    }),
    save: (rows) => writeStage(options.path, rows),
  });
}
