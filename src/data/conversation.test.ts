import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { FailureError, UsageError } from "../errors.js";
import { Random } from "../random/counter.js";
import { parseRecipe } from "../recipe/load.js";
import { type LoadOptions, loadConversations } from "./conversation.js";
import { loadTrainingData } from "./training-data.js";

const folder = mkdtempSync(join(tmpdir(), "evoke-rows-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const shared = process.env.EVOKE_DATA ?? join(import.meta.dirname, "../../../shared/data");

async function load(rows: unknown[] | string, options?: LoadOptions, name = "rows.jsonl") {
  const path = join(folder, name);
  writeFileSync(path, typeof rows === "string" ? rows : rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return loadConversations(path, options);
}
async function complaint(rows: unknown[] | string, options?: LoadOptions, name?: string): Promise<string> {
  const error: unknown = await load(rows, options, name).then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(UsageError);
  return (error as Error).message.replace(`${folder}/`, "");
}
const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });

describe("loadConversations", () => {
  it("reads each row schema, told by the first row", async () => {
    const want = [user("Q"), assistant("A")];
    const schemas: unknown[] = [
      { prompt: "Q", completion: "A" },
      { instruction: "Q", input: "", output: "A" },
      { instruction: "Q", output: "A" },
      { instruction: "Q", context: null, response: "A", category: "x" },
      {
        conversations: [
          { from: "human", value: "Q" },
          { from: "gpt", value: "A" },
        ],
      },
      { conversations: ["Q", "A"], source: "lima" },
      { messages: want },
    ];
    for (const row of schemas) expect((await load([row]))[0]!.messages).toEqual(want);
    expect((await load([{ instruction: "Q", input: "I", output: "A" }]))[0]!.messages[0]).toEqual(user("Q\n\nI"));
    expect((await load([{ completion: "A" }]))[0]!.messages).toEqual([assistant("A")]);
    expect(await load([{ text: "some words" }])).toEqual([
      { messages: [], text: "some words", source: join(folder, "rows.jsonl"), line: 1, index: 0 },
    ]);
  });

  it("keeps all turns up to the assistant's last, system included", async () => {
    const turns = [
      { from: "system", value: "S" },
      { from: "user", value: "1" },
      { from: "assistant", value: "2" },
      { from: "human", value: "3" },
    ];
    expect((await load([{ conversations: turns }]))[0]!.messages).toEqual([
      { role: "system", content: "S" },
      user("1"),
      assistant("2"),
    ]);
    expect((await load([{ conversations: ["1", "2", "3", "4", "5"] }]))[0]!.messages.map((m) => m.content)).toEqual([
      "1",
      "2",
      "3",
      "4",
    ]);
  });

  it("maps columns", async () => {
    const rows = [{ frage: "Q", antwort: "A", output: "other" }];
    const options: LoadOptions = { columns: { instruction: "frage", output: "antwort" } };
    expect((await load(rows, options))[0]!.messages).toEqual([user("Q"), assistant("A")]);
    expect(await complaint(rows, { columns: { instruction: "frage", outptu: "antwort" } })).toContain(
      'data.columns: "outptu" is not a field of format alpaca (those are instruction, input, output, history, system',
    );
    expect(await complaint(rows, { format: "alpaca", columns: { output: "missing", instruction: "frage" } })).toContain(
      "no response",
    );
  });

  it("reads a JSON array and keeps lines", async () => {
    const text = '[\n  {"prompt": "a", "completion": "b"},\n\n  {"prompt": "c",\n "completion": "d"}]';
    expect((await load(text, {}, "rows.json")).map(({ line, index }) => [line, index])).toEqual([
      [2, 0],
      [4, 1],
    ]);
  });

  it("names file, line and reason", async () => {
    const good = { prompt: "a", completion: "b" };
    const cases: [unknown[] | string, string][] = [
      [
        [good, { prompt: "a" }],
        'rows.jsonl:2: no response (no field "completion"); correct the row or set data.skip_invalid: true',
      ],
      [[good, { prompt: "a", completion: " \n" }], 'rows.jsonl:2: no response (field "completion" is empty)'],
      [[good, { prompt: "a", completion: 3 }], "rows.jsonl:2: the response"],
      [[good, { prompt: ["a"], completion: "b" }], 'rows.jsonl:2: field "prompt" is not text'],
      [`${JSON.stringify(good)}\n{"prompt": \n`, "rows.jsonl:2: not valid JSON"],
      [`${JSON.stringify(good)}\n\n3\n`, "rows.jsonl:3: expected a JSON object"],
      [[{ messages: [user("a")] }], "rows.jsonl:1: no response (no assistant turn)"],
      [
        [{ messages: [user("a"), assistant(""), user("b"), assistant("c")] }],
        "rows.jsonl:1: no response (turn 2 is empty)",
      ],
      [
        [{ messages: [{ role: "narrator", content: "x" }] }],
        'turn 1: role "narrator" is not user, assistant, system, developer or tool',
      ],
      [[{ conversations: [{ from: "human" }] }], 'turn 1: "value" is not text'],
      [[{ conversations: ["only a question"] }], "no response"],
      [[{ question: "a", reply: "b" }], "rows.jsonl:1: cannot tell the row format from the keys (question, reply)"],
      ["", "rows.jsonl: no usable rows: the file is empty"],
      ["\n\n", "rows.jsonl: no usable rows: the file is empty"],
    ];
    for (const [rows, message] of cases) expect(await complaint(rows)).toContain(message);
    await expect(loadConversations(join(folder, "absent.jsonl"))).rejects.toThrow("absent.jsonl: no such file");
    await expect(loadConversations(folder)).rejects.toThrow("is a folder");
    expect(await complaint([good], { format: "alpaka" as "alpaca" })).toContain('data format "alpaka"');
  });

  it("skips and counts on request", async () => {
    const skipped: string[] = [];
    const text =
      '{"prompt":"a","completion":"b"}\nnonsense\n{"prompt":"a","completion":""}\n{"prompt":"c","completion":"d"}\n';
    const rows = await load(text, { skipInvalid: true, onSkip: (message) => skipped.push(message) });
    expect(rows.map(({ index, line }) => [index, line])).toEqual([
      [0, 1],
      [3, 4],
    ]);
    expect(skipped.map((message) => message.replace(/^.*rows/, "rows").slice(0, 16))).toEqual([
      "rows.jsonl:2: no",
      "rows.jsonl:3: no",
    ]);
    expect(await complaint('{"prompt":"a","completion":""}\n', { skipInvalid: true })).toContain(
      "no usable rows (1 skipped)",
    );
  });

  it("answers mangled files with rows, a UsageError or a FailureError", async () => {
    const sources = [
      '{"prompt":"a \\u00e9","completion":"b"}\n{"prompt":"c","completion":"d\\n"}\n',
      '{"conversations":[{"from":"human","value":"Q"},{"from":"gpt","value":"A"}]}\n{"conversations":["Q","A"]}\n',
      '{"messages":[{"role":"user","content":"Q"},{"role":"assistant","content":"A"}]}\n',
      '[{"instruction":"Q","input":"","output":"A"},\n{"instruction":"Q","output":"A"}]',
    ];
    const pieces = [
      '"',
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      "\\",
      "null",
      "1e999",
      "\n",
      "\0",
      "\ud800",
      '"__proto__":',
      '"constructor"',
      "\ufeff",
      "toString",
    ];
    let refused = 0;
    for (let i = 0; i < 2000; i++) {
      const random = new Random("rows-fuzz", i);
      let text = sources[i % sources.length]!;
      for (let n = 1 + random.below(3); n > 0; n--) {
        const at = random.below(text.length + 1);
        text =
          text.slice(0, at) +
          (random.below(3) ? pieces[random.below(pieces.length)]! : "") +
          text.slice(at + random.below(5));
      }
      try {
        const rows = await load(
          text,
          { skipInvalid: i % 3 === 0 },
          i % sources.length === 3 ? "rows.json" : "rows.jsonl",
        );
        for (const { messages } of rows) expect(messages.at(-1)!.role).toBe("assistant");
      } catch (error) {
        if (!(error instanceof UsageError || error instanceof FailureError))
          throw new Error(`escaped for: ${text}`, { cause: error });
        expect(error.message).not.toContain("\n");
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(500);
    expect(refused).toBeLessThan(2000);
  });

  it.skipIf(!existsSync(shared))("reads LIMA, Alpaca and Dolly (skipped without EVOKE_DATA)", async () => {
    const lima = await loadConversations(join(shared, "sft/lima_train.jsonl"));
    expect(lima).toHaveLength(1029);
    expect(lima.filter(({ messages }) => messages.length === 2)).toHaveLength(1000);
    const skipped: string[] = [];
    const alpaca = join(shared, "sft/alpaca_subset.jsonl");
    expect(await loadConversations(alpaca, { skipInvalid: true, onSkip: (m) => skipped.push(m) })).toHaveLength(22_302);
    expect(skipped).toHaveLength(10);
    await expect(loadConversations(alpaca)).rejects.toThrow(UsageError);
    expect(await loadConversations(join(shared, "sft/dolly_subset.jsonl"))).toHaveLength(3306);
  });
});

describe("loadTrainingData", () => {
  const recipe = (data: object) => parseRecipe({ model: "m", data }).data;

  it("reads several files and holds out a fraction that depends on the seed alone", async () => {
    const rows = (n: number) => Array.from({ length: n }, (_, i) => ({ prompt: `q${i}`, completion: `a${i}` }));
    await load(rows(30), {}, "one.jsonl");
    await load(rows(20), {}, "two.jsonl");
    const path = [join(folder, "one.jsonl"), join(folder, "two.jsonl")];
    const { train, validation } = await loadTrainingData(recipe({ path, validation: 0.2 }), 7);
    expect([train.length, validation.length]).toEqual([40, 10]);
    const key = (c: { source: string; index: number }) => `${c.source}:${c.index}`;
    expect(new Set([...train, ...validation].map(key)).size).toBe(50);
    expect((await loadTrainingData(recipe({ path, validation: 0.2 }), 7)).validation).toEqual(validation);
    expect((await loadTrainingData(recipe({ path, validation: 0.2 }), 8)).validation).not.toEqual(validation);
    expect((await loadTrainingData(recipe({ path, max_examples: 35 }), 7)).train.map(key)).toEqual(
      [...train, ...validation]
        .map(key)
        .sort((a, b) => order(a) - order(b))
        .slice(0, 35),
    );
    expect((await loadTrainingData(recipe({ path, validation: path[1] }), 7)).validation).toHaveLength(20);
    await expect(loadTrainingData(recipe({ path, max_examples: 1, validation: 0.5 }), 7)).rejects.toThrow(
      "cannot be split",
    );
    function order(text: string): number {
      return Number(text.split(":").at(-1)) + (text.includes("two") ? 1000 : 0);
    }
  });
});
