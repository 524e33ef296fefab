/** Every field of a row that says what is to be learnt, or what a template is to be told: honoured, or refused by name. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { parseRecipe } from "../recipe/load.js";
import { loadTokenizer, type Tokenizer } from "../tokenizer/tokenizer.js";
import { type Conversation, loadConversations } from "./conversation.js";
import { type EncodeOptions, encodeConversation, encodeConversations } from "./encode.js";
import { loadTrainingExamples } from "./training-examples.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-row-fields-"));
afterAll(() => rmSync(folder, { recursive: true }));
const tiny = await loadTokenizer(fileURLToPath(new URL("./fixtures/tiny-tokenizer", import.meta.url)));

/** The same tokenizer but for some properties. */
function like(base: Tokenizer, changes: Partial<Tokenizer>): Tokenizer {
  return {
    ...base,
    encode: (text, options) => base.encode(text, options),
    decode: (ids, options) => base.decode(ids, options),
    tokenToId: (token) => base.tokenToId(token),
    idToToken: (id) => base.idToToken(id),
    isAdded: (id) => base.isAdded!(id),
    stream: (options) => base.stream(options),
    ...changes,
  };
}

const chatml = like(tiny, {
  chatTemplate:
    "{% for t in tools or [] %}({{ t.name }}){% endfor %}{% for m in messages %}<{{ m.role }}>{% if m.reasoning_content %}~{{ m.reasoning_content }}~{% endif %}" +
    "{{ m.content }}{% for c in m.tool_calls %}!{{ c.name }}{% endfor %}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}",
});
const model: EncodeOptions = { template: "model", mode: "it", maxLength: 500 };

