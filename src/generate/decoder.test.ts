import { describe, expect, it } from "vitest";
import { fixtureNames, fixtureWeights, golden, randomAdapter } from "../../tests/support/fixture-model.js";
import { PackedModel } from "../model/packed-model.js";
import { packRow } from "../model/packed-row.js";
import type { DecoderWeights } from "../model/weights.js";
import { dequantizeBlocks, quantizeBlocks } from "../quant/block-quant.js";
import { Device } from "../runtime/device.js";
import { Decoder } from "./decoder.js";
import { KvCache } from "./kv-cache.js";
import { prefill } from "./prefill.js";

const device = await Device.open({ threads: 1 });

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Math.max(...Array.from(a, (x, i) => Math.abs(x - b[i]!)));
}

/** Both sequences of a fixture, token by token from an empty cache, the second one joining later. */
async function decodeAll(decoder: Decoder, sequences: readonly (readonly number[])[]): Promise<Float32Array[][]> {
  const { vocabSize } = decoder.weights.config;
  const cache = new KvCache(decoder.weights.config);
  cache.reserve(1, 1);
  cache.add(0);
  const [first, second] = sequences as [number[], number[]];
  const logits: Float32Array[][] = [[], []];
  const late = 3;
  for (let step = 0; step < Math.max(first.length, second.length + late); step++) {
    if (step === late) {
      cache.reserve(2, 1);
      cache.add(0);
    }
    const tokens = [first[step] ?? 0, ...(step >= late ? [second[step - late] ?? 0] : [])];
    const result = await decoder.step(cache, tokens);
    tokens.forEach((_, slot) => void logits[slot]!.push(result.slice(slot * vocabSize, (slot + 1) * vocabSize)));
  }
  return logits;
}

describe("decoding steps against transformers (fp32)", () => {
  it.each(fixtureNames)("%s", async (name) => {
    const weights = fixtureWeights(name);
    const decoder = new Decoder(weights, device, "float32");
    const sequences = golden(name);
    const found = await decodeAll(
      decoder,
      sequences.map(({ ids }) => ids),
    );
    sequences.forEach(({ ids, logits }, s) => {
      logits.forEach((expected, i) => {
        const at = ids.length - logits.length + i;
        expect(largestDifference(expected, found[s]![at]!)).toBeLessThan(1e-4);
      });
    });
    await decoder.dispose();
  });
});

describe("several tokens of one sequence in a step", () => {
  it.each(fixtureNames)("%s: as one after the other, and as if wrong ones had not been", async (name) => {
    const weights = fixtureWeights(name);
    const { vocabSize } = weights.config;
    const one = new Decoder(weights, device, "float32");
    const several = new Decoder(weights, device, "float32", { several: true });
    const { ids } = golden(name)[0]!;
    const caches = [new KvCache(weights.config), new KvCache(weights.config)] as const;
    for (const cache of caches) {
      cache.reserve(1, 1);
      cache.add(0);
    }
    let at = 0;
    for (let count = 1; at < ids.length; at += count, count = (count % 5) + 1) {
      const right = ids.slice(at, at + count);
      const wrong = [(ids[at]! + 7) % vocabSize, 3];
      const found = (await several.step(caches[1], [...right, ...wrong])).slice();
      caches[1].drop(0, wrong.length);
      for (const [i, token] of right.entries()) {
        const expected = await one.step(caches[0], [token]);
        expect(largestDifference(expected, found.subarray(i * vocabSize, (i + 1) * vocabSize))).toBeLessThan(1e-4);
      }
    }
    caches[1].reserve(2, 1);
    caches[1].add(0);
    await expect(several.step(caches[1], [1, 2, 3, 4])).rejects.toThrow("4 tokens for 2 slots");
    await expect(one.step(caches[0], [1, 2])).rejects.toThrow("2 tokens for 1 slots");
    await one.dispose();
    await several.dispose();
  });
});

/** The same model with weights rounded as the quantised steps hold them. */
function rounded(weights: DecoderWeights, bits: 4 | 8): DecoderWeights {
  const { hiddenSize, vocabSize } = weights.config;
  return {
    ...weights,
    head: dequantizeBlocks(quantizeBlocks(weights.head, [vocabSize, hiddenSize], 8)),
    layers: weights.layers.map((layer) => ({
      ...layer,
      linear: new Map(
        [...layer.linear].map(([name, stored]) => {
          if (stored.kind !== "float32") throw new Error("fixtures are float32");
          const { data } = stored;
          const width =
            name === "mlp.down_proj"
              ? weights.config.block.mlp.width
              : name === "self_attn.o_proj"
                ? weights.config.heads * weights.config.headDim
                : hiddenSize;
          return [
            name,
            {
              kind: "float32" as const,
              data: dequantizeBlocks(quantizeBlocks(data, [data.length / width, width], bits)),
            },
          ];
        }),
      ),
    })),
  };
}

