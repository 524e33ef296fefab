/** Prompts by which responses are refined: evoke's own, a file, or that of Response Tuning, from its repository. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { UsageError } from "../errors.js";
import { githubFile, locatePinnedFile, type PinnedFile, RESPONSE_TUNING } from "./pinned-file.js";
import { originalOrigin, ownOrigin, type PromptOrigin } from "./prompt-origin.js";
import { pythonString } from "./python-source.js";
import { strip } from "./python-text.js";
import { checkRefineTemplate } from "./refine.js";
import type { LocateOptions } from "./source-files.js";

export const REFINE_SOURCE: PinnedFile = {
  local: ["originals/refine-responses.py"],
  remote: githubFile(
    ...RESPONSE_TUNING,
    "refine_responses.py",
    "62caa48c9e4ff42a4022a3d19c8a7e31a7ec0739a23e103dd6a762c7c1d5ad86",
  ),
};

/** A prompt to refine by, with `{prompt}` and `{response}`. */
export interface RefineTemplate {
  template: string;
  origin: PromptOrigin;
}

/** Where evoke's own is. */
export const REFINE_PROMPT = fileURLToPath(new URL("../../prompts/refine.txt", import.meta.url));

/** @param isNamed whether the file is one that the user named. @throws UsageError when it or a place in it is missing. */
export function loadRefineTemplate(path: string = REFINE_PROMPT, isNamed = path !== REFINE_PROMPT): RefineTemplate {
  if (!existsSync(path)) throw new UsageError(`${path}: no such prompt`);
  const template = readFileSync(path, "utf8");
  checkRefineTemplate(template, path);
  return { template, origin: ownOrigin("refine", template, isNamed ? path : undefined) };
}

/** @throws FailureError when it cannot be had, or holds no prompt. */
export async function originalRefineTemplate(options: LocateOptions): Promise<RefineTemplate> {
  const path = await locatePinnedFile(REFINE_SOURCE, options);
  const text = strip(pythonString(readFileSync(path, "utf8"), "RESPONSE_REFINE_PROMPT_TEMPLATE", path));
  const template = text.replace("{user_request}", "{prompt}");
  checkRefineTemplate(template, path);
  return { template, origin: originalOrigin("refine", REFINE_SOURCE, path) };
}