function file(name: string, rows: readonly unknown[]): string {
  writeFileSync(join(folder, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return join(folder, name);
}
async function read(row: object): Promise<Conversation> {
  return (await loadConversations(file("row.jsonl", [row])))[0]!;
}
async function complaint(row: object): Promise<string> {
  return read(row).then(
    () => "",
    (error: Error) => error.message,
  );
}
/** What is shown, and which parts of it are learnt. */
async function learnt(row: object, options = model): Promise<{ text: string; parts: string[] }> {
  const { example } = encodeConversation(await read(row), chatml, options);
  const tokens = Array.from(example!.tokens);
  const parts: number[][] = [];
  for (const [i, id] of tokens.entries()) {
    if (!example!.mask[i]) continue;
    if (!example!.mask[i - 1]) parts.push([]);
    parts.at(-1)!.push(id);
  }
  return { text: chatml.decode(tokens), parts: parts.map((ids) => chatml.decode(ids)) };
}
const u = (content: unknown, more = {}) => ({ role: "user", content, ...more });
const a = (content: unknown, more = {}) => ({ role: "assistant", content, ...more });

describe("what is learnt", () => {
  it.each([
    ["weight", 0, 1],
    ["train", false, true],
    ["loss", false, true],
  ])("%s of a turn", async (field, no, yes) => {
    const row = { messages: [u("2+2?"), a("Five.", { [field]: no }), u("Wrong."), a("Four.", { [field]: yes })] };
    expect((await learnt(row)).parts).toEqual(["Four.</s>"]);
    const shown = {
      conversations: row.messages.map(({ role, content, ...rest }) => ({ from: role, value: content, ...rest })),
    };
    expect((await learnt(shown)).parts).toEqual(["Four.</s>"]);
    expect(await complaint({ messages: [u("q"), a("a", { [field]: 0.5 })] })).toContain(`turn 2: "${field}" is 0.5`);
    expect(await complaint({ messages: [u("q"), a("a", { [field]: no })] })).toContain(
      "every assistant turn has weight 0",
    );
  });

  it("marks of a template leave out turns of weight 0, too", async () => {
    const marked = like(chatml, {
      chatTemplate:
        "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{{ eos_token }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}",
    });
    const { example } = encodeConversation(
      await read({ messages: [u("q"), a("no", { weight: 0 }), u("r"), a("yes")] }),
      marked,
      model,
    );
    expect(tiny.decode(Array.from(example!.tokens).filter((_, i) => example!.mask[i]))).toBe("yes</s>");
  });

  it("TRL's conversational prompt and completion: the completion's turns", async () => {
    const row = { prompt: [u("q"), a("shown"), u("r")], completion: [a("learnt")] };
    expect(await learnt(row)).toEqual({
      text: "<user>q</s><assistant>shown</s><user>r</s><assistant>learnt</s>",
      parts: ["learnt</s>"],
    });
    expect(await complaint({ prompt: "q", completion: [a("b")] })).toContain('"prompt" is not a list of turns');
  });

  it("Alpaca's history, which is learnt, and its system prompt", async () => {
    const row = { instruction: "q", output: "b", history: [["p", "a"]], system: "S" };
    expect(await learnt(row)).toEqual({
      text: "<system>S</s><user>p</s><assistant>a</s><user>q</s><assistant>b</s>",
      parts: ["a</s>", "b</s>"],
    });
    expect(await complaint({ instruction: "q", output: "b", history: ["x"] })).toContain(
      "history: entry 1 is not a pair",
    );
  });
});

describe("what a template is told", () => {
  it("a system prompt beside the turns", async () => {
    const row = {
      system: "Answer in French.",
      conversations: [
        { from: "human", value: "Hi." },
        { from: "gpt", value: "Bonjour." },
      ],
    };
    expect((await learnt(row)).text).toBe("<system>Answer in French.</s><user>Hi.</s><assistant>Bonjour.</s>");
    expect(await complaint({ system: "a", messages: [{ role: "system", content: "b" }, u("q"), a("a")] })).toContain(
      'a field "system" and a system turn',
    );
    expect(await complaint({ system: 7, messages: [u("q"), a("a")] })).toContain('field "system" is not text');
  });

  it("content in parts, roles, thoughts, tools and calls of them", async () => {
    const parts = [
      { type: "text", text: "Hi" },
      { type: "text", text: "!" },
    ];
    expect((await learnt({ messages: [u(parts), a([{ type: "text", text: "Yo" }])] })).text).toBe(
      "<user>Hi!</s><assistant>Yo</s>",
    );
    const row = {
      tools: '[{"name": "add"}]',
      messages: [
        u("q"),
        a(null, { tool_calls: [{ name: "add" }] }),
        { role: "tool", content: "4" },
        a("Four", { reasoning_content: "so" }),
      ],
    };
    expect(await learnt(row)).toEqual({
      text: "(add)<user>q</s><assistant>!add</s><tool>4</s><assistant>~so~Four</s>",
      parts: ["!add</s>", "~so~Four</s>"],
    });
    expect(await complaint({ messages: [u([{ type: "image_url" }]), a("b")] })).toContain('part of type "image_url"');
    expect(await complaint({ messages: [u("q"), a("b", { function_call: {} })] })).toContain(
      '"function_call" cannot be honoured',
    );
    expect(await complaint({ functions: [{}], messages: [u("q"), a("b")] })).toContain(
      '"functions" cannot be honoured',
    );
  });

  it("the paper's tags have no place for some, and say so", async () => {
    const tulu: EncodeOptions = { ...model, template: "tulu" };
    const wrong = async (row: object): Promise<() => unknown> => {
      const conversation = await read(row);
      return () => encodeConversations([conversation], tiny, tulu);
    };
    const call = [u("q"), a("", { tool_calls: [{}] })];
    expect(await wrong({ messages: call })).toThrow('row.jsonl:1: template tulu does not write "tool_calls"');
    expect(await wrong({ tools: [{}], messages: [u("q"), a("a")] })).toThrow('template tulu does not write "tools"');
    expect(await wrong({ messages: [u("q"), { role: "tool", content: "x" }, a("a")] })).toThrow(
      "template tulu has no tool turns",
    );
  });
});

describe("rows that cannot be used", () => {
  const strict =
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system turn') }}{% endif %}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}";
  const rows = [
    { messages: [u("q"), a("a")] },
    { messages: [{ role: "system", content: "S" }, u("q"), a("a")] },
    { messages: [a("alone")] },
    { nothing: 1 },
    { messages: [u("q"), a("<pad>")] },
    { messages: [u("word ".repeat(90)), a("a")] },
  ];
  const tokenizer = like(tiny, { chatTemplate: strict });
  const recipeOf = (skip_invalid: boolean, validation?: string, path = file("rows.jsonl", rows)) =>
    parseRecipe({
      model: "m",
      template: "model",
      mode: "it",
      max_length: 40,
      data: { path, skip_invalid, validation },
    });

  it("are skipped with file, line and reason, whatever is wrong with them, in training and validation", async () => {
    const said: string[] = [];
    const held = file("held.jsonl", rows);
    const loaded = await loadTrainingExamples(recipeOf(true, held), tokenizer, (line) => said.push(line));
    expect(loaded).toMatchObject({ dropped: 4, validationDropped: 4, truncated: 0, validationTruncated: 0 });
    expect(loaded.train).toHaveLength(2);
    expect(loaded.validation).toHaveLength(2);
    const reasons = [
      /:4: cannot tell the row format|:4: no list/,
      /:2: .*no system turn/,
      /:3: no instruction/,
      /:6: no token of the response/,
    ];
    for (const [i, reason] of reasons.entries()) {
      expect(loaded.skipped[i]).toMatch(reason);
      expect(loaded.skipped[4 + i]).toMatch(/held\.jsonl:/);
    }
    expect(said).toEqual([
      expect.stringMatching(/^4 rows were left out; the first: .*rows\.jsonl:4: /),
      expect.stringMatching(/^4 validation rows were left out; the first: .*held\.jsonl:4: /),
    ]);
  });

  it("end the run otherwise, named as well", async () => {
    const path = file("strict.jsonl", rows.slice(0, 2));
    await expect(loadTrainingExamples(recipeOf(false, undefined, path), tokenizer, () => {})).rejects.toThrow(
      /strict\.jsonl:2: the model's chat template refuses the conversation: no system turn; correct the row or set data\.skip_invalid: true$/,
    );
    const good = file("good.jsonl", rows.slice(0, 1));
    const long = file("long.jsonl", rows.slice(5));
    await expect(loadTrainingExamples(recipeOf(false, long, good), tokenizer, () => {})).rejects.toThrow(
      /^data\.validation: no row can be trained on; the first: .*long\.jsonl:1/,
    );
  });

  it("have a token beyond the model's embedding", async () => {
    const path = file("note.jsonl", [rows[0], rows[4]]);
    const pad = tiny.padId!;
    expect(pad).toBe(0);
    const beyond = like(tokenizer, {
      encode: (text: string) => tokenizer.encode(text).map((id) => (id === pad ? 640 : id)),
      idToToken: (id: number) => (id === 640 ? "<note>" : tokenizer.idToToken(id)),
    });
    await expect(loadTrainingExamples(recipeOf(false, undefined, path), beyond, () => {}, 640)).rejects.toThrow(
      /note\.jsonl:2: the token "<note>" has id 640, and the model's embedding ends with id 639/,
    );
  });
});
