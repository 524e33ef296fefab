/** Prompts of the original tools, fetched from their repositories at pinned commits when a run asks for them. */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import type { LocateOptions } from "../data/source-files.js";
import { FailureError } from "../errors.js";
import { EVAL_FILES, type EvalFile, locateEvalFile } from "./eval-files.js";
import { type JudgePrompt, judgePromptOf } from "./judge-prompt.js";
import { type BUILT_IN_PROMPTS, type PromptFile, promptFileOf } from "./prompt-file.js";
import type { Shot } from "./task.js";
import { gsm8kShots } from "./tasks/gsm8k-cot-llama.js";

/** The eight worked examples of lm-evaluation-harness's `gsm8k_cot_llama`. */
export async function originalGsm8kShots(options: LocateOptions): Promise<Shot[]> {
  const path = await locateEvalFile(EVAL_FILES.gsm8kShots, options);
  return readGsm8kShots(readFileSync(path, "utf8"), path);
}

/** @throws FailureError when the task file holds no worked examples. */
export function readGsm8kShots(text: string, path: string): Shot[] {
  const task = parse(text) as { fewshot_config?: { samples?: { question?: unknown; target?: unknown }[] } } | null;
  const samples = task?.fewshot_config?.samples ?? [];
  const rows = samples.flatMap(({ question, target }) =>
    typeof question === "string" && typeof target === "string" ? [{ question, target }] : [],
  );
  if (rows.length === 0) throw new FailureError(`${path}: holds no worked examples`);
  return gsm8kShots(rows);
}

/** just-eval's own judge prompts, each with the system turn that its requests begin with. */
export async function originalJustEvalPrompts(
  options: LocateOptions,
): Promise<{ regular: JudgePrompt; safety: JudgePrompt }> {
  const requestPath = await locateEvalFile(EVAL_FILES.justEvalRequest, options);
  const system = readSystemTurn(readFileSync(requestPath, "utf8"), requestPath);
  const read = async (file: EvalFile): Promise<JudgePrompt> => {
    const path = await locateEvalFile(file, options);
    const text = readPythonTemplate(readFileSync(path, "utf8"), path);
    return judgePromptOf(text, ["instruction", "output"], path, system);
  };
  return { regular: await read(EVAL_FILES.justEvalRegular), safety: await read(EVAL_FILES.justEvalSafety) };
}

/** The text of the system turn in a Python file that makes chat requests. @throws FailureError when there is none. */
export function readSystemTurn(source: string, path: string): string {
  const text = /["']role["']\s*:\s*["']system["']\s*,\s*["']content["']\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(source)?.[1];
  if (text === undefined) throw new FailureError(`${path}: holds no system turn`);
  return text;
}

/** AlpacaEval 2's own judge prompt: a system turn and a user turn. */
export async function originalAlpacaPrompt(options: LocateOptions): Promise<JudgePrompt> {
  const path = await locateEvalFile(EVAL_FILES.alpacaJudge, options);
  return judgePromptOf(readFileSync(path, "utf8").trim(), ["instruction", "output_1", "output_2"], path);
}

/** The refusal judge's prompt of Response Tuning's own evaluation. */
export async function originalRefusalPrompt(options: LocateOptions): Promise<JudgePrompt> {
  const path = await locateEvalFile(EVAL_FILES.refusalJudge, options);
  const text = readPythonTemplate(readFileSync(path, "utf8"), path)
    .trim()
    .replace("{prompt}", "{instruction}")
    .replace("{model_output}", "{output}");
  return judgePromptOf(text, ["instruction", "output"], path);
}

/** An in-context prompt as Response Tuning's evaluation has it. */
export async function originalPromptFile(
  name: (typeof BUILT_IN_PROMPTS)[number],
  options: LocateOptions,
): Promise<PromptFile> {
  const path = await locateEvalFile(EVAL_FILES[name], options);
  return promptFileOf(`${name} (original)`, readFileSync(path, "utf8"), path);
}

/**
 * The text between triple quotes of a Python file, with `${instruction}` and `${candidate}` written as our `{instruction}` and
 * `{output}`.
 *
 * @throws FailureError when there is no such text.
 */
export function readPythonTemplate(source: string, path: string): string {
  const text = /"""\\?\n?([\s\S]*?)"""/.exec(source)?.[1];
  if (text === undefined) throw new FailureError(`${path}: holds no prompt between triple quotes`);
  return text.replace(/\$\{instruction\}/g, "{instruction}").replace(/\$\{candidate\}/g, "{output}");
}
