import { afterAll, describe, expect, it, vi } from "vitest";
import { fixtureModel, golden, letterTokenizer, randomAdapter } from "../../tests/support/fixture-model.js";
import { UsageError } from "../errors.js";
import { PackedModel } from "../model/packed-model.js";
import { packRow } from "../model/packed-row.js";
import { Device } from "../runtime/device.js";
import { Decoder } from "./decoder.js";
import { Generator } from "./generator.js";
import { argMax } from "./sampler.js";

const device = await Device.open({ threads: 1 });
const name = "llama";
const base = fixtureModel(name);
const adapters = [
  randomAdapter(base.config, ["self_attn.q_proj", "self_attn.v_proj"], 4, "one"),
  randomAdapter(base.config, ["mlp.gate_proj", "mlp.down_proj"], 2, "two"),
];
const model = fixtureModel(name, letterTokenizer({ eosIds: [] }), adapters);
const generator = await Generator.of(model, device, { weights: "float32", maxBatch: 4 });
const packed = new PackedModel(base.weights, device);
afterAll(async () => {
  await generator.dispose();
  await packed.dispose();
});

const read = PackedModel.prototype.hidden;
const [first, second] = golden(name).map(({ ids }) => ids) as [number[], number[]];

/** Greedy continuation by reading everything anew for each token. */
async function slowGreedy(
  prompt: readonly number[],
  count: number,
  adapter?: (typeof adapters)[number],
): Promise<number[]> {
  const tokens = [...prompt];
  for (let i = 0; i < count; i++) {
    const hidden = await packed.hidden(packRow([tokens]), { adapter });
    tokens.push(argMax(await packed.logits(hidden, [tokens.length - 1])));
  }
  return tokens.slice(prompt.length);
}

const greedy = { adapter: null, maxTokens: 12 } as const;

describe("a prompt longer than the window", () => {
  const { maxPositions } = base.config;
  const long = Array.from({ length: maxPositions + 5 }, (_, i) => first[i % first.length]!);

  it("is refused in one line, or loses its beginning where that is asked for", async () => {
    await expect(generator.generate({ tokens: long, ...greedy })).rejects.toThrow(
      `the prompt has ${maxPositions + 5} tokens, the model reads ${maxPositions} with its answer`,
    );
    const cut = await generator.generate({ tokens: long, ...greedy, maxTokens: 4, cutPrompt: true });
    const kept = long.slice(-(maxPositions - 4));
    expect(cut).toMatchObject({ truncated: true, promptTokens: kept.length, outputTokens: 4 });
    expect(cut.tokens).toEqual(await slowGreedy(kept, 4));
    const short = await generator.generate({ tokens: first, ...greedy, maxTokens: 4, cutPrompt: true });
    expect(short).toMatchObject({ promptTokens: first.length });
    expect(short.truncated).toBeUndefined();
  });
});

describe("one answer at a time", () => {
  it("takes steps of its own, and gives each request the same answer again, in company or alone", async () => {
    const graph = vi.spyOn(Decoder.prototype, "step");
    const solo = await Generator.of(model, device, { maxBatch: 1, draftTokens: 4 });
    const requests = [
      { tokens: first, ...greedy },
      { tokens: second, ...greedy, adapter: "adapter1" },
      { tokens: first.slice(2), ...greedy, temperature: 1, seed: 3 },
    ];
    const together = await Promise.all(requests.map((request) => solo.generate(request)));
    for (const [i, request] of requests.entries()) expect(await solo.generate(request)).toEqual(together[i]);
    expect(graph).not.toHaveBeenCalled();
    const stopped = new AbortController();
    const onToken = (): void => stopped.abort(new Error("enough"));
    await expect(solo.generate(requests[0]!, { signal: stopped.signal, onToken })).rejects.toThrow("enough");
    expect(await solo.generate(requests[1]!)).toEqual(together[1]);
    // Several answers to one prompt are written one after the other, too.
    const { alternatives } = await solo.generate({ ...requests[2]!, n: 3 });
    expect(alternatives).toHaveLength(2);
    expect(graph).not.toHaveBeenCalled();
    graph.mockRestore();
    await solo.dispose();
  });
});

