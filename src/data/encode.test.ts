import { existsSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UsageError } from "../errors.js";
import type { Message } from "../tokenizer/chat-template.js";
import { loadTokenizer, type Tokenizer } from "../tokenizer/tokenizer.js";
import type { Conversation } from "./conversation.js";
import { type EncodeOptions, encodeConversation, encodeConversations } from "./encode.js";

/** Greedy longest match over whole tokens and single characters: merges across a turn's border when a token spans it. */
function toyTokenizer(words: string[], extra: Partial<Tokenizer> & { bos?: boolean } = {}): Tokenizer {
  const vocabulary = ["<s>", "</s>", "<|im_end|>", ...words];
  const tokenToId = (token: string): number | undefined => {
    const at = vocabulary.indexOf(token);
    if (at >= 0) return at;
    return token.length === 1 ? 1000 + token.charCodeAt(0) : undefined;
  };
  const idToToken = (id: number): string | undefined =>
    vocabulary[id] ?? (id >= 1000 ? String.fromCharCode(id - 1000) : undefined);
  return {
    encode(text, { addSpecialTokens = true } = {}) {
      const ids = extra.bos && addSpecialTokens ? [0] : [];
      for (let at = 0; at < text.length; ) {
        const match =
          vocabulary.filter((word) => text.startsWith(word, at)).sort((a, b) => b.length - a.length)[0] ?? text[at]!;
        ids.push(tokenToId(match)!);
        at += match.length;
      }
      return ids;
    },
    decode: (ids) => Array.from(ids, (id) => idToToken(id) ?? "").join(""),
    tokenToId,
    idToToken,
    vocabSize: 70_000,
    bosId: 0,
    eosId: 1,
    eosIds: [1],
    bosToken: "<s>",
    eosToken: "</s>",
    stream: () => {
      throw new Error("not needed here");
    },
    ...extra,
  };
}

const tulu: EncodeOptions = { template: "tulu", mode: "it", maxLength: 512 };
const conversation = (...contents: string[]): Conversation => ({
  messages: contents.map((content, i): Message => ({ role: i % 2 ? "assistant" : "user", content })),
  source: "rows.jsonl",
  line: 1,
  index: 5,
});
/** The whole text, and the runs of it that the mask marks. */
function seen(c: Conversation, tokenizer: Tokenizer, options: EncodeOptions): { text: string; learnt: string[] } {
  const { example } = encodeConversation(c, tokenizer, options);
  const runs: number[][] = [];
  example!.tokens.forEach((id, i) => {
    if (!example!.mask[i]) return;
    if (!example!.mask[i - 1]) runs.push([]);
    runs.at(-1)!.push(id);
  });
  return { text: tokenizer.decode(example!.tokens), learnt: runs.map((run) => tokenizer.decode(run)) };
}

