import { UsageError } from "../errors.js";
import type { Message } from "../tokenizer/chat-template.js";

const ROLES = ["system", "user", "assistant"] as const;

/**
 * A prompt file as a conversation: one turn of the user, or the turns that it marks as ChatML does, between
 * `<|im_start|>ROLE` and `<|im_end|>`. To be called before anything is filled in.
 *
 * @param file what to call it in messages.
 */
export function promptTurns(template: string, file: string): Message[] {
  if (!template.includes("<|im_start|>")) return [{ role: "user", content: template }];
  const turn = /<\|im_start\|>([^\n]*)\n([\s\S]*?)<\|im_end\|>/g;
  const turns = [...template.matchAll(turn)];
  const rest = template.replace(turn, "").trim();
  if (rest !== "")
    throw new UsageError(
      `${file}: ${JSON.stringify(rest.slice(0, 40))} stands outside of a turn; end turns with <|im_end|>`,
    );
  return turns.map(([, name, content]): Message => {
    const role = ROLES.find((each) => each === name!.trim());
    if (!role) throw new UsageError(`${file}: "${name}" is no role; there are ${ROLES.join(", ")}`);
    return { role, content: content! };
  });
}
