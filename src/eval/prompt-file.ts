import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ownOrigin, type PromptOrigin } from "../data/prompt-origin.js";
import { UsageError } from "../errors.js";
import { sha256 } from "../files/sha256.js";

/** An in-context prompt: demonstrations and a place for the instruction, continued by a base model. */
export interface PromptFile {
  name: string;
  origin: PromptOrigin;
  template: string;
  sha256: string;
}

/** Prompts that come with the package: demonstrations of questions and answers, of answers alone, and none. */
export const BUILT_IN_PROMPTS = ["urial", "urial_r", "0shot"] as const;

/** A model goes on with the next demonstration after its answer; these mark where one begins. */
export const PROMPT_STOPS = ["# Query:", "# Answer:", "# Instruction"];

const PLACE = "{instruction}";

/**
 * A built-in prompt by name, or a file with `{instruction}` in it.
 *
 * @throws UsageError when there is no such file or the place for the instruction is missing.
 */
export function loadPromptFile(nameOrPath: string): PromptFile {
  const path = promptPath(nameOrPath);
  if (!existsSync(path))
    throw new UsageError(`${nameOrPath}: no such prompt; expected ${BUILT_IN_PROMPTS.join(", ")} or a file`);
  const text = readFileSync(path, "utf8");
  const origin = ownOrigin("in-context", text, isBuiltIn(nameOrPath) ? undefined : path);
  return promptFileOf(nameOrPath, text, { path, origin });
}

/** Where a prompt is: one of the package's own by name, or the path as given. */
export function promptPath(nameOrPath: string): string {
  return isBuiltIn(nameOrPath)
    ? fileURLToPath(new URL(`../../prompts/icl/${nameOrPath}.txt`, import.meta.url))
    : nameOrPath;
}

const isBuiltIn = (name: string): boolean => (BUILT_IN_PROMPTS as readonly string[]).includes(name);

/** A prompt from its text. @param path what to call it in messages. @throws UsageError without a place for the instruction. */
export function promptFileOf(
  name: string,
  template: string,
  { path, origin }: { path: string; origin: PromptOrigin },
): PromptFile {
  if (!template.includes(PLACE)) throw new UsageError(`${path}: holds no ${PLACE}, where the instruction goes`);
  return { name, origin, template, sha256: sha256(template) };
}

/** The prompt for one instruction. */
export function fillPrompt({ template }: PromptFile, instruction: string): string {
  return template.split(PLACE).join(instruction);
}

/** The answer without the fence that ends it in the demonstrations. */
export function trimAnswer(text: string): string {
  return text.trim().replace(/`+$/, "").trim();
}
