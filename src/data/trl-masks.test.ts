/** Tokens and masks against TRL's SFTTrainer and its collator (tools/golden/trl_masks.py). */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import type { Message } from "../model/chat-template.js";
import { loadTokenizer } from "../model/tokenizer.js";
import { encodeConversation } from "./encode.js";

interface Expected {
  ids: number[];
  mask: string;
  maskWithNewline: string;
}

const fixtures = fileURLToPath(new URL("./fixtures/", import.meta.url));
const { rows } = JSON.parse(readFileSync(`${fixtures}trl-masks.json`, "utf8")) as {
  rows: ({ messages: Message[] } & Record<"it" | "rt", Expected>)[];
};

it("encodes every row as TRL does, token by token", async () => {
  const tokenizer = await loadTokenizer(`${fixtures}tiny-tokenizer`);
  expect(rows).toHaveLength(50);
  for (const [index, row] of rows.entries())
    for (const mode of ["it", "rt"] as const)
      for (const countNewlineAfterEos of [false, true]) {
        const conversation = { messages: row.messages, source: "trl-masks.json", line: index + 1, index };
        const options = { template: "tulu", mode, maxLength: 4096, countNewlineAfterEos } as const;
        const { example } = encodeConversation(conversation, tokenizer, options);
        const expected = row[mode];
        expect([...example!.tokens]).toEqual(expected.ids);
        expect(example!.mask.join("")).toBe(countNewlineAfterEos ? expected.maskWithNewline : expected.mask);
      }
});
