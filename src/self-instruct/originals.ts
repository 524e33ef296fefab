/** The five prompts of the original Self-Instruct project, from its repository. */
import { readFileSync } from "node:fs";
import { githubFile, locatePinnedFile, type PinnedFile, SELF_INSTRUCT } from "../data/pinned-file.js";
import { originalOrigin, type PromptOrigin } from "../data/prompt-origin.js";
import { pythonString } from "../data/python-source.js";
import { strip } from "../data/python-text.js";
import type { LocateOptions } from "../data/source-files.js";
import { FailureError } from "../errors.js";
import type { SelfInstructPrompts } from "./prompts.js";

const pinned = (local: string, path: string, sha256: string): PinnedFile => ({
  local: [`originals/self-instruct-${local}`],
  remote: githubFile(...SELF_INSTRUCT, `self_instruct/${path}`, sha256),
});

const SOURCES = {
  bootstrap: pinned(
    "bootstrap.py",
    "bootstrap_instructions.py",
    "133e8a52b03dbccbcb956d0d4a843b8b02b9196d2e57ab01a192e36889b92637",
  ),
  classify: pinned(
    "classify.py",
    "templates/clf_task_template.py",
    "9a6b3404ed4e61fb3d2b5b7e05233b29d76bad124206c3bd710b0fa9895b03fa",
  ),
  instances: pinned(
    "instances.py",
    "templates/instance_gen_template.py",
    "f167d341189a734186abe0938f52a21cfd229e10c7dec8dcd479a9fe323c101f",
  ),
};

/** The files that hold them. */
export const SELF_INSTRUCT_SOURCES: readonly PinnedFile[] = Object.values(SOURCES);

/** What a model is asked; the forms of fine-tuning rows are no part of it. */
export type AskedPrompts = Omit<SelfInstructPrompts, "encoding" | "origins">;

/**
 * The original prompts, put together as the original's scripts do.
 *
 * @throws FailureError when a file cannot be had, or lacks its text.
 */
export async function originalSelfInstructPrompts(
  options: LocateOptions,
): Promise<{ prompts: AskedPrompts; origins: PromptOrigin[] }> {
  const origins: PromptOrigin[] = [];
  const read = async (use: keyof typeof SOURCES): Promise<{ path: string; source: string }> => {
    const path = await locatePinnedFile(SOURCES[use], options);
    origins.push(originalOrigin(use, SOURCES[use], path));
    return { path, source: readFileSync(path, "utf8") };
  };
  const leads = await read("bootstrap");
  const classify = await read("classify");
  const instances = await read("instances");
  const template = (name: string): string => pythonString(instances.source, name, instances.path);
  return {
    prompts: {
      ...readLeads(leads.source, leads.path),
      classify: `${pythonString(classify.source, "template_1", classify.path)} {instruction}\nIs it classification?`,
      instancesClassification: `${template("output_first_template_for_clf")} {instruction}`,
      instancesGeneration: `${template("input_first_template_for_gen")} {instruction}`,
    },
    origins,
  };
}

/** The lines above the list of instructions: for all tasks, and for classification alone. */
function readLeads(source: string, path: string): Pick<AskedPrompts, "bootstrap" | "bootstrapClassification"> {
  const body = /def encode_prompt\b([\s\S]*?)\n(?=\S)/.exec(source)?.[1];
  const [classification, all] = body?.split(/\n\s*else\s*:/) ?? [];
  if (classification === undefined || all === undefined)
    throw new FailureError(`${path}: holds no function encode_prompt with two forms`);
  return {
    bootstrap: strip(pythonString(all, "prompt", path)),
    bootstrapClassification: strip(pythonString(classification, "prompt", path)),
  };
}
