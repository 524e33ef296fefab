/** One tiny model of each family against transformers, PEFT and bitsandbytes (tools/golden/peft_families.py). */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openCheckpoint } from "../checkpoint/open.js";
import { SafetensorsFile } from "../checkpoint/safetensors.js";
import { Decoder } from "../generate/decoder.js";
import { KvCache } from "../generate/kv-cache.js";
import type { Adapter } from "../model/adapter.js";
import { PackedModel } from "../model/packed-model.js";
import { packRow } from "../model/packed-row.js";
import { type DecoderWeights, loadDecoderWeights, type Precision } from "../model/weights.js";
import { loadAdapter, saveAdapter } from "../peft/adapter-io.js";
import { mergeAdapter } from "../peft/merge.js";
import { adapterShape } from "../peft/targets.js";
import { Device } from "../runtime/device.js";
import { trainingRow } from "./examples.js";
import { AdamW } from "./optimiser.js";
import { newAdapter, readAdapter } from "./parameter-store.js";
import { TrainingModel } from "./training-model.js";

interface Family {
  losses: number[];
  gradNorms: number[];
  /** Names and shapes in the adapter that PEFT saves. */
  tensors: Record<string, number[]>;
  base: { greedy: number[]; logits: number[] };
  adapter: { greedy: number[]; logits: number[] };
  /** Logits with quantised linear layers. */
  nf4: number[];
  int8: number[];
}

const golden = JSON.parse(
  readFileSync(fileURLToPath(new URL("./fixtures/families.json", import.meta.url)), "utf8"),
) as {
  optimiser: { lr: number; maxGradNorm: number };
  lora: { r: number; alpha: number };
  prompt: number[];
  /** Every how manieth logit was kept. */
  stride: number;
  batches: { ids: number[]; labels: number[] }[][];
  families: Record<string, Family>;
};
const models = fileURLToPath(new URL("../model/fixtures/", import.meta.url));
const root = mkdtempSync(join(tmpdir(), "evoke-families-"));
afterAll(() => rmSync(root, { recursive: true }));
let device: Device;
beforeAll(async () => {
  device = await Device.open({ threads: 1 });
});

function open(folder: string, precision: Precision = "float32"): DecoderWeights {
  const checkpoint = openCheckpoint(folder);
  try {
    return loadDecoderWeights(checkpoint, { precision });
  } finally {
    checkpoint.close();
  }
}

/** The adapter that both sides start from: A by a formula over the modules in order of names, B zero. */
function firstAdapter(weights: DecoderWeights): Adapter {
  const settings = { ...golden.lora, dropout: 0, target_modules: "all-linear" } as const;
  const adapter = newAdapter(weights, adapterShape(weights.config, settings), 0);
  const factors = adapter.layers.flatMap((layer, i) => [...layer].map(([name, { a }]) => [`${i}.${name}`, a] as const));
  for (const [m, [, a]] of factors.sort(([x], [y]) => (x < y ? -1 : 1)).entries())
    for (let i = 0; i < a.length; i++) a[i] = (((37 * i + 11 * m) % 101) - 50) / 100;
  return adapter;
}

async function train(weights: DecoderWeights, adapter: Adapter, steps: number) {
  const model = await TrainingModel.create(device, weights, { adapter, keptLayers: 1 });
  const optimiser = new AdamW(device, { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 });
  const losses: number[] = [];
  const norms: number[] = [];
  for (let step = 0; step < steps; step++) {
    const examples = golden.batches[step % golden.batches.length]!.map(({ ids, labels }, index) => ({
      tokens: Int32Array.from(ids),
      mask: Uint8Array.from(labels, (label) => (label === -100 ? 0 : 1)),
      index,
    }));
    const targets = examples.reduce((sum, { mask }) => sum + mask.slice(1).reduce((a, b) => a + b, 0), 0);
    await model.zeroGradients();
    losses.push(await model.accumulate(trainingRow(examples), targets, { seed: 0, epoch: 0 }));
    let squared = 0;
    for (const { parameters } of model.groups) squared += await optimiser.squaredNorm(parameters);
    const norm = Math.sqrt(squared);
    norms.push(norm);
    const gradientScale = Math.min(1, golden.optimiser.maxGradNorm / (norm + 1e-6));
    for (const { parameters } of model.groups)
      await optimiser.update(parameters, { learningRate: golden.optimiser.lr, gradientScale, step: step + 1 });
  }
  const trained = await readAdapter(device, model.groups, adapter.shape);
  await model.dispose();
  return { losses, norms, trained };
}