describe("quantised steps", () => {
  // The products round their inputs to 8 bits as well; a wrong layout of codes would be off by the size of the logits.
  it.each([
    ["int8", "llama"],
    ["int8", "qwen2"],
    ["int8", "gemma2"],
    ["int4", "llama"],
    ["int4", "olmo2"],
  ] as const)("%s %s follows full-precision steps over the rounded weights", async (precision, name) => {
    const weights = fixtureWeights(name);
    const quantised = new Decoder(weights, device, precision);
    const reference = new Decoder(rounded(weights, precision === "int8" ? 8 : 4), device, "float32");
    const ids = golden(name).map((sequence) => sequence.ids);
    const found = (await decodeAll(quantised, ids)).flat();
    const expected = (await decodeAll(reference, ids)).flat();
    let error = 0;
    let size = 0;
    found.forEach((logits, i) => {
      logits.forEach((x, j) => {
        error += (x - expected[i]![j]!) ** 2;
        size += expected[i]![j]! ** 2;
      });
    });
    expect(Math.sqrt(error / size)).toBeLessThan(0.03);
    await quantised.dispose();
    await reference.dispose();
  });
});

describe("cache", () => {
  it("continues prompts read in one packed row, with an adapter, as if all was read at once", async () => {
    for (const name of ["llama", "gemma2"]) {
      const weights = fixtureWeights(name);
      const adapter = randomAdapter(weights.config, ["self_attn.q_proj", "mlp.down_proj"], 3, name);
      const model = new PackedModel(weights, device);
      const decoder = new Decoder(weights, device, "float32");
      const [a, b] = golden(name).map(({ ids }) => ids) as [number[], number[]];
      const whole = [a.slice(0, 20), b.slice(0, 15), [...a, ...b]];
      const prompts = [whole[0]!.slice(0, 17), whole[1]!.slice(0, 12), whole[2]!.slice(0, 50)];
      const cache = new KvCache(weights.config);
      cache.reserve(3, 51);
      for (const read of await prefill(model, prompts, { adapter })) cache.adopt(read.cache, 0);
      // The last slot takes the place of the one that leaves.
      cache.remove(1);
      let logits = new Float32Array(0);
      for (let step = 0; step < 3; step++)
        logits = (await decoder.step(cache, [whole[0]![17 + step]!, whole[2]![50 + step]!], adapter)).slice();
      const full = [whole[0]!, whole[2]!.slice(0, 53)];
      const hidden = await model.hidden(packRow(full), { adapter });
      const expected = await model.logits(hidden, [19, 72]);
      expect(largestDifference(expected, logits)).toBeLessThan(1e-4);
      const plain = await model.logits(await model.hidden(packRow(full)), [19, 72]);
      expect(largestDifference(plain, logits)).toBeGreaterThan(0.01);
      await model.dispose();
      await decoder.dispose();
    }
  });

  it("keeps its contents when it grows, shrinks and copies", () => {
    const config = fixtureWeights("llama").config;
    const cache = new KvCache(config);
    const width = config.kvHeads * config.headDim;
    const number = (layer: number, slot: number, position: number, i: number): number =>
      layer + slot * 10 + position * 100 + i * 10_000;
    const row = (layer: number, slot: number, tokens: number, sign: number): Float32Array =>
      Float32Array.from(
        { length: tokens * width },
        (_, i) => sign * number(layer, slot, Math.floor(i / width), i % width),
      );
    cache.reserve(2, 40);
    for (const slot of [0, 1]) {
      cache.add(40);
      for (let layer = 0; layer < config.layers; layer++)
        cache.fill(slot, layer, { k: row(layer, slot, 40, 1), v: row(layer, slot, 40, -1) }, 0, 40);
    }
    cache.reserve(3, 300);
    cache.adopt(cache.extract(0), 0);
    cache.remove(0); // the copy moves to slot 0
    cache.reserve(2, 41);
    const { headDim } = config;
    for (let layer = 0; layer < config.layers; layer++) {
      const { keys, values } = cache.views(layer);
      for (const slot of [0, 1])
        for (let p = 0; p < 40; p++)
          for (let i = 0; i < width; i++) {
            const head = Math.floor(i / headDim);
            const at = slot * cache.slotSize + (head * cache.capacity + p) * headDim + (i % headDim);
            expect(keys[at]).toBe(number(layer, slot, p, i));
            expect(values[at]).toBe(-number(layer, slot, p, i));
          }
    }
    expect(cache.slots).toBe(2);
  });
});
