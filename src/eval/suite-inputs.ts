/** The files that a suite's figures depend on, so that they can enter a key before the suite runs. */

import { locatePinnedFile, type PinnedFile } from "../data/pinned-file.js";
import { locateData } from "../data/source-files.js";
import { EVAL_FILES } from "./eval-files.js";
import { builtInJudgePrompt } from "./judge-prompt.js";
import { locateSplit } from "./load-rows.js";
import { originalFiles } from "./originals.js";
import type { SuiteContext } from "./suite.js";
import { REFUSAL_SETS, type RefusalSet, refusalFiles } from "./suites/refusal-sets.js";
import type { TaskData } from "./task.js";
import { TASKS } from "./tasks/index.js";

export interface SuiteInputsOptions
  extends Pick<
    SuiteContext,
    "source" | "shots" | "originalPrompts" | "reference" | "judgePrompt" | "judgeSafetyPrompt"
  > {
  /** Parts whose rows come from a file that is named. */
  named: ReadonlySet<string>;
  /** Whether a judge reads the answers. */
  isJudged: boolean;
  /** In-context prompt, by its name. */
  prompt?: string;
}

/**
 * Files that a single suite reads and that no setting names: the benchmark's rows, those of its worked examples, the judge's
 * built-in prompt. Missing ones are fetched unless `source.fetchMissing` is false.
 *
 * @throws EvokeError when one is not there and cannot be had.
 */
export async function suiteInputs(suite: string, options: SuiteInputsOptions): Promise<string[]> {
  const { source, named, isJudged, originalPrompts, judgePrompt, judgeSafetyPrompt } = options;
  const found: string[] = [];
  const add = async (key: string, file: PinnedFile): Promise<void> => {
    if (!named.has(key)) found.push(await locatePinnedFile(file, source));
  };
  const split = async (data: TaskData, name: string): Promise<void> =>
    void found.push(...(await locateSplit(data, name, source)).files);
  const prompt = (name: string, own?: string): void => {
    if (isJudged && !originalPrompts && own === undefined) found.push(builtInJudgePrompt(name));
  };
  const task = TASKS.find(({ name }) => name === suite);
  const hasShots = (options.shots ?? task?.shots ?? 0) > 0;
  if (originalPrompts) {
    const use = { isJudged, judgePrompt, judgeSafetyPrompt, prompt: options.prompt, hasShots };
    for (const file of originalFiles(suite, use)) found.push(await locatePinnedFile(file, source));
  }
  if (task) {
    if (!named.has(task.name)) await split(task.data, task.split);
    if (hasShots && !task.fewShot.fixed) await split(task.data, task.fewShot.split);
  } else if (suite === "alpaca_eval") {
    await add("alpaca_eval", EVAL_FILES.alpacaEval);
    if (isJudged && options.reference === undefined) await add("", EVAL_FILES.alpacaReference);
    prompt("alpaca-eval", judgePrompt);
  } else if (suite === "just_eval") {
    await add("just_eval", EVAL_FILES.justEval);
    prompt("just-eval-regular", judgePrompt);
    prompt("just-eval-safety", judgeSafetyPrompt);
  } else if ((REFUSAL_SETS as readonly string[]).includes(suite)) {
    for (const { key, file } of refusalFiles(suite as RefusalSet)) await add(key, file);
    prompt("refusal", judgePrompt);
  } else if (suite === "user_tasks") await add("user_tasks", EVAL_FILES.userTasks);
  else if (suite === "response_ranking" && !named.has(suite)) found.push(...(await locateData("alpaca", source)).files);
  return found;
}
