/** Tokens and masks against TRL's SFTTrainer and its collator (tools/golden/trl_masks.py). */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import type { Message } from "../tokenizer/chat-template.js";
import { loadTokenizer } from "../tokenizer/tokenizer.js";
import { encodeConversation } from "./encode.js";

/** Ids as base64 of 16-bit numbers; the ranges of the mask's ones, without and with the newline behind the end token. */
type Expected = [ids: string, mask: string, maskWithNewline: string];
type Row = [messages: ["s" | "u" | "a", string][], it: Expected, rt: Expected];

const fixtures = fileURLToPath(new URL("./fixtures/", import.meta.url));
const { rows } = JSON.parse(readFileSync(`${fixtures}trl-masks.json`, "utf8")) as { rows: Row[] };
const ROLES = { s: "system", u: "user", a: "assistant" } as const;

function unpack(text: string): number[] {
  const bytes = Buffer.from(text, "base64");
  return Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readUInt16LE(2 * i));
}

/** The ranges of a mask's ones, as the fixture writes them. */
function spans(mask: Uint8Array): string {
  return [...mask.join("").matchAll(/1+/g)].map(({ index, 0: ones }) => `${index}-${index + ones.length}`).join(" ");
}

it.each(["it", "rt"] as const)("encodes 200 rows for %s as TRL does, token by token", async (mode) => {
  const tokenizer = await loadTokenizer(`${fixtures}tiny-tokenizer`);
  expect(rows).toHaveLength(200);
  for (const [index, [turns, instruction, response]] of rows.entries()) {
    const messages = turns.map(([role, content]): Message => ({ role: ROLES[role], content }));
    const [ids, mask, maskWithNewline] = mode === "it" ? instruction : response;
    for (const countNewlineAfterEos of [false, true]) {
      const conversation = { messages, source: "trl-masks.json", line: index + 1, index };
      const options = { template: "tulu", mode, maxLength: 4096, countNewlineAfterEos } as const;
      const { example } = encodeConversation(conversation, tokenizer, options);
      expect({ index, ids: [...example!.tokens] }).toEqual({ index, ids: unpack(ids) });
      expect({ index, mask: spans(example!.mask) }).toEqual({
        index,
        mask: countNewlineAfterEos ? maskWithNewline : mask,
      });
    }
  }
});
