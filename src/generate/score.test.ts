import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { fixtureModel, letterTokenizer, randomAdapter } from "../../tests/support/fixture-model.js";
import { PackedModel } from "../model/packed-model.js";
import { packRow } from "../model/packed-row.js";
import { Device } from "../runtime/device.js";
import { Scorer } from "./score.js";
import { planRows } from "./score-plan.js";
import { encodePair } from "./score-tokens.js";

const codes = (text: string): number[] => [...text].map((letter) => letter.charCodeAt(0));

describe("tokens of a pair", () => {
  const tokenizer = letterTokenizer({ merges: [" P", "ab"], eosIds: [2] });
  const encode = (context: string, continuation: string, max = 100) =>
    encodePair(tokenizer, { context, continuation }, max);

  it("splits where the context's tokens end", () => {
    expect(encode("is", " x")).toEqual({ input: codes("is "), targets: codes(" x"), truncated: false });
  });

  it("moves the context's trailing whitespace to the continuation, where it may join a token", () => {
    expect(encode("is \n ", "Paris")).toEqual({
      input: [...codes("is \n"), 128, ...codes("ari")],
      targets: [...codes(" \n"), 128, ...codes("aris")],
      truncated: false,
    });
  });

  it("scores the token that spans the border when the context is a part of it", () => {
    expect(encode("xa", "b")).toEqual({ input: codes("x"), targets: [129], truncated: false });
  });

  it("puts BOS, or EOS without one, before an empty context, and never two", () => {
    expect(encode("", "hi").input).toEqual([2, ...codes("h")]);
    const withBos = letterTokenizer({ bosId: 1, eosIds: [2] });
    expect(encodePair(withBos, { context: "", continuation: "hi" }, 100).input).toEqual([1, ...codes("h")]);
    expect(encodePair(withBos, { context: "a", continuation: "b" }, 100).input).toEqual([1, ...codes("a")]);
    const written = { ...withBos, bosToken: "\u0001" };
    expect(encodePair(written, { context: "\u0001a", continuation: "b" }, 100).input).toEqual([1, ...codes("a")]);
  });

  it("cuts the beginning of what is too long", () => {
    expect(encode("abcdefgh".slice(2), "xy", 5)).toEqual({
      input: codes("efghx"),
      targets: codes("xy"),
      truncated: true,
    });
    expect(encode("q", "uvwxyz", 3)).toEqual({ input: codes("wxy"), targets: codes("xyz"), truncated: true });
  });
});

describe("rows with shared beginnings", () => {
  it("let each sequence see exactly its own beginning", () => {
    const sequence = fc.array(fc.constantFrom(1, 2, 3), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(fc.array(sequence, { minLength: 1, maxLength: 12 }), (sequences) => {
        const rows = planRows(sequences);
        const placed = rows.flatMap((row) => row.sequences.map(({ index }) => index)).sort((a, b) => a - b);
        expect(placed).toEqual(sequences.map((_, i) => i));
        for (const { row, sequences: members } of rows) {
          const { tokens, positions, documents, branches } = row;
          for (const { index, at } of members) {
            const last = at(sequences[index]!.length - 1);
            const seen = [];
            for (let k = 0; k <= last; k++) {
              const own =
                documents[k] === documents[last] && (!branches || branches[k] === 0 || branches[k] === branches[last]);
              if (own) seen.push({ token: tokens[k], position: positions[k] });
            }
            expect(seen).toEqual(sequences[index]!.map((token, position) => ({ token, position })));
            sequences[index]!.forEach((token, i) => void expect(tokens[at(i)]).toBe(token));
          }
        }
      }),
    );
  });

  it("compute a shared context once, and equal sequences once", () => {
    const context = Array.from({ length: 400 }, (_, i) => i);
    const used = planRows([[...context, 1, 2], [...context, 3], context, [...context, 1, 2], [...context, 3]]).map(
      ({ row }) => row.used,
    );
    expect(used).toEqual([403]);
    // Many questions after one long introduction: the introduction is not read again for each.
    const many = planRows(Array.from({ length: 60 }, (_, i) => [...context, 500 + i, 7, 8]));
    expect(many.reduce((sum, { row }) => sum + row.used, 0)).toBe(400 + 60 * 3);
  });

  it("stay below their size when much is to be scored", () => {
    const context = Array.from({ length: 1500 }, (_, i) => i);
    const rows = planRows(
      Array.from({ length: 50 }, (_, i) => [...context, ...Array.from({ length: 40 }, () => 5000 + i)]),
    );
    expect(rows.length).toBeGreaterThan(1);
    for (const { row } of rows) expect(row.used).toBeLessThanOrEqual(2048);
  });
});

describe("scores", async () => {
  const device = await Device.open({ threads: 1 });
  const models = ["llama", "gemma2"].map((name) => fixtureModel(name, letterTokenizer({ eosIds: [2] })));
  const packed = models.map(({ weights }) => new PackedModel(weights, device));
  afterAll(() => Promise.all(packed.map((model) => model.dispose())));
  it("are refused where a token has no embedding, in the context or at the end of what is scored", async () => {
    const scorer = new Scorer(packed[0]!, models[0]!.tokenizer);
    for (const pair of [
      { context: "a\u0190b", continuation: "c" },
      { context: "a", continuation: "c\u0190" },
    ])
      await expect(scorer.score([pair])).rejects.toThrow(
        'the token "\u0190" has id 400, and the model\'s embedding ends with id 255',
      );
  });

  const pairs = [
    { context: "The sea is", continuation: " blue" },
    { context: "The sea is", continuation: " deep and cold" },
    { context: "The sky is", continuation: " blue" },
    { context: "", continuation: "The sea" },
    { context: "The sea is", continuation: " blue" },
    { context: "The sea is", continuation: "" },
    { context: "Something quite different: ", continuation: "x" },
  ];

  it.each([0, 1])("equal those of every pair alone (%#)", async (m) => {
    const model = packed[m]!;
    const adapter = randomAdapter(models[m]!.config, ["self_attn.v_proj"], 2, "score");
    const scorer = new Scorer(model, models[m]!.tokenizer);
    const done: number[] = [];
    const together = await scorer.score(pairs, { onProgress: (count) => done.push(count) }, adapter);
    expect(done.at(-1)).toBe(pairs.length);
    for (const [i, pair] of pairs.entries()) {
      const { input, targets } = encodePair(models[m]!.tokenizer, pair, 512);
      const places = targets.map((_, k) => input.length - targets.length + k);
      const hidden = await model.hidden(packRow([input]), { adapter });
      const { logprobs, greedy } = await model.logProbabilities(hidden, places, targets);
      expect(together[i]!.tokens).toBe(targets.length);
      expect(together[i]!.logprob).toBeCloseTo(
        logprobs.reduce((a, b) => a + b, 0),
        3,
      );
      expect(together[i]!.isGreedy).toBe(greedy.every((ok) => ok === 1));
    }
  });

  it("know a greedy continuation", async () => {
    const { tokenizer } = models[0]!;
    const hidden = await packed[0]!.hidden(packRow([codes("The sea")]));
    const logits = await packed[0]!.logits(hidden, [6]);
    const best = logits.indexOf(Math.max(...logits));
    const scorer = new Scorer(packed[0]!, {
      ...tokenizer,
      encode: (text) => (text === "The sea" ? codes(text) : [...codes("The sea"), best]),
    });
    expect(await scorer.score([{ context: "The sea", continuation: "?" }])).toMatchObject([
      { tokens: 1, isGreedy: true },
    ]);
  });
});
