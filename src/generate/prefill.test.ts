import { afterAll, describe, expect, it, vi } from "vitest";
import {
  fixtureModel,
  fixtureNames,
  fixtureWeights,
  golden,
  letterTokenizer,
  randomAdapter,
} from "../../tests/support/fixture-model.js";
import { PackedModel } from "../model/packed-model.js";
import { Device } from "../runtime/device.js";
import { Generator } from "./generator.js";
import { prefill } from "./prefill.js";
import { PrefixCache } from "./prefix-cache.js";

const device = await Device.open({ threads: 1 });
const largest = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.max(...Array.from(a, (x, i) => Math.abs(x - b[i]!)));

describe("a prompt that goes on where another text ended", () => {
  it.each(fixtureNames)("%s: the logits and keys of reading it all", async (name) => {
    const weights = fixtureWeights(name);
    const model = new PackedModel(weights, device);
    const ids = golden(name).flatMap((sequence) => sequence.ids);
    const long = [...ids, ...ids, ...ids].slice(0, 128);
    const { attention, mlp } = weights.config.block;
    const adapter = randomAdapter(weights.config, [attention.qkv[0]!, mlp.input[0]!], 3, name);
    const rows = vi.spyOn(model, "hidden");
    for (const wanted of [undefined, adapter]) {
      const memory = new PrefixCache(1e9);
      const options = { adapter: wanted, memory, continues: true };
      await prefill(model, [[...long.slice(0, 60), 1, 2, 3]], options);
      for (const [length, read] of [
        [90, 30],
        [128, 38],
        [100, 1],
      ] as const) {
        const prompt = long.slice(0, length);
        const [whole] = await prefill(model, [prompt], { adapter: wanted });
        rows.mockClear();
        const [continued] = await prefill(model, [prompt], options);
        expect(rows.mock.calls.map(([row]) => row.used)).toEqual([read]);
        expect(largest(continued!.logits, whole!.logits)).toBeLessThan(1e-4);
        const [found, expected] = [continued!, whole!].map(({ cache }) => cache.extract(0, length));
        for (let layer = 0; layer < weights.config.layers; layer++)
          for (const part of ["keys", "values"] as const)
            expect(largest(found![part][layer]!, expected![part][layer]!)).toBeLessThan(1e-4);
      }
    }
    await model.dispose();
  });

  it("is read in parts where much is new", async () => {
    const weights = fixtureWeights("llama");
    const model = new PackedModel({ ...weights, config: { ...weights.config, maxPositions: 2048 } }, device);
    const ids = golden("llama").flatMap((sequence) => sequence.ids);
    const long = Array.from({ length: 1400 }, (_, i) => ids[(i * 7) % ids.length]!);
    const memory = new PrefixCache(1e9);
    await prefill(model, [long.slice(0, 40)], { memory, continues: true });
    const rows = vi.spyOn(model, "hidden");
    const [continued] = await prefill(model, [long], { memory, continues: true });
    expect(rows.mock.calls.map(([row]) => row.used)).toEqual([512, 512, 336]);
    const [whole] = await prefill(model, [long]);
    expect(largest(continued!.logits, whole!.logits)).toBeLessThan(1e-4);
    await model.dispose();
  });
});

describe("a conversation's next turn", async () => {
  const model = fixtureModel("llama", letterTokenizer({ eosIds: [] }));
  const ids = golden("llama").flatMap((sequence) => sequence.ids);
  const quiet = await Generator.of(model, device, { weights: "float32", promptsApart: true });
  afterAll(() => quiet.dispose());

  it.each([1, 4])("reads what is new, in a batch of at most %d", async (maxBatch) => {
    const chat = await Generator.of(model, device, { weights: "float32", maxBatch });
    const rows = vi.spyOn(PackedModel.prototype, "hidden");
    const reads = (): number[] => rows.mock.calls.splice(0).map(([row]) => row.used);
    let conversation = ids.slice(0, 40);
    const sizes: number[] = [];
    for (let turn = 0; turn < 4; turn++) {
      const request = { tokens: conversation, maxTokens: 8 };
      const { tokens } = await chat.generate(request);
      sizes.push(...reads());
      expect((await quiet.generate(request)).tokens).toEqual(tokens);
      reads();
      conversation = [...conversation, ...tokens, ...ids.slice(5 * turn, 5 * turn + 10)];
    }
    // The last token of an answer was never read.
    expect(sizes).toEqual([40, 11, 11, 11]);
    rows.mockRestore();
    await chat.dispose();
  });

  it("depends on nothing that was asked before when prompts are read apart", async () => {
    const rows = vi.spyOn(PackedModel.prototype, "hidden");
    const { tokens } = await quiet.generate({ tokens: ids.slice(0, 44), maxTokens: 8 });
    await quiet.generate({ tokens: [...ids.slice(0, 44), ...tokens, 5], maxTokens: 2 });
    expect(rows.mock.calls.map(([row]) => row.used)).toEqual([44, 53]);
    rows.mockRestore();
  });
});
