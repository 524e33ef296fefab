/** Real templates' shapes against transformers' apply_chat_template, and TRL's assistant masks (tools/golden/chat_templates.py). */
import { describe, expect, it } from "vitest";
import { golden, tokenizerOf } from "../../tests/support/golden-templates.js";
import { encodeMessages, encodePrompt } from "../generate/prompt.js";
import type { Message } from "../tokenizer/message.js";
import { stopTokens, turnEnds } from "../tokenizer/special-tokens.js";
import { encodeConversation } from "./encode.js";

const kinds = [false, true].flatMap((addsBos) => [false, true].map((appendsEos) => ({ addsBos, appendsEos })));

function turnsOf(messages: (typeof golden)["conversations"][number]["messages"]): Message[] {
  return messages.map(({ role, content, ...fields }) => ({ role, content, fields }));
}

describe.each(Object.keys(golden.templates))("the template of %s", (name) => {
  it.each(kinds)("gives the ids and the masks of the reference (%o)", async (kind) => {
    const tokenizer = await tokenizerOf(name, kind);
    for (const [i, answer] of golden.templates[name]!.answers.entries()) {
      const { messages, tools } = golden.conversations[i]!;
      const conversation = { messages: turnsOf(messages), tools, source: "rows", line: i + 1, index: i };
      const mode = messages[0]!.role === "assistant" ? "rt" : "it";
      const encode = () => encodeConversation(conversation, tokenizer, { template: "model", mode, maxLength: 4096 });
      if (answer === null) {
        expect(encode, `row ${i}`).toThrow();
        continue;
      }
      const { example } = encode();
      expect({ i, ids: [...example!.tokens] }).toEqual({ i, ids: answer.ids });
      const spans = [...example!.mask.join("").matchAll(/1+/g)].map((m) => [m.index, m.index + m[0].length]);
      expect({ i, spans }).toEqual({ i, spans: answer.mask });
      if (!answer.prompt) continue;
      const prompt = await encodeMessages(tokenizer, turnsOf(messages.slice(0, -1)), "model", { tools });
      expect({ i, prompt: prompt.tokens }).toEqual({ i, prompt: answer.prompt });
    }
  });

  it("ends each turn with a token that stops generation", async () => {
    const tokenizer = await tokenizerOf(name, { addsBos: false, appendsEos: false });
    const expected: Record<string, string> = {
      "llama-3.2": "<|eot_id|>",
      "gemma-3": "<end_of_turn>",
      "phi-4": "<|im_end|>",
      chatml: "<|im_end|>",
    };
    const end = expected[name] ?? golden.templates[name]!.eos;
    expect(turnEnds(tokenizer, "model").map(({ text }) => text)).toEqual([end]);
    expect(stopTokens(tokenizer, "model")).toEqual([...new Set([tokenizer.eosId, tokenizer.tokenToId(end)])]);
    const last = golden.templates[name]!.answers.find((answer) => answer !== null)!;
    const stop = last.ids[last.mask.at(-1)![1] - 1];
    expect(stopTokens(tokenizer, "model")).toContain(stop);
  });
});

it.each(kinds)(
  "what stands before a plain text is the same in training and generation, and nothing behind it (%o)",
  async (kind) => {
    const tokenizer = await tokenizerOf("zephyr", kind);
    const before = kind.addsBos ? [tokenizer.bosId] : [];
    const plain = tokenizer.encode("Hi", { addSpecialTokens: false });
    expect(await encodePrompt(tokenizer, "Hi")).toEqual([...before, ...plain]);
    expect(await encodePrompt(tokenizer, "<s>Hi")).toEqual([tokenizer.bosId, ...plain]);
    const messages: Message[] = [
      { role: "user", content: "Hi" },
      { role: "assistant", content: "Yo" },
    ];
    const { tokens } = await encodeMessages(tokenizer, messages.slice(0, 1), "tulu");
    const row = { messages, source: "rows", line: 1, index: 0 };
    const { example } = encodeConversation(row, tokenizer, { template: "tulu", mode: "it", maxLength: 99 });
    expect([...example!.tokens.slice(0, tokens.length)]).toEqual(tokens);
    const text = { messages: [], text: "Hi", source: "rows", line: 1, index: 0 };
    const read = encodeConversation(text, tokenizer, { template: "model", mode: "text", maxLength: 99 });
    expect([...read.example!.tokens]).toEqual([...before, ...plain, tokenizer.eosId]);
  },
);
