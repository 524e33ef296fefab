/** Prompts of the original tools, fetched from their repositories at pinned commits when a run asks for them. */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { locatePinnedFile, type PinnedFile } from "../data/pinned-file.js";
import { originalOrigin, type PromptOrigin } from "../data/prompt-origin.js";
import type { LocateOptions } from "../data/source-files.js";
import { FailureError } from "../errors.js";
import { EVAL_FILES } from "./eval-files.js";
import { type JudgePrompt, judgePromptOf } from "./judge-prompt.js";
import { BUILT_IN_PROMPTS, type PromptFile, promptFileOf } from "./prompt-file.js";
import { REFUSAL_SETS } from "./suites/refusal-sets.js";
import type { Shot } from "./task.js";
import { gsm8kShots } from "./tasks/gsm8k-cot-llama.js";

/** The eight worked examples of lm-evaluation-harness's `gsm8k_cot_llama`. */
export async function originalGsm8kShots(options: LocateOptions): Promise<{ shots: Shot[]; origin: PromptOrigin }> {
  const file = EVAL_FILES.gsm8kShots;
  const path = await locatePinnedFile(file, options);
  return {
    shots: readGsm8kShots(readFileSync(path, "utf8"), path),
    origin: originalOrigin("worked examples", file, path),
  };
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

/** just-eval's own prompt for regular rows, or for those about safety, with the system turn that its requests begin with. */
export async function originalJustEvalPrompt(rows: "regular" | "safety", options: LocateOptions): Promise<JudgePrompt> {
  const requestPath = await locatePinnedFile(EVAL_FILES.justEvalRequest, options);
  const system = readSystemTurn(readFileSync(requestPath, "utf8"), requestPath);
  const file = rows === "safety" ? EVAL_FILES.justEvalSafety : EVAL_FILES.justEvalRegular;
  const path = await locatePinnedFile(file, options);
  const text = readPythonTemplate(readFileSync(path, "utf8"), path);
  return judgePromptOf(text, ["instruction", "output"], { path, origin: originalOrigin("judge", file, path), system });
}

/** The text of the system turn in a Python file that makes chat requests. @throws FailureError when there is none. */
export function readSystemTurn(source: string, path: string): string {
  const text = /["']role["']\s*:\s*["']system["']\s*,\s*["']content["']\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(source)?.[1];
  if (text === undefined) throw new FailureError(`${path}: holds no system turn`);
  return text;
}

/** AlpacaEval 2's own judge prompt: a system turn and a user turn. */
export async function originalAlpacaPrompt(options: LocateOptions): Promise<JudgePrompt> {
  const path = await locatePinnedFile(EVAL_FILES.alpacaJudge, options);
  return judgePromptOf(readFileSync(path, "utf8").trim(), ["instruction", "output_1", "output_2"], {
    path,
    origin: originalOrigin("judge", EVAL_FILES.alpacaJudge, path),
  });
}

/** The refusal judge's prompt of Response Tuning's own evaluation. */
export async function originalRefusalPrompt(options: LocateOptions): Promise<JudgePrompt> {
  const path = await locatePinnedFile(EVAL_FILES.refusalJudge, options);
  const text = readPythonTemplate(readFileSync(path, "utf8"), path)
    .trim()
    .replace("{prompt}", "{instruction}")
    .replace("{model_output}", "{output}");
  const origin = originalOrigin("judge", EVAL_FILES.refusalJudge, path);
  return judgePromptOf(text, ["instruction", "output"], { path, origin });
}

/** An in-context prompt as Response Tuning's evaluation has it. */
export async function originalPromptFile(
  name: (typeof BUILT_IN_PROMPTS)[number],
  options: LocateOptions,
): Promise<PromptFile> {
  const path = await locatePinnedFile(EVAL_FILES[name], options);
  const origin = originalOrigin("in-context", EVAL_FILES[name], path);
  return promptFileOf(`${name} (original)`, readFileSync(path, "utf8"), { path, origin });
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

/** What of a suite could be the originals', and is not named by a file. */
export interface OriginalUse {
  isJudged: boolean;
  judgePrompt?: unknown;
  judgeSafetyPrompt?: unknown;
  /** An in-context prompt's name. */
  prompt?: string;
  /** Whether worked examples stand before questions. */
  hasShots: boolean;
}

/** The files whose texts a single suite asks with when it asks with the original prompts. */
export function originalFiles(suite: string, use: OriginalUse): PinnedFile[] {
  const { isJudged, judgePrompt, judgeSafetyPrompt, prompt, hasShots } = use;
  const named = BUILT_IN_PROMPTS.find((name) => name === prompt);
  const found: PinnedFile[] = named && ASKED_SUITES.has(suite) ? [EVAL_FILES[named]] : [];
  const judges = isJudged && judgePrompt === undefined;
  if (suite === "gsm8k_cot_llama" && hasShots) found.push(EVAL_FILES.gsm8kShots);
  if (suite === "alpaca_eval" && judges) found.push(EVAL_FILES.alpacaJudge);
  if ((REFUSAL_SETS as readonly string[]).includes(suite) && judges) found.push(EVAL_FILES.refusalJudge);
  if (suite === "just_eval" && isJudged) {
    if (judges) found.push(EVAL_FILES.justEvalRegular);
    if (judgeSafetyPrompt === undefined) found.push(EVAL_FILES.justEvalSafety);
    if (judges || judgeSafetyPrompt === undefined) found.push(EVAL_FILES.justEvalRequest);
  }
  return found;
}

/** Suites that an in-context prompt can ask. */
const ASKED_SUITES: ReadonlySet<string> = new Set([
  "alpaca_eval",
  "just_eval",
  ...REFUSAL_SETS,
  "user_tasks",
  "instruct",
]);
