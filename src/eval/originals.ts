/** Prompts of the original tools, fetched from their repositories at pinned commits when a run asks for them. */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import type { LocateOptions } from "../data/source-files.js";
import { FailureError } from "../errors.js";
import { EVAL_FILES, locateEvalFile } from "./eval-files.js";
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

/** Paths of just-eval's own judge prompts; `readPythonTemplate` turns them into ours. */
export async function originalJustEvalPrompts(options: LocateOptions): Promise<{ regular: string; safety: string }> {
  const regular = await locateEvalFile(EVAL_FILES.justEvalRegular, options);
  const safety = await locateEvalFile(EVAL_FILES.justEvalSafety, options);
  return {
    regular: readPythonTemplate(readFileSync(regular, "utf8"), regular),
    safety: readPythonTemplate(readFileSync(safety, "utf8"), safety),
  };
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
