/** Rows that went wrong in other tools, read to the end: what is shown, what is learnt, what is left out and said. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";
import { parseRecipe } from "../recipe/load.js";
import { loadTokenizer, type Tokenizer } from "../tokenizer/tokenizer.js";
import { loadTrainingExamples } from "./training-examples.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-row-cases-"));
afterAll(() => rmSync(folder, { recursive: true }));
const tiny = await loadTokenizer(fileURLToPath(new URL("./fixtures/tiny-tokenizer", import.meta.url)));

/** The tiny tokenizer with a template. */
const withTemplate = (chatTemplate: string): Tokenizer => ({
  ...tiny,
  chatTemplate,
  encode: (text, options) => tiny.encode(text, options),
  decode: (ids, options) => tiny.decode(ids, options),
  tokenToId: (token) => tiny.tokenToId(token),
  idToToken: (id) => tiny.idToToken(id),
  isAdded: (id) => tiny.isAdded!(id),
  stream: (options) => tiny.stream(options),
});
/** Turns end in the pad token, while EOS is another one. */
const chatml = withTemplate("{% for m in messages %}<{{ m.role }}>{{ m.content }}<pad>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"); // biome-ignore format: one line
const strict = withTemplate(
  "{% if messages[0].role == 'system' %}{{ raise_exception('no system turn') }}{% endif %}" +
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('turns must alternate') }}{% endif %}" +
    "{{ m.content }}{{ eos_token }}{% endfor %}",
);

async function load(rows: readonly object[], tokenizer: Tokenizer, more: object = {}, data: object = {}) {
  const path = join(folder, "rows.jsonl");
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const base = { model: "m", template: "model", mode: "it", max_length: 200, data: { path, ...data } };
  const said: string[] = [];
  const loaded = await loadTrainingExamples(parseRecipe({ ...base, ...more }), tokenizer, (line) => said.push(line));
  const learnt = loaded.train.map(({ tokens, mask }) => {
    const parts: number[][] = [];
    for (const [i, id] of Array.from(tokens).entries()) {
      if (!mask[i]) continue;
      if (!mask[i - 1]) parts.push([]);
      parts.at(-1)!.push(id);
    }
    return parts.map((ids) => tokenizer.decode(ids));
  });
  return { ...loaded, said, learnt, shown: loaded.train.map(({ tokens }) => tokenizer.decode(Array.from(tokens))) };
}

const u = (content: unknown) => ({ role: "user", content });
const a = (content: unknown, more = {}) => ({ role: "assistant", content, ...more });
const talk = (...turns: object[]) => ({ messages: turns });

it("targets end where the template ends the assistant's turn, with and without thoughts", async () => {
  const thought = (said: string) => a(`<think>\nhm\n</think>\n\n${said}`);
  const { learnt } = await load(
    [talk(u("hi"), a("one"), u("more"), a("two")), talk(u("hi"), thought("one"), u("more"), thought("two"))],
    chatml,
  );
  expect(learnt[0]).toEqual(["one<pad>", "two<pad>"]);
  expect(learnt[1]).toHaveLength(2);
  for (const [i, part] of learnt[1]!.entries()) {
    expect(part.endsWith(`${["one", "two"][i]}<pad>`)).toBe(true);
    expect(part).not.toContain("<user>");
  }
});

it("rows that a template refuses are skipped by file, line and reason, and counted; the others are learnt", async () => {
  const good = Array.from({ length: 6 }, (_, i) => talk(u(`sum ${i}`), a(`${2 * i}`)));
  const system = talk({ role: "system", content: "brief" }, u("hi"), a("no"));
  const twice = talk(u("hi"), u("there"), a("no"));
  const rows = [...good.slice(0, 3), system, good[3]!, twice, ...good.slice(4)];
  const loaded = await load(rows, strict, {}, { skip_invalid: true });
  expect(loaded.learnt.flat()).toEqual(["0</s>", "2</s>", "4</s>", "6</s>", "8</s>", "10</s>"]);
  expect(loaded.dropped).toBe(2);
  expect(loaded.skipped).toEqual([
    expect.stringMatching(/rows\.jsonl:4: .*no system turn/),
    expect.stringMatching(/rows\.jsonl:6: .*turns must alternate/),
  ]);
  await expect(load(rows, strict)).rejects.toThrow(/rows\.jsonl:4: .*no system turn/);
});

it("a row that begins with the assistant is skipped in mode it, by name", async () => {
  const rows = [talk(u("q"), a("r")), talk(a("how can I help"), u("2+2"), a("4"))];
  const { skipped, learnt } = await load(rows, strict, {}, { skip_invalid: true });
  expect(skipped).toEqual([expect.stringMatching(/rows\.jsonl:2: no instruction, which mode it needs/)]);
  expect(learnt).toEqual([["r</s>"]]);
});

it("a ShareGPT row's system field is shown", async () => {
  const row = { system: "answer in french", conversations: [{ from: "human", value: "hi" }, { from: "gpt", value: "bonjour" }] }; // biome-ignore format: one line
  const { shown, learnt } = await load([row], chatml);
  expect(shown).toEqual(["<system>answer in french<pad><user>hi<pad><assistant>bonjour<pad>"]);
  expect(learnt).toEqual([["bonjour<pad>"]]);
});

it("an assistant turn of weight 0 is shown and no target", async () => {
  const row = talk(u("2+2"), a("five", { weight: 0 }), u("wrong"), a("four", { weight: 1 }));
  const { shown, learnt } = await load([row], chatml);
  expect(shown[0]).toContain("five");
  expect(learnt).toEqual([["four<pad>"]]);
});

it("validation rows without room for their response are reported, each with its line", async () => {
  const held = join(folder, "held.jsonl");
  const long = { instruction: "long ".repeat(300), output: "no room" };
  writeFileSync(held, [...Array(9).fill(long), { instruction: "1+1", output: "2" }].map((row) => `${JSON.stringify(row)}\n`).join("")); // biome-ignore format: one line
  const loaded = await load([talk(u("q"), a("r"))], chatml, { max_length: 60 }, { validation: held });
  expect(loaded).toMatchObject({ validationDropped: 9, dropped: 0 });
  expect(loaded.validation).toHaveLength(1);
  expect(loaded.skipped).toHaveLength(9);
  expect(loaded.said).toEqual([
    expect.stringMatching(/^9 validation rows were left out; the first: .*held\.jsonl:1: /),
  ]);
});

it("content in parts is the parts' text, one after the other", async () => {
  const part = (text: string) => ({ type: "text", text });
  const { shown, learnt } = await load([talk(u([part("hi")]), a([part("hel"), part("lo")]))], chatml);
  expect(shown[0]).toContain("hi");
  expect(learnt).toEqual([["hello<pad>"]]);
});
