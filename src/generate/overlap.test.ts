/** Calls that overlap give what each gives alone; one that fails fails alone. */
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it, vi } from "vitest";
import { fixtureModel, golden, letterTokenizer, randomAdapter } from "../../tests/support/fixture-model.js";
import { openCheckpoint } from "../checkpoint/open.js";
import { PackedModel } from "../model/packed-model.js";
import { loadDecoderWeights, type Precision } from "../model/weights.js";
import { Device } from "../runtime/device.js";
import { Decoder } from "./decoder.js";
import { Generator, type GeneratorOptions } from "./generator.js";

const device = await Device.open({ threads: 1 });
const base = fixtureModel("llama");
const adapters = [
  randomAdapter(base.config, ["self_attn.q_proj", "self_attn.v_proj"], 4, "one"),
  randomAdapter(base.config, ["mlp.gate_proj", "mlp.down_proj"], 2, "two"),
];
const ids = golden("llama").flatMap((sequence) => sequence.ids);
afterEach(() => void vi.restoreAllMocks());

/** A model whose weights are held with this precision. */
async function open(precision: Precision, options: GeneratorOptions): Promise<Generator> {
  const checkpoint = openCheckpoint(fileURLToPath(new URL("../model/fixtures/llama", import.meta.url)));
  const weights = loadDecoderWeights(checkpoint, { precision });
  checkpoint.close();
  const model = { ...fixtureModel("llama", letterTokenizer({ eosIds: [] }), adapters), weights };
  return Generator.of(model, device, options);
}

const text = (from: number, length: number): string =>
  String.fromCharCode(...Array.from({ length }, (_, i) => 40 + ((from * 31 + i * 7) % 80)));

/** 30 calls of both kinds, with both adapters and none, prompts of 3 to 60 tokens. */
function calls(generator: Generator): (() => Promise<unknown>)[] {
  return Array.from({ length: 30 }, (_, i) => {
    const adapter = [null, "adapter0", "adapter1"][i % 3];
    if (i % 5 === 4) {
      const pairs = [0, 1, 2].map((j) => ({ context: text(i, 5 + 9 * (i % 4)), continuation: text(i + j, 4 + j) }));
      return () => generator.score(pairs, { adapter });
    }
    const tokens = Array.from({ length: 3 + ((i * 17) % 58) }, (_, j) => ids[(i * 5 + j) % ids.length]!);
    const sampling = i % 2 ? { temperature: 1, seed: i } : {};
    return () => generator.generate({ tokens, adapter, maxTokens: 4 + (i % 9), logprobs: 1, ...sampling });
  });
}

const tokensOf = (result: unknown): unknown => (result as { tokens?: number[] }).tokens ?? result;

/** Numbers 1e-4 apart count as equal. */
function expectClose(found: unknown, expected: unknown): void {
  if (typeof expected === "number") expect(Math.abs((found as number) - expected)).toBeLessThan(1e-4);
  else if (typeof expected !== "object" || expected === null) expect(found).toEqual(expected);
  else {
    expect(Object.keys(found as object)).toEqual(Object.keys(expected));
    for (const [key, value] of Object.entries(expected)) expectClose((found as Record<string, unknown>)[key], value);
  }
}

