import type { PromptOrigin } from "../data/prompt-origin.js";
import { UsageError } from "../errors.js";
import type { GenerateRequest } from "../llm/language-model.js";
import { pairAnswers, readAnswerFiles } from "./paired-answers.js";
import { fillPrompt, PROMPT_STOPS, trimAnswer } from "./prompt-file.js";
import { answersOf, conversationRequest, type SuiteContext } from "./suite.js";

/** A model's answer to an instruction. */
export interface WrittenAnswer {
  /** Absent when the request failed, or the file of answers has none. */
  output?: string;
  /** Why there is no output. */
  problem?: string;
  finishReason?: "stop" | "length";
  /** Tokens written, the end token included. */
  outputTokens?: number;
  /** The text that the model continued, where an in-context prompt asked it. */
  asked?: string;
}

export interface AnswerOptions {
  label: string;
  /** Most new tokens unless the run says otherwise. */
  maxTokens: number;
}

/** Greedy answers of the model under test, one an instruction; or those of the file that the run names. */
export async function writeAnswers(
  context: SuiteContext,
  instructions: readonly string[],
  { label, maxTokens }: AnswerOptions,
): Promise<WrittenAnswer[]> {
  if (context.outputs) return readAnswers(context.outputs, instructions, context.limit !== undefined);
  if (!context.model) throw new UsageError(`${label}: needs --model, or --outputs with answers to judge`);
  const limit = context.maxNewTokens ?? maxTokens;
  const requests = instructions.map((instruction) => answerRequest(context, instruction, limit));
  const results = await answersOf(context, context.model, label, requests);
  return results.map((result, i): WrittenAnswer => {
    if (result instanceof Error) return { problem: result.message };
    const output = context.prompt ? trimAnswer(result.text) : result.text.trim();
    const asked = requests[i]!.prompt;
    return {
      output,
      finishReason: result.finishReason,
      outputTokens: result.outputTokens,
      ...(asked ? { asked } : {}),
    };
  });
}

function answerRequest(context: SuiteContext, instruction: string, maxTokens: number): GenerateRequest {
  const rest = { maxTokens, temperature: 0 };
  if (context.prompt) return { prompt: fillPrompt(context.prompt, instruction), stop: PROMPT_STOPS, ...rest };
  return conversationRequest(context, [{ role: "user", content: instruction }], rest);
}

async function readAnswers(
  paths: readonly string[],
  instructions: readonly string[],
  isPart: boolean,
): Promise<WrittenAnswer[]> {
  const file = await readAnswerFiles(paths);
  const found = pairAnswers(file, instructions, isPart);
  if (!found.some((output) => output !== undefined))
    throw new UsageError(`${file.path}: none of its ${file.answers.size} instructions is one of this suite's`);
  return found.map((output) => (output === undefined ? { problem: "not in the file of answers" } : { output }));
}

/** What the run's answers depend on, for `config`. @param judges prompts that judges were asked with. */
export function answerConfig(
  context: SuiteContext,
  maxTokens: number,
  judges: readonly PromptOrigin[] = [],
): Record<string, unknown> {
  const { limit, prompt, template } = context;
  const prompts = [...(prompt ? [prompt.origin] : []), ...judges];
  return {
    generator: context.generator,
    prompts: prompts.some(({ origin }) => origin === "original") ? "original" : "own",
    ...(context.outputs
      ? { outputs: context.outputs.join(", ") }
      : { max_new_tokens: context.maxNewTokens ?? maxTokens }),
    ...(prompt ? { prompt: prompt.name, prompt_sha256: prompt.sha256 } : { chat_template: template ?? "the model's" }),
    ...(prompts.length > 0 ? { prompt_origins: prompts } : {}),
    ...(limit === undefined ? {} : { limit }),
  };
}
