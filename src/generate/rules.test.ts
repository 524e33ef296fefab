import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it, vi } from "vitest";
import { fixtureModel, letterTokenizer } from "../../tests/support/fixture-model.js";
import { UsageError } from "../errors.js";
import { loadTokenizer } from "../tokenizer/tokenizer.js";
import { Generator } from "./generator.js";
import { userTokens } from "./prompt.js";
import { RULES, type Rule, ruleProcessors, ruleTokens } from "./rules.js";
import { Sampler } from "./sampler.js";

interface Expected {
  content: string;
  rules: Rule[];
  tokens: number[];
  /** For each token the log-probabilities of itself and of the watched ids. */
  logprobs: number[][];
}

const path = new URL("fixtures/rules.jsonl", import.meta.url);
const [head, ...answers] = readFileSync(path, "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line));
const { uniform, watched } = head as { uniform: Record<string, number>; watched: number[] };
const mini = fileURLToPath(new URL("../../models/mini", import.meta.url));

const batch = await Generator.open("bundled:mini", { threads: 1, weights: "float32", maxBatch: 20, template: "tulu" });
afterAll(() => batch.dispose());

interface Drawn {
  before: Float32Array;
  after: Float32Array;
}

/** The logits of each drawn token, before and after the rules, by answer in the order in which they begin. */
function recordLogits(): Map<Sampler, Drawn[]> {
  const records = new Map<Sampler, Drawn[]>();
  const { choose } = Sampler.prototype;
  vi.spyOn(Sampler.prototype, "choose").mockImplementation(function (this: Sampler, logits) {
    const before = logits.slice();
    const token = choose.call(this, logits);
    records.set(this, [...(records.get(this) ?? []), { before, after: logits.slice() }]);
    return token;
  });
  return records;
}

function logSoftmax(logits: Float32Array): (id: number) => number {
  const most = logits.reduce((a, b) => Math.max(a, b));
  const total = logits.reduce((sum, x) => sum + Math.exp(x - most), 0);
  return (id) => logits[id]! - most - Math.log(total);
}

const ask = (generator: Generator, { content, rules, tokens }: Expected, count = tokens.length) =>
  generator.generate({ messages: [{ role: "user", content }], rules, maxTokens: count, ignoreEos: true });

describe("rules against transformers", () => {
  it.each([...RULES.map((rule) => [rule]), [...RULES]].map((rules) => [rules.join()] as const))(
    "%s: logits and greedy tokens of 20 prompts",
    async (rules) => {
      const cases = (answers as Expected[]).filter((answer) => answer.rules.join() === rules);
      expect(cases).toHaveLength(20);
      const records = recordLogits();
      const results = await Promise.all(cases.map((each) => ask(batch, each)));
      vi.restoreAllMocks();
      const drawn = [...records.values()];
      results.forEach(({ tokens }, i) => {
        expect(tokens).toEqual(cases[i]!.tokens);
        drawn[i]!.forEach(({ after }, n) => {
          const logprob = logSoftmax(after);
          [tokens[n]!, ...watched].forEach((id, j) => {
            expect(Math.abs(logprob(id) - cases[i]!.logprobs[n]![j]!)).toBeLessThan(1e-4);
          });
        });
      });
    },
  );

  it("are the same changes of the single-sequence decoder's logits", async () => {
    const alone = await Generator.open("bundled:mini", { threads: 1, maxBatch: 1, template: "tulu" });
    const each = (answers as Expected[]).find(({ rules }) => rules.length === 3)!;
    const records = recordLogits();
    const { tokens } = await ask(alone, each, 40);
    vi.restoreAllMocks();
    const tokenizer = alone.tokenizer;
    const text = alone.render([{ role: "user", content: each.content }]);
    const said = new Set(userTokens(tokenizer, text, each.content));
    [...records.values()][0]!.forEach(({ before, after }, n) => {
      before.forEach((logit, id) => {
        let expected = logit + (uniform[id] ?? 0) - (said.has(id) ? 1.5 : 0);
        if (id === tokenizer.eosId) expected += (15 * n) / 250;
        expect(Math.abs(after[id]! - expected)).toBeLessThan(1e-4);
      });
      said.add(tokens[n]!);
    });
    await alone.dispose();
  });
});

describe("rules", () => {
  it("find their tokens in a vocabulary, and say what they leave out", async () => {
    const lines: string[] = [];
    const { eos, shifts } = ruleTokens(await loadTokenizer(mini), (line) => lines.push(line));
    expect(eos).toBe(watched[0]);
    expect(Object.fromEntries(shifts)).toEqual(uniform);
    expect(lines.join()).toMatch(shifts.size < 15 ? /left out: ".+"/ : /^$/);
  });

  it("take a vocabulary's own tokens where a file names them", () => {
    const words = JSON.parse(readFileSync(new URL("../../prompts/rules/llama-2.json", import.meta.url), "utf8")).tokens;
    const ids = new Map(Object.keys(words).map((token, i) => [token, 10 + i]));
    const tokenizer = { ...letterTokenizer({ eosIds: [2] }), tokenToId: (token: string) => ids.get(token) };
    const { shifts } = ruleTokens(tokenizer);
    expect([...shifts]).toEqual(Object.values(words).map((shift, i) => [10 + i, shift]));
  });

  it("let the end come ever likelier, then not more, and force it in the end", () => {
    const [end] = ruleProcessors(["eos"], { eos: 1, shifts: new Map() }, []);
    const shiftAfter = (): number[] => {
      const logits = Float32Array.of(0, 0);
      end!.process(logits);
      return [...logits];
    };
    const found: number[][] = [];
    for (let n = 0; n <= 1024; n++) {
      found.push(shiftAfter());
      end!.accept!(0);
    }
    expect([0, 1, 249, 250, 1023, 1024].map((n) => found[n]!.map((x) => Math.round(x * 100) / 100))).toEqual([
      [0, 0],
      [0, 0.06],
      [0, 14.94],
      [0, 0],
      [0, 0],
      [Number.NEGATIVE_INFINITY, 0],
    ]);
  });

  it("know the user's turn in a conversation, in Tulu's tags, and all of another text", () => {
    const tokenizer = letterTokenizer({ merges: ["\nH", "i\n"] });
    const text = "<|user|>\nold\n<|assistant|>\nyes\n<|user|>\nHi\n<|assistant|>\n";
    expect(userTokens(tokenizer, text, "Hi")).toEqual([128, "i".charCodeAt(0)]);
    expect(userTokens(tokenizer, text)).toEqual([128, "i".charCodeAt(0)]);
    expect(userTokens(tokenizer, "Hi")).toEqual([..."Hi"].map((letter) => letter.charCodeAt(0)));
  });

  it("are refused by name where they cannot be followed", async () => {
    const none = fixtureModel("llama", letterTokenizer());
    const { device } = batch;
    await expect(Generator.of(none, device, { rules: ["eos"] })).rejects.toThrow(/eos needs a tokenizer/);
    const generator = await Generator.of(none, device);
    const ask = (rules: string[]) => generator.generate({ tokens: [1], maxTokens: 1, rules: rules as Rule[] });
    await expect(ask(["start"])).rejects.toThrow(/no start; expected eos, diversity, uniform/);
    await expect(ask(["diversity", "diversity"])).rejects.toThrow(UsageError);
    expect((await ask(["diversity"])).tokens).toHaveLength(1);
    await generator.dispose();
  });
});
