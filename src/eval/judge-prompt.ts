import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { UsageError } from "../errors.js";
import { sha256 } from "../files/sha256.js";
import type { Message } from "../model/chat-template.js";

const ROLES = ["system", "user", "assistant"] as const;

export interface JudgePrompt {
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
  const file = path ?? fileURLToPath(new URL(`../../prompts/eval/${name}.txt`, import.meta.url));
  if (!existsSync(file)) throw new UsageError(`${file}: no such prompt`);
  return judgePromptOf(readFileSync(file, "utf8").trimEnd(), places, file);
}

/** A judge's prompt from its text. @param file what to call it in messages. */
export function judgePromptOf(template: string, places: readonly string[], file: string): JudgePrompt {
  const absent = places.filter((place) => !template.includes(`{${place}}`));
  if (absent.length > 0) throw new UsageError(`${file}: the prompt lacks {${absent.join("}, {")}}`);
  const pattern = new RegExp(`\\{(${places.join("|")})\\}`, "g");
  // In one pass, so that braces in a request or an answer stay what they are.
  const fillText = (text: string, values: Readonly<Record<string, string>>): string =>
    text.replace(pattern, (_, name) => values[name]!);
  const turns = chatMlTurns(template, file);
  return {
    template,
    sha256: sha256(template),
    fill: (values) => fillText(template, values),
    messages: (values) => turns.map(({ role, content }) => ({ role, content: fillText(content, values).trim() })),
  };
}

/** Turns between `<|im_start|>ROLE` and `<|im_end|>`, found before anything is filled in. */
function chatMlTurns(template: string, file: string): Message[] {
  if (!template.includes("<|im_start|>")) return [{ role: "user", content: template }];
  const turns = [...template.matchAll(/<\|im_start\|>([^\n]*)\n([\s\S]*?)<\|im_end\|>/g)];
  return turns.map(([, name, content]): Message => {
    const role = ROLES.find((each) => each === name!.trim());
    if (!role) throw new UsageError(`${file}: "${name}" is no role; there are ${ROLES.join(", ")}`);
    return { role, content: content! };
  });
}