/** The kept logits after the prompt. */
async function logitsOf(weights: DecoderWeights, adapter?: Adapter): Promise<number[]> {
  const model = new PackedModel(weights, device);
  const hidden = await model.hidden(packRow([golden.prompt]), { adapter });
  const logits = await model.logits(hidden, [golden.prompt.length - 1]);
  await model.dispose();
  return [...logits].filter((_, id) => id % golden.stride === 0);
}

async function greedy(weights: DecoderWeights, count: number, adapter?: Adapter): Promise<number[]> {
  const decoder = new Decoder(weights, device, "float32");
  const cache = new KvCache(weights.config);
  cache.reserve(1, golden.prompt.length + count);
  cache.add(0);
  const ids: number[] = [];
  let next = golden.prompt[0]!;
  for (let at = 1; ids.length < count; at++) {
    const logits = await decoder.step(cache, [next], adapter);
    next = golden.prompt[at] ?? logits.indexOf(logits.reduce((most, value) => Math.max(most, value)));
    if (at >= golden.prompt.length) ids.push(next);
  }
  await decoder.dispose();
  return ids;
}

const furthest = (a: readonly number[], b: readonly number[]): number => {
  expect(a.length).toBe(b.length);
  return Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));
};

describe.each(Object.entries(golden.families))("%s", (name, family) => {
  const folder = `${models}${name}`;

  it("trains as PEFT does, and its adapter is PEFT's: names, scores, greedy tokens, merged", async () => {
    const weights = open(folder);
    const { losses, norms, trained } = await train(weights, firstAdapter(weights), family.losses.length);
    expect(furthest(losses, family.losses)).toBeLessThan(1e-3);
    expect(Math.max(...norms.map((x, i) => Math.abs(x / family.gradNorms[i]! - 1)))).toBeLessThan(0.01);

    const saved = join(root, name);
    await saveAdapter(saved, trained, { base: { name: "ORG/BASE" } });
    const file = new SafetensorsFile(join(saved, "adapter_model.safetensors"));
    const tensors = Object.fromEntries([...file.entries].map(([key, { shape }]) => [key, shape]));
    file.close();
    expect(tensors).toEqual(family.tensors);
    const loaded = await loadAdapter(saved, weights.config);
    expect(furthest(await logitsOf(weights, loaded), family.adapter.logits)).toBeLessThan(1e-3);
    expect(await greedy(weights, family.adapter.greedy.length, loaded)).toEqual(family.adapter.greedy);

    const merged = join(root, `${name}-merged`);
    const checkpoint = openCheckpoint(folder);
    mergeAdapter(checkpoint, folder, loaded, merged, { dtype: "F32" });
    const result = openCheckpoint(merged);
    // The names and shapes that transformers looks for are those of the base.
    expect(result.names().sort()).toEqual(checkpoint.names().sort());
    for (const one of checkpoint.names()) expect(result.info(one).shape, one).toEqual(checkpoint.info(one).shape);
    result.close();
    checkpoint.close();
    expect(furthest(await logitsOf(open(merged)), family.adapter.logits)).toBeLessThan(1e-3);
  });

  it("writes transformers' greedy tokens", async () => {
    const weights = open(folder);
    expect(furthest(await logitsOf(weights), family.base.logits)).toBeLessThan(1e-4);
    expect(await greedy(weights, family.base.greedy.length)).toEqual(family.base.greedy);
  });

  it.each(["nf4", "int8"] as const)("in %s computes as with bitsandbytes' values", async (precision) => {
    const found = await logitsOf(open(folder, precision));
    expect(furthest(found, family[precision])).toBeLessThan(1e-3);
    expect(furthest(found, family.base.logits)).toBeGreaterThan(0.01);
  });
});
