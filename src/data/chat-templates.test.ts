/** Real templates' shapes against transformers' apply_chat_template, and TRL's assistant masks (tools/golden/chat_templates.py). */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { encodeMessages, encodePrompt } from "../generate/prompt.js";
import type { Message, Role } from "../tokenizer/message.js";
import { stopTokens, turnEnds } from "../tokenizer/special-tokens.js";
import { loadTokenizer, type Tokenizer } from "../tokenizer/tokenizer.js";
import { encodeConversation } from "./encode.js";

interface Golden {
  time: string;
  special: string[];
  plain: string[];
  conversations: { messages: (Record<string, unknown> & { role: Role; content: string })[]; tools?: unknown[] }[];
  templates: Record<
    string,
    {
      bos: string | null;
      eos: string;
      answers: ({ ids: number[]; mask: [number, number][]; prompt?: number[] } | null)[];
    }
  >;
}

const fixtures = fileURLToPath(new URL("./fixtures/", import.meta.url));
const golden = JSON.parse(readFileSync(`${fixtures}chat-templates.json`, "utf8")) as Golden;
const tiny = JSON.parse(readFileSync(`${fixtures}tiny-tokenizer/tokenizer.json`, "utf8"));
const folder = mkdtempSync(join(tmpdir(), "evoke-templates-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const kinds = [false, true].flatMap((addsBos) => [false, true].map((appendsEos) => ({ addsBos, appendsEos })));

/** The tiny tokenizer with the golden's added tokens, and one template. */
async function tokenizerOf(name: string, kind: { addsBos: boolean; appendsEos: boolean }): Promise<Tokenizer> {
  const { bos, eos } = golden.templates[name]!;
  const path = join(folder, `${name}-${kind.addsBos}-${kind.appendsEos}`);
  mkdirSync(path, { recursive: true });
  const first = Object.keys(tiny.model.vocab).length;
  const names = [...golden.special, ...golden.plain];
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  const added = names.map((content, i) => ({ id: first + i, content, special: i < golden.special.length, ...flags }));
  const special = (token: string | null, on: boolean): object[] =>
    on && token ? [{ SpecialToken: { id: token, type_id: 0 } }] : [];
  const single = [
    ...special(bos, kind.addsBos),
    { Sequence: { id: "A", type_id: 0 } },
    ...special(eos, kind.appendsEos),
  ];
  const ids = new Map<string, number>([
    ...Object.entries(tiny.model.vocab as Record<string, number>),
    ...added.map(({ content, id }) => [content, id] as const),
  ]);
  const special_tokens = Object.fromEntries(
    [bos, eos].flatMap((token) => (token ? [[token, { id: token, ids: [ids.get(token)], tokens: [token] }]] : [])),
  );
  const post_processor = { type: "TemplateProcessing", single, pair: single, special_tokens };
  const tokenizer = { ...tiny, added_tokens: [...tiny.added_tokens, ...added], post_processor };
  const template = readFileSync(`${fixtures}templates/${name}.jinja`, "utf8");
  writeFileSync(join(path, "config.json"), "{}");
  writeFileSync(join(path, "tokenizer.json"), JSON.stringify(tokenizer));
  writeFileSync(
    join(path, "tokenizer_config.json"),
    JSON.stringify({
      ...(bos ? { bos_token: bos } : {}),
      eos_token: eos,
      chat_template: name === "generation" ? template : template.replace(/\{% (end)?generation %\}/g, ""),
    }),
  );
  return loadTokenizer(path, { templateTime: golden.time });
}

function turnsOf(messages: Golden["conversations"][number]["messages"]): Message[] {
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
      const prompt = encodeMessages(tokenizer, turnsOf(messages.slice(0, -1)), "model", { tools });
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
    expect(encodePrompt(tokenizer, "Hi")).toEqual([...before, ...plain]);
    expect(encodePrompt(tokenizer, "<s>Hi")).toEqual([tokenizer.bosId, ...plain]);
    const messages: Message[] = [
      { role: "user", content: "Hi" },
      { role: "assistant", content: "Yo" },
    ];
    const { tokens } = encodeMessages(tokenizer, messages.slice(0, 1), "tulu");
    const row = { messages, source: "rows", line: 1, index: 0 };
    const { example } = encodeConversation(row, tokenizer, { template: "tulu", mode: "it", maxLength: 99 });
    expect([...example!.tokens.slice(0, tokens.length)]).toEqual(tokens);
    const text = { messages: [], text: "Hi", source: "rows", line: 1, index: 0 };
    const read = encodeConversation(text, tokenizer, { template: "model", mode: "text", maxLength: 99 });
    expect([...read.example!.tokens]).toEqual([...before, ...plain, tokenizer.eosId]);
  },
);
