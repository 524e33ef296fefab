import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ownOrigin, type PromptOrigin } from "../data/prompt-origin.js";
import { UsageError } from "../errors.js";
import { sha256 } from "../files/sha256.js";
import { promptTurns } from "../llm/prompt-turns.js";
import type { Message } from "../tokenizer/chat-template.js";

export interface JudgePrompt {
  origin: PromptOrigin;
  template: string;
  sha256: string;
  /** The prompt with every `{place}` filled in. */
  fill(values: Readonly<Record<string, string>>): string;
  /** The same as a conversation: one turn of the user, or the turns that the template marks as ChatML does. */
  messages(values: Readonly<Record<string, string>>): Message[];
}

/**
 * A judge's prompt: one of the package's own by name, or a user's file.
 *
 * @param places names that must stand in braces in it.
 * @throws UsageError when the file or a place is missing.
 */
export function loadJudgePrompt(name: string, places: readonly string[], path?: string): JudgePrompt {
  const file = path ?? builtInJudgePrompt(name);
  if (!existsSync(file)) throw new UsageError(`${file}: no such prompt`);
  const template = readFileSync(file, "utf8").trimEnd();
  return judgePromptOf(template, places, { path: file, origin: ownOrigin("judge", template, path) });
}

/** Where one of the package's own prompts is. */
export const builtInJudgePrompt = (name: string): string =>
  fileURLToPath(new URL(`../../prompts/eval/${name}.txt`, import.meta.url));

interface JudgePromptSource {
  /** What to call it in messages. */
  path: string;
  origin: PromptOrigin;
  /** A turn before its own. */
  system?: string;
}

/** A judge's prompt from its text. @throws UsageError when a place is missing in it. */
export function judgePromptOf(
  template: string,
  places: readonly string[],
  { path, origin, system }: JudgePromptSource,
): JudgePrompt {
  const absent = places.filter((place) => !template.includes(`{${place}}`));
  if (absent.length > 0) throw new UsageError(`${path}: the prompt lacks {${absent.join("}, {")}}`);
  const pattern = new RegExp(`\\{(${places.join("|")})\\}`, "g");
  // In one pass, so that braces in a request or an answer stay what they are.
  const fillText = (text: string, values: Readonly<Record<string, string>>): string =>
    text.replace(pattern, (_, name) => values[name]!);
  const turns = promptTurns(template, path);
  const before: Message[] = system === undefined ? [] : [{ role: "system", content: system }];
  return {
    origin,
    template,
    sha256: sha256(system === undefined ? template : `${system}\n${template}`),
    fill: (values) => fillText(template, values),
    messages: (values) => [
      ...before,
      ...turns.map(({ role, content }) => ({ role, content: fillText(content, values).trim() })),
    ],
  };
}