describe("overlapping calls", () => {
  it.each([
    ["float32", "float32"],
    ["int8", "int8"],
    ["nf4", "int8"],
    ["nf4", "int4"],
  ] as const)("give the bits of each alone: %s weights, %s steps", async (precision, weights) => {
    const options = { weights, maxBatch: 8, promptsApart: true } as const;
    const [alone, together] = await Promise.all([open(precision, options), open(precision, options)]);
    const expected: unknown[] = [];
    for (const call of calls(alone)) expected.push(await call());
    const found = await Promise.all(calls(together).map((call) => call()));
    expect(found.map(tokensOf)).toEqual(expected.map(tokensOf));
    // On processors without AVX-512 the runtime's product for 4-bit weights sums one row in another order than several.
    if (weights === "int4") expectClose(found, expected);
    else expect(found).toEqual(expected);
    await alone.dispose();
    await together.dispose();
  });

  it("give the tokens of each alone when prompts are read together", async () => {
    const [alone, together] = await Promise.all([open("nf4", {}), open("nf4", {})]);
    const expected: unknown[] = [];
    for (const call of calls(alone)) expected.push(tokensOf(await call()));
    expect((await Promise.all(calls(together).map((call) => call()))).map(tokensOf)).toEqual(expected);
    await alone.dispose();
    await together.dispose();
  });

  it("use more compiled graphs than are kept", async () => {
    const generator = await open("int8", { promptsApart: true });
    const lengths = [1, 40, 80, 140, 230, 340, 400, 450];
    const score = (length: number) => generator.score([{ context: text(3, length), continuation: text(length, 3) }]);
    const expected = [];
    for (const length of lengths) expected.push(await score(length));
    expect(await Promise.all(lengths.map(score))).toEqual(expected);
    await generator.dispose();
  });
});

describe("one call that fails", () => {
  const options = { weights: "float32", maxBatch: 8 } as const;
  const prompts = [0, 1, 2, 3].map((i) => ids.slice(5 * i, 5 * i + 6));
  const ask = (generator: Generator, tokens: number[]) =>
    generator.generate({ tokens, adapter: null, maxTokens: 6 }).then(({ tokens }) => tokens);

  async function expectOnlyThird(generator: Generator, fault: () => void, message: string): Promise<void> {
    const quiet = await open("float32", options);
    const expected = await Promise.all(prompts.map((prompt) => ask(quiet, prompt)));
    await quiet.dispose();
    fault();
    const outcomes = await Promise.allSettled(prompts.map((prompt) => ask(generator, prompt)));
    expect(
      outcomes.map((outcome) => (outcome.status === "fulfilled" ? outcome.value : outcome.reason.message)),
    ).toEqual(expected.map((tokens, i) => (i === 2 ? message : tokens)));
    vi.restoreAllMocks();
    expect(await ask(generator, prompts[2]!)).toEqual(expected[2]);
    await generator.dispose();
  }

  it("in a step that it shares leaves the others right", async () => {
    const generator = await open("float32", options);
    const { step } = Decoder.prototype;
    // The first number of its keys tells the third sequence.
    let marked: number | undefined;
    await expectOnlyThird(
      generator,
      () =>
        vi.spyOn(Decoder.prototype, "step").mockImplementation(async function (this: Decoder, cache, tokens, adapter) {
          marked ??= cache.slots === prompts.length ? cache.keys[0]![2 * cache.slotSize] : undefined;
          for (let slot = 0; slot < cache.slots; slot++)
            if (marked !== undefined && cache.keys[0]![slot * cache.slotSize] === marked) throw new Error("no memory");
          return step.call(this, cache, tokens, adapter);
        }),
      "no memory",
    );
  });

  it("in a row that it shares leaves the others right", async () => {
    const generator = await open("float32", options);
    const { hidden } = PackedModel.prototype;
    const third = prompts[2]!.join();
    await expectOnlyThird(
      generator,
      () =>
        vi.spyOn(PackedModel.prototype, "hidden").mockImplementation(async function (this: PackedModel, row, more) {
          if (row.tokens.join().includes(third)) throw new Error("no memory");
          return hidden.call(this, row, more);
        }),
      "no memory",
    );
  });

  it("because its graph does not compile is tried again next time", async () => {
    const generator = await open("float32", options);
    const compile = vi.spyOn(device, "compile").mockRejectedValueOnce(new Error("no memory"));
    await expect(ask(generator, prompts[0]!)).rejects.toThrow("no memory");
    expect(await ask(generator, prompts[0]!)).toHaveLength(6);
    compile.mockRejectedValueOnce(new Error("no memory"));
    await expect(generator.generate({ tokens: prompts[0]!, adapter: "adapter0", maxTokens: 3 })).rejects.toThrow(
      "no memory",
    );
    expect((await generator.generate({ tokens: prompts[0]!, adapter: "adapter0", maxTokens: 3 })).tokens).toHaveLength(
      3,
    );
    await generator.dispose();
  });
});