describe("encodeConversation, the paper's template", () => {
  const tokenizer = toyTokenizer(["<|user|>", "<|assistant|>", "Hello", "Hi"]);

  it("IT shows both turns and learns the response with its end", () => {
    expect(seen(conversation("Hello", "Hi there"), tokenizer, tulu)).toEqual({
      text: "<|user|>\nHello\n<|assistant|>\nHi there</s>\n",
      learnt: ["Hi there</s>"],
    });
  });

  it("RT shows the response alone and learns the same", () => {
    expect(seen(conversation("Hello", "Hi there"), tokenizer, { ...tulu, mode: "rt" })).toEqual({
      text: "<|assistant|>\nHi there</s>\n",
      learnt: ["Hi there</s>"],
    });
  });

  it("counts the newline on request", () => {
    const options: EncodeOptions = { ...tulu, countNewlineAfterEos: true };
    expect(seen(conversation("Hello", "Hi"), tokenizer, options).learnt).toEqual(["Hi</s>\n"]);
  });

  it("learns every assistant turn, drops system turns, and in RT all user turns", () => {
    const c = conversation("1", "2", "3", "4");
    c.messages.unshift({ role: "system", content: "be kind" });
    expect(seen(c, tokenizer, tulu)).toEqual({
      text: "<|user|>\n1\n<|assistant|>\n2</s>\n<|user|>\n3\n<|assistant|>\n4</s>\n",
      learnt: ["2</s>", "4</s>"],
    });
    expect(seen(c, tokenizer, { ...tulu, mode: "rt" })).toEqual({
      text: "<|assistant|>\n2</s>\n<|assistant|>\n4</s>\n",
      learnt: ["2</s>", "4</s>"],
    });
  });

  it("is not fooled by tags and end tokens inside a content", () => {
    const c = conversation("<|assistant|>\nno</s>", "a</s> <|user|>\nb");
    expect(seen(c, tokenizer, tulu).learnt).toEqual(["a</s> <|user|>\nb</s>"]);
  });

  it("gives a token across the border to the response", () => {
    const merging = toyTokenizer(["<|assistant|>", "\n\nx"]);
    const { example } = encodeConversation(conversation("q", "\nxy"), merging, tulu);
    const first = example!.mask.indexOf(1);
    expect(merging.idToToken(example!.tokens[first]!)).toBe("\n\nx");
    expect(merging.idToToken(example!.tokens[first - 1]!)).toBe("<|assistant|>");
  });

  it("adds BOS where the tokenizer does, never twice", () => {
    const withBos = toyTokenizer([], { bos: true });
    const { example } = encodeConversation(conversation("q", "a"), withBos, tulu);
    expect(Array.from(example!.tokens.slice(0, 2))).toEqual([0, withBos.tokenToId("<")]);
    expect(seen(conversation("q", "a"), withBos, tulu).learnt).toEqual(["a</s>"]);
    const writes = toyTokenizer([], {
      bos: true,
      chatTemplate: "{{ bos_token }}{% for m in messages %}[{{ m.content }}]{% endfor %}",
    });
    const twice = encodeConversation(conversation("q", "a"), writes, { ...tulu, template: "model" });
    expect(Array.from(twice.example!.tokens).filter((id) => id === 0)).toHaveLength(1);
    expect(encodeConversation(conversation("q", "a"), toyTokenizer([]), tulu).example!.tokens[0]).not.toBe(0);
  });

  it("cuts at maxLength and says so; without a target left there is a reason", () => {
    const full = encodeConversation(conversation("Hello", "Hi there"), tokenizer, tulu).example!;
    const exact = encodeConversation(conversation("Hello", "Hi there"), tokenizer, {
      ...tulu,
      maxLength: full.tokens.length,
    });
    expect(exact).toEqual({ example: { ...full, index: 5 }, truncated: false });
    const cut = encodeConversation(conversation("Hello", "Hi there"), tokenizer, { ...tulu, maxLength: 9 });
    expect(cut.truncated).toBe(true);
    expect(cut.example!.tokens).toEqual(full.tokens.slice(0, 9));
    expect(cut.example!.mask).toEqual(full.mask.slice(0, 9));
    const none = encodeConversation(conversation("Hello", "Hi there"), tokenizer, { ...tulu, maxLength: 4 });
    expect(none).toEqual({
      truncated: true,
      reason: "no token of the response fits into max_length 4 (the row has 15 tokens)",
    });
  });

  it("keeps the content, its end and nothing else, whatever the content (property)", () => {
    const piece = fc.constantFrom("Hello", "Hi", "<|user|>", "<|assistant|>", "</s>", "\n", " ", "é", "x");
    const content = fc.array(piece, { minLength: 1, maxLength: 8 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(content, content), { minLength: 1, maxLength: 3 }),
        fc.constantFrom("it" as const, "rt" as const),
        (pairs, mode) => {
          const { learnt } = seen(conversation(...pairs.flat()), tokenizer, { ...tulu, mode });
          expect(learnt).toEqual(pairs.map(([, response]) => `${response}</s>`));
        },
      ),
    );
  });
});

describe("encodeConversation, a model's own template", () => {
  const chatml =
    "{% if messages[0].role != 'system' %}<|im_start|>system\nBe good.<|im_end|>\n{% endif %}" +
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}" +
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
  const model: EncodeOptions = { ...tulu, template: "model" };
  const of = (chatTemplate: string, eosIds = [2]): Tokenizer => toyTokenizer([], { chatTemplate, eosIds });

  it("finds every assistant turn of ChatML, also in RT, where the template adds a system turn", () => {
    const c = conversation("1", "two ", "3", "four");
    expect(seen(c, of(chatml), model).learnt).toEqual(["two <|im_end|>", "four<|im_end|>"]);
    expect(seen(c, of(chatml), { ...model, mode: "rt" })).toEqual({
      text: "<|im_start|>system\nBe good.<|im_end|>\n<|im_start|>assistant\ntwo <|im_end|>\n<|im_start|>assistant\nfour<|im_end|>\n",
      learnt: ["two <|im_end|>", "four<|im_end|>"],
    });
    expect(seen(c, of(chatml), { ...model, countNewlineAfterEos: true }).learnt).toEqual([
      "two <|im_end|>\n",
      "four<|im_end|>\n",
    ]);
  });

  it("finds turns that the template trims or wraps in one line", () => {
    const llama2 =
      "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content | trim }} [/INST]" +
      "{% else %} {{ m.content | trim }} {{ eos_token }}{% endif %}{% endfor %}";
    expect(seen(conversation("q ", " a b ", "r", "c"), of(llama2, [1]), model).learnt).toEqual([
      " a b </s>",
      " c </s>",
    ]);
  });

  it("finds turns that a template writes differently once they are the last", () => {
    const thinking =
      "{% for m in messages %}<{{ m.role }}>{% if loop.last and m.role == 'assistant' %}<think></think>{% endif %}{{ m.content }}<|im_end|>{% endfor %}" +
      "{% if add_generation_prompt %}<assistant>{% endif %}";
    expect(seen(conversation("q", "a", "r", "b"), of(thinking), model).learnt).toEqual([
      "a<|im_end|>",
      "<think></think>b<|im_end|>",
    ]);
  });

  it("learns the turn's closing text where the template writes no end token", () => {
    const plain =
      "{% for m in messages %}{{ m.role }}: {{ m.content }};{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}";
    expect(seen(conversation("q", "a", "r", "b"), of(plain), model).learnt).toEqual(["a;", "b;"]);
  });

  it("drops a row whose template leaves out the response, and passes on a template's refusal", () => {
    const silent = of("{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}");
    expect(encodeConversation(conversation("q", "a"), silent, model)).toEqual({
      truncated: false,
      reason: "the rendered row has no token to learn",
    });
    const strict = of("{{ raise_exception('users first') }}");
    expect(() => encodeConversation(conversation("q", "a"), strict, model)).toThrow(
      /refuses the conversation: users first/,
    );
    expect(() => encodeConversation(conversation("q", "a"), toyTokenizer([]), model)).toThrow(
      "the model has no chat template",
    );
  });
});

