import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";
import { parseRecipe } from "../recipe/load.js";
import { loadTokenizer } from "../tokenizer/tokenizer.js";
import { loadTrainingExamples } from "./training-examples.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-training-examples-"));
afterAll(() => rmSync(folder, { recursive: true }));

it("encodes both parts as the recipe says, and tells what was cut and left out", async () => {
  const file = (name: string, rows: object[]): string => {
    writeFileSync(join(folder, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    return join(folder, name);
  };
  const row = (i: number) => ({ prompt: `q${i}`, completion: `a${i}` });
  const path = file("rows.jsonl", [
    row(0),
    { prompt: "no response" },
    { prompt: "q", completion: "word ".repeat(200) },
    { prompt: "word ".repeat(200), completion: "a" },
  ]);
  const held = file(
    "held.jsonl",
    Array.from({ length: 9 }).map((_, i) => row(i)),
  );
  const recipe = parseRecipe({
    model: "m",
    mode: "it",
    max_length: 64,
    seed: 3,
    data: { path, validation: held, skip_invalid: true },
    validation: { max_examples: 4 },
  });
  const tokenizer = await loadTokenizer(fileURLToPath(new URL("./fixtures/tiny-tokenizer", import.meta.url)));
  const said: string[] = [];
  const { train, validation, truncated, dropped } = await loadTrainingExamples(recipe, tokenizer, (line) =>
    said.push(line),
  );
  expect(train).toHaveLength(2);
  expect(train.map(({ tokens }) => tokens.length <= 64)).toEqual([true, true]);
  expect(validation.map(({ tokens }) => tokenizer.decode(Array.from(tokens)))[3]).toContain("a3");
  expect(validation).toHaveLength(4);
  expect({ truncated, dropped }).toEqual({ truncated: 1, dropped: 2 });
  expect(said).toEqual([
    "1 of 2 rows were cut at max_length 64",
    expect.stringMatching(/^2 rows were left out; the first: .*rows\.jsonl:2: /),
  ]);
});

it.each([
  ["{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}", true],
  ["{% for m in messages %}{{ m.role }}: {{ m.content }}<|end|>\n{% endfor %}", true],
  ["{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}\n{% endfor %}", false],
])("tells that a template ends no answer with a token of its own: %j", async (chatTemplate, told) => {
  const path = join(folder, "turns.jsonl");
  writeFileSync(path, `${JSON.stringify({ prompt: "q", completion: "a" })}\n`);
  const recipe = parseRecipe({ model: "m", mode: "it", template: "model", data: { path } });
  const tokenizer = await loadTokenizer(fileURLToPath(new URL("./fixtures/tiny-tokenizer", import.meta.url)));
  const said: string[] = [];
  await loadTrainingExamples(recipe, Object.assign(tokenizer, { chatTemplate }), (line) => void said.push(line));
  expect(said.some((line) => line.includes("will not stop by itself"))).toBe(told);
});
