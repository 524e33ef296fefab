import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it, vi } from "vitest";
import { fixtureNames, fixtureWeights, golden, randomAdapter } from "../../../tests/support/fixture-model.js";
import { assemble } from "../../../tools/wasm/assemble.js";
import { FailureError } from "../../errors.js";
import { type Adapter, largestRank } from "../../model/adapter.js";
import { decoderConfig } from "../../model/architectures/index.js";
import type { DecoderConfig } from "../../model/decoder-config.js";
import { linearNames, linearShape } from "../../model/decoder-layer.js";
import type { DecoderWeights } from "../../model/weights.js";
import { dequantizeBlocks, quantizeBlocks } from "../../quant/block-quant.js";
import { Device } from "../../runtime/device.js";
import { Decoder } from "../decoder.js";
import { KvCache } from "../kv-cache.js";
import type { StepDecoder } from "../step-decoder.js";
import { dispatcherText } from "./operations.js";
import { SoloDecoder, soloFits } from "./solo-decoder.js";
import { blocking, SoloMemory, STATE } from "./solo-memory.js";
import { SOLO_WASM } from "./solo-wasm.js";

const device = await Device.open({ threads: 1 });
const names = fixtureNames.filter((name) => soloFits(fixtureWeights(name).config));

/** A decoder that no step may be left to. */
const none: StepDecoder = {
  weightBytes: 0,
  step: () => Promise.reject(new Error("left to the other decoder")),
  dispose: () => Promise.resolve(),
};

function rounded(weights: DecoderWeights): DecoderWeights {
  const { config, layers, head } = weights;
  const round = (data: Float32Array, shape: [number, number]): Float32Array =>
    dequantizeBlocks(quantizeBlocks(data, shape, 8, blocking(shape[1]).block));
  return {
    ...weights,
    head: round(head, [config.vocabSize, config.hiddenSize]),
    layers: layers.map((layer) => ({
      ...layer,
      linear: new Map(
        [...layer.linear].map(([name, stored]) => {
          if (stored.kind !== "float32") throw new Error("fixtures are float32");
          return [name, { kind: "float32" as const, data: round(stored.data, linearShape(config, name)) }];
        }),
      ),
    })),
  };
}

function roundedAdapter(config: DecoderConfig, adapter: Adapter): Adapter {
  const round = (data: Float32Array, shape: [number, number]): Float32Array =>
    dequantizeBlocks(quantizeBlocks(data, shape, 8, blocking(shape[1]).block));
  const rank = largestRank(adapter.shape);
  const layers = adapter.layers.map(
    (factors) =>
      new Map(
        [...factors].map(([name, { a, b }]) => {
          const [out, width] = linearShape(config, name);
          return [name, { a: round(a, [rank, width]), b: round(b, [out, rank]) }];
        }),
      ),
  );
  return { ...adapter, layers };
}

function emptyCache(weights: DecoderWeights): KvCache {
  const cache = new KvCache(weights.config);
  cache.reserve(1, 1);
  cache.add(0);
  return cache;
}

async function decode(decoder: StepDecoder, cache: KvCache, ids: readonly number[], adapter?: Adapter) {
  const logits: Float32Array[] = [];
  for (const id of ids) logits.push((await decoder.step(cache, [id], adapter)).slice());
  return logits;
}

function largestDifference(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  let largest = 0;
  a.forEach((row, i) => void row.forEach((x, j) => void (largest = Math.max(largest, Math.abs(x - b[i]![j]!)))));
  return largest;
}

it("runs the module that solo.wat gives", async () => {
  expect(Buffer.from(await assemble(fileURLToPath(new URL("./solo.wat", import.meta.url)))).toString("base64")).toBe(
    SOLO_WASM,
  );
});