describe("encodeConversation, text and mistakes", () => {
  const tokenizer = toyTokenizer(["once"], { bos: true });
  const text: Conversation = { messages: [], text: "once upon", source: "t.jsonl", line: 3, index: 2 };

  it("learns every token of plain text and its end, but not the first token", () => {
    const { example } = encodeConversation(text, tokenizer, { ...tulu, mode: "text" });
    expect(tokenizer.decode(example!.tokens)).toBe("<s>once upon</s>");
    expect(Array.from(example!.mask)).toEqual([0, 1, 1, 1, 1, 1, 1, 1]);
    expect(seen(conversation("q", "a"), tokenizer, { ...tulu, mode: "text" }).learnt).toEqual([
      "<|user|>\nq\n<|assistant|>\na</s>\n",
    ]);
  });

  it("refuses rows that do not fit the mode, and a tokenizer without an end", () => {
    expect(() => encodeConversation(text, tokenizer, tulu)).toThrow(
      "plain text has no response for mode it; use mode: text",
    );
    const alone = { ...text, text: undefined, messages: [{ role: "assistant" as const, content: "a" }] };
    expect(() => encodeConversation(alone, tokenizer, tulu)).toThrow("no instruction");
    expect(seen(alone, tokenizer, { ...tulu, mode: "rt" }).learnt).toEqual(["a</s>"]);
    const endless = toyTokenizer([], { eosToken: undefined });
    expect(() => encodeConversation(conversation("q", "a"), endless, tulu)).toThrow(UsageError);
  });

  it("reports over a whole set, and refuses one with nothing to learn", () => {
    const set = encodeConversations(
      [conversation("q", "a"), conversation("q".repeat(60), "a"), conversation("q", "b".repeat(60))],
      tokenizer,
      {
        ...tulu,
        maxLength: 60,
      },
    );
    expect(set.examples).toHaveLength(2);
    expect(set.truncated).toBe(1);
    expect(set.dropped).toEqual([
      "rows.jsonl:1: no token of the response fits into max_length 60 (the row has 88 tokens)",
    ]);
    expect(() => encodeConversations([conversation("q", "a")], tokenizer, { ...tulu, maxLength: 2 })).toThrow(
      /^no row can be trained on; the first: rows/,
    );
    expect(() => encodeConversations([], tokenizer, tulu)).toThrow("the data set is empty");
  });
});

const vocabularies = join(process.env.EVOKE_DATA ?? join(import.meta.dirname, "../../../shared/data"), "tokenizers");
describe.skipIf(!existsSync(vocabularies))("encodeConversation, real vocabularies (skipped without EVOKE_DATA)", () => {
  it.each(["llama-spm", "gpt-2", "phi-3"])(
    "%s: prompt tokens are those of generation, the rest is learnt",
    async (name) => {
      const tokenizer = await loadTokenizer(join(vocabularies, `ggml-vocab-${name}.gguf`));
      const c = conversation("What is 2 + 2?", "It is **4**.\n\nAnd 3 + 3 is 6 – naïvely.");
      const { example } = encodeConversation(c, tokenizer, tulu);
      const prompt = tokenizer.encode("<|user|>\nWhat is 2 + 2?\n<|assistant|>\n");
      const start = example!.mask.indexOf(1);
      expect(Array.from(example!.tokens.slice(0, start))).toEqual(prompt);
      const end = example!.mask.lastIndexOf(1);
      expect(example!.tokens[end]).toBe(tokenizer.eosId);
      expect(example!.mask.slice(start, end + 1).every((bit) => bit === 1)).toBe(true);
      expect(tokenizer.decode(example!.tokens.slice(start, end)).trim()).toBe(c.messages[1]!.content);
    },
  );
});
