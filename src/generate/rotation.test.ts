import { describe, expect, it } from "vitest";
import { fixtureWeights, randomAdapter } from "../../tests/support/fixture-model.js";
import type { Adapter } from "../model/adapter.js";
import { type StandardSettings, standardDecoder, standardSettings } from "../model/architectures/standard.js";
import { blockNorms } from "../model/block-spec.js";
import { ConfigFields } from "../model/config-fields.js";
import type { DecoderConfig } from "../model/decoder-config.js";
import { linearNames } from "../model/decoder-layer.js";
import { type DecoderWeights, embedFrom, type StoredLayer } from "../model/weights.js";
import { Random } from "../random/counter.js";
import { Device } from "../runtime/device.js";
import { Decoder } from "./decoder.js";
import { KvCache } from "./kv-cache.js";
import { hadamard, rotatable, rotateReader } from "./rotation.js";

const device = await Device.open({ threads: 1 });

function normals(key: string, size: number, scale = 1, mean = 0): Float32Array {
  const random = new Random("rotation", key);
  return Float32Array.from({ length: size }, () => mean + scale * random.normal());
}

/** R[i][j]: Sylvester's matrix has the sign of the number of bits that i and j share. */
function rotationAt(i: number, j: number): number {
  if (i >> 6 !== j >> 6) return 0;
  let bits = i & j & 63;
  let sign = 1;
  for (; bits; bits &= bits - 1) sign = -sign;
  return sign / 8;
}

function expectClose(found: Float32Array, expected: (index: number) => number, tolerance = 1e-5): void {
  expect(Math.max(...found.map((value, i) => Math.abs(value - expected(i))))).toBeLessThan(tolerance);
}

describe("the transform", () => {
  it("is its own inverse and keeps lengths", () => {
    for (const width of [1, 5]) {
      const w = normals("inverse", 128 * width);
      const once = hadamard(w, width);
      const square = (x: Float32Array): number => x.reduce((sum, value) => sum + value * value, 0);
      expect(square(once)).toBeCloseTo(square(w), 2);
      expectClose(hadamard(once, width), (i) => w[i]!);
    }
  });

  it("multiplies by the Hadamard matrix from either side, with a norm's gain", () => {
    const [rows, columns] = [128, 192];
    const w = normals("w", rows * columns);
    const sum = (size: number, term: (k: number) => number): number => {
      let total = 0;
      for (let k = 0; k < size; k++) total += term(k);
      return total;
    };
    const [row, column] = [(i: number) => Math.floor(i / columns), (i: number) => i % columns];
    const left = hadamard(w, columns);
    expectClose(left, (i) => sum(rows, (k) => rotationAt(row(i), k) * w[k * columns + column(i)]!));
    const gain = normals("gain", columns);
    for (const g of [gain, undefined]) {
      const right = new Float32Array(w.length);
      rotateReader({ data: w, shape: [rows, columns] }, g).row!(w, right);
      expectClose(right, (i) =>
        sum(columns, (k) => w[row(i) * columns + k]! * (g ? g[k]! : 1) * rotationAt(k, column(i))),
      );
    }
  });
});

/** A model whose hidden size can be rotated; the other sizes fill no whole blocks of 64. */
const settings: StandardSettings = standardSettings(
  "llama",
  new ConfigFields(
    {
      vocab_size: 96,
      hidden_size: 128,
      num_hidden_layers: 2,
      num_attention_heads: 3,
      num_key_value_heads: 1,
      head_dim: 32,
      intermediate_size: 160,
    },
    "test",
  ),
);
const base = standardDecoder(settings);

