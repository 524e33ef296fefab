/** One conversation's ids in training, generation, serving and both kinds of scoring, for every kind of tokenizer and template. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixtureModel } from "../../tests/support/fixture-model.js";
import { encodeConversation } from "../data/encode.js";
import type { Generator } from "../generate/generator.js";
import { encodeMessages } from "../generate/prompt.js";
import { encodePair } from "../generate/score-tokens.js";
import { EmbeddedModel } from "../llm/embedded.js";
import { Device } from "../runtime/device.js";
import { generatorBackend } from "../serve/generator-backend.js";
import type { Message } from "../tokenizer/chat-template.js";
import { loadTokenizer } from "../tokenizer/tokenizer.js";
import { chatRendering } from "./chat-rendering.js";
import { choiceRequests } from "./prompts.js";
import type { ChoiceTask } from "./task.js";

const mini = fileURLToPath(new URL("../../models/mini", import.meta.url));
const root = mkdtempSync(join(tmpdir(), "evoke-ids-"));
afterAll(() => rmSync(root, { recursive: true }));
let device: Device;
beforeAll(async () => {
  device = await Device.open({ threads: 1 });
});

interface Kind {
  addsBos: boolean;
  appendsEos: boolean;
  writesBos: boolean;
}

async function tokenizerOf({ addsBos, appendsEos, writesBos }: Kind) {
  const folder = mkdtempSync(join(root, "t-"));
  for (const name of ["tokenizer.json", "tokenizer_config.json", "config.json"])
    cpSync(join(mini, name), join(folder, name));
  const edit = (name: string, change: (value: Record<string, unknown>) => object) =>
    writeFileSync(join(folder, name), JSON.stringify(change(JSON.parse(readFileSync(join(folder, name), "utf8")))));
  const [bos, eos] = ["<|pad|>", "<|endoftext|>"];
  const special = (token: string, on: boolean): object[] => (on ? [{ SpecialToken: { id: token, type_id: 0 } }] : []);
  const idOf = (token: string, all: { content: string; id: number }[]) => all.find((one) => one.content === token)!.id;
  edit("tokenizer.json", (value) => {
    const added = value.added_tokens as { content: string; id: number }[];
    const single = [...special(bos, addsBos), { Sequence: { id: "A", type_id: 0 } }, ...special(eos, appendsEos)];
    const tokens = [bos, eos].map((token) => [token, { id: token, ids: [idOf(token, added)], tokens: [token] }]);
    const processor = { type: "TemplateProcessing", single, pair: single, special_tokens: Object.fromEntries(tokens) };
    return { ...value, post_processor: processor };
  });
  const chat_template =
    `${writesBos ? "{{ bos_token }}" : ""}{% for m in messages %}[{{ m.role }}]{{ m.content }}` +
    "{{ eos_token if m.role == 'assistant' else '' }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";
  edit("tokenizer_config.json", (value) => ({ ...value, bos_token: bos, eos_token: eos, chat_template }));
  return loadTokenizer(folder);
}

const ask: Message[] = [{ role: "user", content: "Name a colour." }];
const answer = "Deep blue";

const kinds = [false, true].flatMap((addsBos) =>
  [false, true].flatMap((appendsEos) => [false, true].map((writesBos) => ({ addsBos, appendsEos, writesBos }))),
);

describe.each(["tulu", "model"] as const)("with template %s", (template) => {
  it.each(kinds)("the ids are the same everywhere (%o)", async (kind) => {
    const tokenizer = await tokenizerOf(kind);
    const messages: Message[] = [...ask, { role: "assistant", content: answer }];
    const options = { template, mode: "it", maxLength: 512 } as const;
    const { example } = encodeConversation({ messages, source: "rows", line: 1, index: 0 }, tokenizer, options);
    const learnt = [...example!.mask].lastIndexOf(1) + 1;
    const trained = [...example!.tokens].slice(0, learnt);
    const asked = trained.slice(0, example!.mask.indexOf(1));

    const withBos = template === "tulu" ? kind.addsBos : kind.writesBos;
    expect(trained.filter((id) => id === tokenizer.bosId)).toHaveLength(withBos ? 1 : 0);
    expect(trained[0] === tokenizer.bosId).toBe(withBos);
    expect((await encodeMessages(tokenizer, ask, template)).tokens).toEqual(asked);

    const generator = { tokenizer, template, device, model: fixtureModel("llama", tokenizer) } as unknown as Generator;
    const served = await generatorBackend(generator, { maxBatch: 1 }).tokenize({ messages: ask });
    expect(served).toEqual(asked);
    const { chat, responseText } = await chatRendering(new EmbeddedModel(generator), template);
    const read = (pair: Parameters<typeof encodePair>[1]) => {
      const { input, targets } = encodePair(tokenizer, pair, 512);
      return [...input, targets.at(-1)];
    };
    expect(read({ ...responseText!(messages), boundary: "exact" })).toEqual(trained);
    const doc = { context: ask[0]!.content, choices: [answer, "red"], gold: 0 };
    const { requests } = choiceRequests({ delimiter: " " } as ChoiceTask, doc, [], { chat });
    expect(read(requests[0]!)).toEqual(trained.slice(0, -1));
  });
});