describe("steps of one sequence without a graph", () => {
  it.each(names)("%s: the graph's logits with the same rounded weights, whatever the threads", async (name) => {
    const weights = fixtureWeights(name);
    const { ids } = golden(name)[0]!;
    const graph = new Decoder(rounded(weights), device, "float32");
    const caches = [1, 2, 3].map(() => emptyCache(weights));
    const expected = await decode(graph, emptyCache(weights), ids);
    const found: Float32Array[][] = [];
    for (const threads of [1, 2, 3]) {
      const solo = new SoloDecoder(weights, threads, none);
      found.push(await decode(solo, caches[threads - 1]!, ids));
      await solo.dispose();
    }
    expect(largestDifference(expected, found[0]!)).toBeLessThan(3e-3);
    expect(largestDifference(found[0]!, found[1]!)).toBeLessThan(1e-3);
    expect(largestDifference(found[0]!, found[2]!)).toBeLessThan(1e-3);
    expect(caches[0]!.lengths).toEqual([ids.length]);
    await graph.dispose();
  });

  it("applies adapters, one after the other, of ranks in and beyond a block", async () => {
    const weights = fixtureWeights("llama");
    const { ids } = golden("llama")[0]!;
    const one = randomAdapter(weights.config, ["self_attn.q_proj", "self_attn.v_proj"], 4, "one");
    const two = randomAdapter(weights.config, linearNames(weights.config), 80, "two");
    const graph = new Decoder(rounded(weights), device, "float32");
    const solo = new SoloDecoder(weights, 2, none);
    const plain = await decode(solo, emptyCache(weights), ids);
    for (const adapter of [one, two, one]) {
      const factors = roundedAdapter(weights.config, adapter);
      const expected = await decode(graph, emptyCache(weights), ids, factors);
      const found = await decode(solo, emptyCache(weights), ids, adapter);
      const size = Math.max(...expected.flatMap((row) => Array.from(row, Math.abs)));
      expect(largestDifference(expected, found) / size).toBeLessThan(3e-3);
      expect(largestDifference(plain, found) / size).toBeGreaterThan(1e-1);
    }
    await solo.dispose();
    await graph.dispose();
  });

  it("follows what happens to the cache: dropped positions, another sequence, another cache", async () => {
    const weights = fixtureWeights("llama");
    const [first, second] = golden("llama").map(({ ids }) => ids.slice(0, 12)) as [number[], number[]];
    const solo = new SoloDecoder(weights, 2, none);
    const one = await decode(solo, emptyCache(weights), first);
    const two = await decode(solo, emptyCache(weights), second);
    const cache = emptyCache(weights);
    await decode(solo, cache, [...first.slice(0, 6), 7, 8]);
    cache.drop(0, 2);
    expect(await decode(solo, cache, first.slice(6))).toEqual(one.slice(6));
    cache.remove(0);
    cache.add(0);
    expect(await decode(solo, cache, second)).toEqual(two);
    await solo.dispose();
  });

  it("has room for as many positions as come", async () => {
    const weights = fixtureWeights("qwen3");
    const ids = Array.from({ length: 1100 }, (_, i) => (i * 37) % 200);
    const graph = new Decoder(rounded(weights), device, "float32");
    const solo = new SoloDecoder(weights, 2, none);
    const expected = await decode(graph, emptyCache(weights), ids);
    expect(largestDifference(expected, await decode(solo, emptyCache(weights), ids))).toBeLessThan(3e-3);
    await solo.dispose();
    await graph.dispose();
  });

  it("leaves several sequences or tokens, and what it has no memory for, to the other decoder", async () => {
    const weights = fixtureWeights("llama");
    const other = new Decoder(weights, device, "float32", { several: true });
    const left = vi.spyOn(other, "step");
    const solo = new SoloDecoder(weights, 1, other);
    const cache = emptyCache(weights);
    await solo.step(cache, [1]);
    expect(left).not.toHaveBeenCalled();
    await solo.step(cache, [2, 3]);
    cache.reserve(2, 4);
    cache.adopt(cache.extract(0), 0);
    await solo.step(cache, [4, 5]);
    expect(left).toHaveBeenCalledTimes(2);
    await solo.dispose();

    const small = vi.spyOn(SoloMemory.prototype, "take").mockImplementation(() => {
      throw new FailureError("no memory");
    });
    const without = new SoloDecoder(weights, 1, other);
    await without.step(emptyCache(weights), [1]);
    small.mockRestore();
    await without.step(emptyCache(weights), [1]);
    expect(left).toHaveBeenCalledTimes(4);
    await without.dispose();
  });

  it("leaves the steps to the other decoder when a thread has failed", async () => {
    const weights = fixtureWeights("llama");
    const other = new Decoder(weights, device, "float32");
    const left = vi.spyOn(other, "step");
    const solo = new SoloDecoder(weights, 2, other);
    const cache = emptyCache(weights);
    await solo.step(cache, [1]);
    // The second thread's program is put where there is no memory.
    const { written } = await (solo as unknown as { opening: Promise<{ written: { parts: number[][] } }> }).opening;
    written.parts[0]![1] = -64;
    const expected = emptyCache(weights);
    await other.step(expected, [1]);
    left.mockClear();
    const after = (await solo.step(cache, [2])).slice();
    await solo.step(cache, [3]);
    expect(left).toHaveBeenCalledTimes(2);
    expect(cache.lengths).toEqual([3]);
    expect(largestDifference([await other.step(expected, [2])], [after])).toBeLessThan(0.1);
    await solo.dispose();
  });

  it("does not wait for a thread that failed before this one came to the barrier", async () => {
    const weights = fixtureWeights("llama");
    const other = new Decoder(weights, device, "float32");
    const solo = new SoloDecoder(weights, 2, other);
    const cache = emptyCache(weights);
    await solo.step(cache, [1]);
    // What a failing thread leaves behind.
    const { memory } = await (solo as unknown as { opening: Promise<{ memory: SoloMemory }> }).opening;
    const state = memory.words(0, STATE.programs);
    Atomics.store(state, STATE.stop, 1);
    Atomics.add(state, STATE.barrier, 1);
    const left = vi.spyOn(other, "step");
    await solo.step(cache, [2]);
    expect(left).toHaveBeenCalledTimes(1);
    await solo.dispose();
  });

  it("makes room for an adapter by forgetting others, and does not try at every token what does not fit", async () => {
    const weights = fixtureWeights("llama");
    const other = new Decoder(weights, device, "float32");
    const left = vi.spyOn(other, "step");
    const solo = new SoloDecoder(weights, 1, other);
    const [one, two] = ["one", "two"].map((key) => randomAdapter(weights.config, ["mlp.up_proj"], 2, key));
    await solo.step(emptyCache(weights), [1], one);
    const { take } = SoloMemory.prototype;
    const linear = vi.spyOn(SoloMemory.prototype, "linear");
    // The next allocation fails, once: room for the second adapter is there without the first.
    vi.spyOn(SoloMemory.prototype, "take").mockImplementationOnce(() => {
      throw new FailureError("no memory");
    });
    const cache = emptyCache(weights);
    await solo.step(cache, [1], two);
    expect(left).not.toHaveBeenCalled();
    vi.spyOn(SoloMemory.prototype, "take").mockImplementation(function (this: SoloMemory, bytes) {
      if (bytes > 0) throw new FailureError("no memory");
      return take.call(this, bytes);
    });
    linear.mockClear();
    const full = emptyCache(weights);
    for (const token of [1, 2, 3, 4]) await solo.step(full, [token], one);
    expect(left).toHaveBeenCalledTimes(4);
    expect(linear.mock.calls.length).toBeLessThanOrEqual(2);
    vi.restoreAllMocks();
    await solo.dispose();
  });
});

it("writes run.wat from the table of operations", () => {
  expect(readFileSync(new URL("run.wat", import.meta.url), "utf8")).toBe(dispatcherText());
});

it("knows which models it can take", () => {
  expect(soloFits(fixtureWeights("llama").config)).toBe(true);
  expect(soloFits(fixtureWeights("llama-bias").config)).toBe(false);
  const llama = (hidden: number, intermediate: number, heads: number, layers: number, more = {}) =>
    decoderConfig(
      {
        model_type: "llama",
        vocab_size: 128_256,
        hidden_size: hidden,
        intermediate_size: intermediate,
        num_hidden_layers: layers,
        num_attention_heads: heads,
        num_key_value_heads: 8,
        head_dim: 128,
        ...more,
      },
      "test",
    );
  // The shapes of Llama 3.2 3B and of Llama 3.1 8B.
  expect(soloFits(llama(3072, 8192, 24, 28))).toBe(true);
  expect(soloFits(llama(4096, 14_336, 32, 32))).toBe(false);
  expect(soloFits(llama(3072, 8192, 24, 28, { hidden_act: "gelu" }))).toBe(false);
  expect(soloFits(llama(3072, 8192, 24, 28, { head_dim: 4 }))).toBe(false);
});