/** Random weights; `outliers` is the factor of a few channels of the residual stream. */
function randomWeights(config: DecoderConfig, outliers = 1): DecoderWeights {
  const { hiddenSize, vocabSize } = config;
  const layers = Array.from({ length: config.layers }, (_, layer): StoredLayer => {
    const stored: StoredLayer = { linear: new Map(), biases: new Map(), vectors: new Map() };
    for (const {
      name,
      bias,
      shape: [out, width],
    } of config.block.linears) {
      stored.linear.set(name, {
        kind: "float32",
        data: normals(`${layer} ${name}`, out * width, 1 / Math.sqrt(width)),
      });
      if (bias) stored.biases.set(name, normals(`${layer} ${name} bias`, out, 0.5));
    }
    for (const { weight, size, offset } of blockNorms(config.block))
      if (weight) stored.vectors.set(weight, normals(`${layer} ${weight}`, size, 0.3, 1 - offset));
    return stored;
  });
  const embedding = normals("embedding", vocabSize * hiddenSize);
  for (let i = 0; i < embedding.length; i++) if (i % hiddenSize < 3) embedding[i]! *= outliers;
  return {
    config,
    source: "random",
    layers,
    finalNorm: config.finalNorm.weight ? normals("final", hiddenSize, 0.3, 1 - config.finalNorm.offset) : undefined,
    head: normals("head", vocabSize * hiddenSize, 1 / Math.sqrt(hiddenSize)),
    embed: embedFrom(embedding, hiddenSize),
    close: () => {},
  };
}

/** Logits of a few steps of two sequences. */
async function decode(decoder: Decoder, adapter?: Adapter): Promise<Float32Array> {
  const cache = new KvCache(decoder.weights.config);
  cache.reserve(2, 4);
  cache.add(0);
  cache.add(0);
  const logits: number[] = [];
  for (let step = 0; step < 4; step++)
    logits.push(...(await decoder.step(cache, [7 * step + 1, 11 * step + 2], adapter)));
  await decoder.dispose();
  return Float32Array.from(logits);
}

function relativeError(found: Float32Array, expected: Float32Array): number {
  let error = 0;
  let size = 0;
  expected.forEach((value, i) => {
    error += (found[i]! - value) ** 2;
    size += value ** 2;
  });
  return Math.sqrt(error / size);
}

describe("rotated steps", () => {
  const bias = { qkv: true, output: true, mlp: true };
  it.each<[string, Partial<StandardSettings>]>([
    ["Llama", {}],
    ["Qwen 2, with biases everywhere", { bias }],
    ["Qwen 3", { qkNorm: "head", embeddingScale: 3, finalSoftCap: 5 }],
    ["norms without weights", { norm: { ...settings.norm, weighted: false } }],
    ["norms with an offset", { norm: { ...settings.norm, offset: 1 } }],
  ])("compute the same logits in full precision: %s", async (_, fields) => {
    const weights = randomWeights(standardDecoder({ ...settings, ...fields }));
    const adapter = randomAdapter(weights.config, linearNames(base), 3, "rotation");
    const plain: Float32Array[] = [];
    for (const used of [undefined, adapter]) {
      const expected = await decode(new Decoder(weights, device, "float32", { rotated: false }), used);
      const found = await decode(new Decoder(weights, device, "float32", { rotated: true }), used);
      expectClose(found, (i) => expected[i]!, 1e-4);
      plain.push(expected);
    }
    expect(relativeError(plain[0]!, plain[1]!)).toBeGreaterThan(0.1);
  });

  it("lose less to outliers, in blocks of 64, than steps of blocks of 32 that are not rotated", async () => {
    const weights = randomWeights(base, 100);
    const adapter = randomAdapter(base, linearNames(base), 3, "rotation");
    const errors = async (used?: Adapter): Promise<[plain: number, rotated: number]> => {
      const exact = await decode(new Decoder(weights, device, "float32"), used);
      const plain = await decode(new Decoder(weights, device, "int8", { rotated: false }), used);
      const rotated = await decode(new Decoder(weights, device, "int8"), used);
      return [relativeError(plain, exact), relativeError(rotated, exact)];
    };
    const [plain, rotated] = await errors();
    expect(rotated).toBeLessThan(0.7 * plain);
    // This adapter drowns the outliers: what is left of the error is that of the inner activations.
    for (const error of await errors(adapter)) expect(error).toBeLessThan(0.02);
  });

  it("are for 8 bits, and for models with RMS norms before their parts and a stream of whole blocks", async () => {
    const weights = randomWeights(base);
    const steps = (rotated?: boolean) => decode(new Decoder(weights, device, "int4", { rotated }));
    expect(await steps()).toEqual(await steps(false));
    expect(rotatable(base)).toBe(true);
    expect(rotatable({ ...base, hiddenSize: 96 })).toBe(false);
    for (const name of ["gemma2", "olmo", "olmo2"])
      expect(rotatable({ ...fixtureWeights(name).config, hiddenSize: 128 })).toBe(false);
  });
});