describe("generate", () => {
  it("writes what reading everything anew for each token gives, alone and in company", async () => {
    const prompts = [first, second, first.slice(0, 5), second.slice(0, 9), first.slice(3, 20), second.slice(0, 1)];
    const expected = await Promise.all(prompts.map((tokens) => slowGreedy(tokens, 12)));
    expect((await generator.generate({ tokens: first, ...greedy })).tokens).toEqual(expected[0]);
    // Six requests of different lengths for four places: some join when others have left.
    const results = await Promise.all(
      prompts.map((tokens, i) => generator.generate({ tokens, ...greedy, maxTokens: 6 + i })),
    );
    results.forEach(({ tokens, finishReason, promptTokens, outputTokens }, i) => {
      expect(tokens).toEqual(expected[i]!.slice(0, 6 + i));
      expect({ finishReason, promptTokens, outputTokens }).toEqual({
        finishReason: "length",
        promptTokens: prompts[i]!.length,
        outputTokens: 6 + i,
      });
    });
  });

  it("gives the same bits in any company when prompts are read apart", async () => {
    const apart = await Generator.of(model, device, { maxBatch: 4, promptsApart: true });
    const prompts = [first, second, first.slice(0, 5), second.slice(0, 9), first.slice(3, 20), second.slice(0, 1)];
    const ask = (tokens: number[]) =>
      apart.generate({ tokens, adapter: null, maxTokens: 10, temperature: 1, seed: 3, logprobs: 1 });
    const alone = [];
    for (const tokens of prompts) alone.push(await ask(tokens));
    expect(await Promise.all(prompts.map(ask))).toEqual(alone);
    expect((await Promise.all(prompts.slice(2).reverse().map(ask))).reverse()).toEqual(alone.slice(2));
    await apart.dispose();
  });

  it("writes the same with guesses, in fewer steps, while an answer is alone", async () => {
    const ahead = await Generator.of(model, device, { weights: "float32", draftTokens: 5 });
    const step = vi.spyOn(Decoder.prototype, "step");
    const sizes = (): number[] => step.mock.calls.map(([, tokens]) => tokens.length);
    // A reward for what was said makes this model repeat itself.
    const request = { tokens: first, adapter: null, maxTokens: 60, presencePenalty: -3 };
    const settings = [{}, { temperature: 1, seed: 4 }, { presencePenalty: 0 }, { logprobs: 2 }, { maxTokens: 2 }];
    for (const more of settings) {
      const plain = await generator.generate({ ...request, ...more });
      step.mockClear();
      const guessed = await ahead.generate({ ...request, ...more });
      expect(guessed.tokens).toEqual(plain.tokens);
      expect({ ...guessed, logprobs: undefined }).toEqual({ ...plain, logprobs: undefined });
      guessed.logprobs?.forEach(({ logprob }, i) => void expect(logprob).toBeCloseTo(plain.logprobs![i]!.logprob, 4));
      if (Object.keys(more).length === 0) expect(step.mock.calls.length).toBeLessThan(plain.tokens.length / 2);
      expect(Math.max(...sizes())).toBeLessThanOrEqual(6);
    }

    // The answer's end, by a token or a string, inside of a guess.
    const { tokens, text } = await generator.generate(request);
    for (const stop of [text.slice(-9, -6), text.slice(30, 34)])
      expect(await ahead.generate({ ...request, stop: [stop] })).toEqual(
        await generator.generate({ ...request, stop: [stop] }),
      );
    for (const stopTokens of [[tokens.at(-1)!], [tokens[20]!]])
      expect(await ahead.generate({ ...request, stopTokens })).toEqual(
        await generator.generate({ ...request, stopTokens }),
      );

    // In company no guess is made: as many tokens as answers.
    step.mockClear();
    const two = await Promise.all([0, 1].map(() => ahead.generate(request)));
    expect(two.map((answer) => answer.tokens)).toEqual([tokens, tokens]);
    expect(new Set(sizes())).toEqual(new Set([2]));
    step.mockRestore();
    await ahead.dispose();
    await expect(Generator.of(model, device, { draftTokens: 2, promptsApart: true })).rejects.toThrow(UsageError);
  });

  it("reads what prompts have in common once, and waits a little for company", async () => {
    const trunk = first.slice(0, 10);
    const prompts = [[...trunk, ...second], first, trunk, first, [...trunk, second[0]!]];
    const expected = await Promise.all([...prompts, second].map((tokens) => slowGreedy(tokens, 5)));
    const many = await Generator.of(model, device, { weights: "float32", maxBatch: 16 });
    const reads: number[] = [];
    const hidden = vi.spyOn(PackedModel.prototype, "hidden").mockImplementation(function (
      this: PackedModel,
      row,
      more,
    ) {
      reads.push(row.used);
      return read.call(this, row, more);
    });
    const ask = (tokens: number[]) => many.generate({ tokens, ...greedy, maxTokens: 5 });
    const together = await Promise.all(prompts.map(ask));
    expect(together.map(({ tokens }) => tokens)).toEqual(expected.slice(0, -1));
    expect(reads).toEqual([first.length + second.length + 1]);

    // Two prompts that come one step apart while eight answers are being written are read together.
    reads.length = 0;
    const late: Promise<unknown>[] = [];
    await many.generate(
      { tokens: second, ...greedy, n: 8 },
      { onText: (_, answer) => void (answer === 0 && late.length < 2 && late.push(ask([...first, late.length]))) },
    );
    await Promise.all(late);
    expect(reads).toEqual([second.length, first.length + 2]);

    // What was read before, alone or in company, is remembered.
    reads.length = 0;
    const again = await Promise.all([...prompts, second].map(ask));
    expect(again.map(({ tokens }) => tokens)).toEqual(expected);
    expect(reads).toEqual([]);
    hidden.mockRestore();
    await many.dispose();
  });

  it("applies the adapter that is asked for, several at once", async () => {
    const results = await Promise.all(
      ([null, "adapter0", "adapter1", undefined] as const).map((adapter) =>
        generator.generate({ tokens: first, maxTokens: 8, adapter }),
      ),
    );
    const expected = [
      await slowGreedy(first, 8),
      await slowGreedy(first, 8, adapters[0]),
      await slowGreedy(first, 8, adapters[1]),
      await slowGreedy(first, 8, adapters[0]),
    ];
    expect(results.map(({ tokens }) => tokens)).toEqual(expected);
    expect(new Set(expected.map(String)).size).toBe(3);
    await expect(generator.generate({ tokens: first, maxTokens: 1, adapter: "three" })).rejects.toThrow(
      /three is not loaded/,
    );
  });

  it("draws by seed, trial and number of the answer, whatever the company", async () => {
    const request = { tokens: first, adapter: null, maxTokens: 10, temperature: 1.5, seed: 7 };
    const alone = await generator.generate(request);
    const [together, other, many] = await Promise.all([
      generator.generate(request),
      generator.generate({ ...request, trial: 1 }),
      generator.generate({ ...request, n: 3 }),
    ]);
    expect(together.tokens).toEqual(alone.tokens);
    expect(many.tokens).toEqual(alone.tokens);
    const answers = [alone, other, ...many.alternatives!].map(({ tokens }) => String(tokens));
    expect(new Set(answers).size).toBe(4);
    expect(many.outputTokens).toBe(30);
    const unseeded = { ...request, seed: undefined };
    const [a, b] = await Promise.all([generator.generate(unseeded), generator.generate(unseeded)]);
    expect(a.tokens).not.toEqual(b.tokens);
  });

  it("ends at stop tokens and stop strings and streams exactly the text", async () => {
    const whole = await generator.generate({ tokens: first, ...greedy });
    const at = whole.tokens.findIndex((token, i) => i > 2 && whole.tokens.indexOf(token) === i);
    const stopped = await generator.generate({ tokens: first, ...greedy, stopTokens: [whole.tokens[at]!] });
    expect(stopped).toMatchObject({ finishReason: "stop", tokens: whole.tokens.slice(0, at), outputTokens: at + 1 });

    const stop = whole.text.slice(4, 7);
    const end = whole.text.indexOf(stop);
    let streamed = "";
    const cut = await generator.generate(
      { tokens: first, ...greedy, stop: [stop] },
      { onText: (text) => (streamed += text) },
    );
    expect(cut).toMatchObject({ text: whole.text.slice(0, end), finishReason: "stop", stopText: stop });
    expect(streamed).toBe(cut.text);
  });

  it("tells each token as it is made, before its text", async () => {
    const events: string[] = [];
    const answers = [0, 1].map(() => ({ ids: [] as number[], text: "", pieces: "", logprobs: [] as unknown[] }));
    const result = await generator.generate(
      { tokens: first, adapter: null, maxTokens: 6, n: 2, temperature: 1, seed: 3, logprobs: 2 },
      {
        onToken({ id, piece, logprob }, answer) {
          events.push("token");
          answers[answer]!.ids.push(id);
          answers[answer]!.pieces += piece;
          answers[answer]!.logprobs.push(logprob);
        },
        onText(text, answer) {
          events.push("text");
          answers[answer]!.text += text;
        },
      },
    );
    [result, ...result.alternatives!].forEach(({ tokens, text, logprobs }, i) => {
      expect(answers[i]).toEqual({ ids: tokens, text, pieces: text, logprobs });
    });
    expect(events).toEqual(Array.from({ length: 12 }, () => ["token", "text"]).flat());
    await generator.generate(
      { tokens: first, ...greedy, maxTokens: 1 },
      { onToken: (token) => expect(Object.keys(token)).toEqual(["id", "piece"]) },
    );
  });

  it("ends at the model's own end tokens unless told otherwise", async () => {
    const [token] = await slowGreedy(first, 1);
    const ending = await Generator.of(fixtureModel(name, letterTokenizer({ eosIds: [token!] })), device, {
      weights: "float32",
    });
    expect(await ending.generate({ tokens: first, maxTokens: 5 })).toMatchObject({
      text: "",
      finishReason: "stop",
      outputTokens: 1,
    });
    expect((await ending.generate({ tokens: first, maxTokens: 5, ignoreEos: true })).tokens).toHaveLength(5);
    await ending.dispose();
  });

  it("reports the model's own log-probabilities", async () => {
    const request = { tokens: first, adapter: null, maxTokens: 4, logprobs: 3, temperature: 0, presencePenalty: 5 };
    const { tokens, logprobs } = await generator.generate(request);
    const hidden = await packed.hidden(packRow([[...first, ...tokens]]));
    const places = tokens.map((_, i) => first.length - 1 + i);
    const expected = await packed.logProbabilities(hidden, places, tokens);
    logprobs!.forEach(({ logprob, top, token }, i) => {
      expect(logprob).toBeCloseTo(expected.logprobs[i]!, 4);
      expect(token).toBe(model.tokenizer.decode([tokens[i]!]));
      expect(top).toHaveLength(3);
      expect(top[0]!.logprob).toBeGreaterThanOrEqual(top[1]!.logprob);
    });
  });

  it("drops a request that is aborted and goes on with the others", async () => {
    const controller = new AbortController();
    let pieces = 0;
    const aborted = generator.generate(
      { tokens: first, ...greedy, maxTokens: 400 },
      { signal: controller.signal, onText: () => ++pieces === 3 && controller.abort(new Error("enough")) },
    );
    const other = generator.generate({ tokens: second, ...greedy });
    await expect(aborted).rejects.toThrow("enough");
    expect((await other).tokens).toEqual(await slowGreedy(second, 12));
    expect(pieces).toBeLessThan(10);
    await expect(generator.generate({ tokens: first, ...greedy }, { signal: controller.signal })).rejects.toThrow(
      "enough",
    );
  });

  it("ends one request when its listener fails", async () => {
    const failing = generator.generate(
      { tokens: first, ...greedy },
      {
        onText: () => {
          throw new Error("pipe closed");
        },
      },
    );
    const other = generator.generate({ tokens: second, ...greedy });
    await expect(failing).rejects.toThrow("pipe closed");
    expect((await other).tokens).toHaveLength(12);
  });

  it("stops at the model's positions and refuses what cannot be met", async () => {
    const { maxPositions } = base.config;
    const long = Array.from({ length: maxPositions - 3 }, (_, i) => first[i % first.length]!);
    expect(await generator.generate({ tokens: long, ...greedy })).toMatchObject({
      finishReason: "length",
      outputTokens: 3,
    });
    await expect(generator.generate({ tokens: [...long, 1, 2, 3], ...greedy })).rejects.toThrow(/positions|reads/);
    for (const bad of [
      { tokens: [999], maxTokens: 1 },
      { tokens: [1], maxTokens: 0 },
      { tokens: [1], prompt: "x", maxTokens: 1 },
      { maxTokens: 1 },
      { tokens: [1], maxTokens: 1, n: 0 },
      { tokens: [1], maxTokens: 1, topP: 2 },
    ])
      await expect(generator.generate(bad)).rejects.toThrow(UsageError);
  });

  it("gives more answers than it writes at once, from one reading of the prompt", async () => {
    const request = { tokens: first, ...greedy, temperature: 1, seed: 1 };
    const wide = await Generator.of(model, device, { weights: "float32", maxBatch: 16, promptsApart: true });
    const narrow = await Generator.of(model, device, { weights: "float32", maxBatch: 4, promptsApart: true });
    const step = vi.spyOn(Decoder.prototype, "step");
    const hidden = vi.spyOn(PackedModel.prototype, "hidden");
    const [many, other] = await Promise.all([narrow.generate({ ...request, n: 9 }), narrow.generate(request)]);
    expect(Math.max(...step.mock.calls.map(([, tokens]) => tokens.length))).toBeLessThanOrEqual(4);
    expect(hidden).toHaveBeenCalledTimes(1);
    step.mockRestore();
    hidden.mockRestore();
    expect(many).toEqual(await wide.generate({ ...request, n: 9 }));
    expect(other.tokens).toEqual(many.tokens);
    await wide.dispose();
    await narrow.dispose();
  });
});
