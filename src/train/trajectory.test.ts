/** Training trajectories against PEFT and PyTorch on the same batches (tools/golden/peft_trajectory.py). */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openCheckpoint } from "../checkpoint/open.js";
import { PackedModel } from "../model/packed-model.js";
import { packRow } from "../model/packed-row.js";
import { type DecoderWeights, loadDecoderWeights } from "../model/weights.js";
import { loadAdapter } from "../peft/adapter-io.js";
import { Device } from "../runtime/device.js";
import { trainingRow } from "./examples.js";
import { AdamW } from "./optimiser.js";
import { readAdapter } from "./parameter-store.js";
import { TrainingModel } from "./training-model.js";

const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));

interface Golden {
  base: string;
  optimiser: { lr: number; maxGradNorm: number };
  batches: { ids: number[]; labels: number[] }[][];
  losses: number[];
  gradNorms: number[];
  final: { ids: number[]; logits: number[][] };
}

const golden = (name: string): Golden => JSON.parse(readFileSync(fixture(`${name}.json`), "utf8")) as Golden;

const base = (name: string, precision: "float32" | "nf4"): DecoderWeights => {
  const folder = fileURLToPath(new URL(`../../${golden(name).base}`, import.meta.url));
  const checkpoint = openCheckpoint(folder);
  const weights = loadDecoderWeights(checkpoint, { precision });
  checkpoint.close();
  return weights;
};

/** How the same step is computed: examples per row, and blocks that keep their activations. */
interface Setting {
  rowsOf: number;
  keptLayers: number;
}

async function train(name: string, weights: DecoderWeights, setting: Setting, initial?: string) {
  const g = golden(name);
  const device = await Device.open({ threads: 1 });
  const adapter = initial ? await loadAdapter(fixture(initial), weights.config) : undefined;
  const model = await TrainingModel.create(device, weights, { adapter, keptLayers: setting.keptLayers });
  const optimiser = new AdamW(device, { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 });
  const losses: number[] = [];
  const norms: number[] = [];
  for (let step = 0; step < g.losses.length; step++) {
    const examples = g.batches[step % g.batches.length]!.map(({ ids, labels }, index) => ({
      tokens: Int32Array.from(ids),
      mask: Uint8Array.from(labels, (label) => (label === -100 ? 0 : 1)),
      index,
    }));
    const targets = examples.reduce((sum, { mask }) => sum + mask.slice(1).reduce((a, b) => a + b, 0), 0);
    await model.zeroGradients();
    let loss = 0;
    for (let at = 0; at < examples.length; at += setting.rowsOf)
      loss += await model.accumulate(trainingRow(examples.slice(at, at + setting.rowsOf)), targets, {
        seed: 0,
        epoch: 0,
      });
    let squared = 0;
    for (const { parameters } of model.groups) squared += await optimiser.squaredNorm(parameters);
    const norm = Math.sqrt(squared);
    const gradientScale = Math.min(1, g.optimiser.maxGradNorm / (norm + 1e-6));
    for (const { parameters } of model.groups)
      await optimiser.update(parameters, { learningRate: g.optimiser.lr, gradientScale, step: step + 1 });
    losses.push(loss);
    norms.push(norm);
  }
  return { losses, norms, model, device };
}

const differences = (a: readonly number[], b: readonly number[]): number[] => a.map((x, i) => Math.abs(x - b[i]!));
const mean = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0) / x.length;

describe("training trajectories", () => {
  for (const [name, precision] of [
    ["lora", "float32"],
    ["qlora", "nf4"],
  ] as const)
    it(`${name}: 50 steps as PEFT`, async () => {
      const g = golden(name);
      const weights = base(name, precision);
      const { losses, norms, model, device } = await train(name, weights, { rowsOf: 4, keptLayers: 1 }, `${name}-init`);
      const loss = differences(losses, g.losses);
      expect(Math.max(...loss)).toBeLessThan(1e-3);
      expect(mean(loss)).toBeLessThan(1e-4);
      expect(Math.max(...norms.map((x, i) => Math.abs(x / g.gradNorms[i]! - 1)))).toBeLessThan(0.01);
      const shape = (await loadAdapter(fixture(`${name}-init`), weights.config)).shape;
      const adapter = await readAdapter(device, model.groups, shape);
      const forward = new PackedModel(weights, device);
      const { ids, logits } = g.final;
      const hidden = await forward.hidden(packRow([ids]), { adapter });
      const found = await forward.logits(hidden, [ids.length - 3, ids.length - 2, ids.length - 1]);
      expect(Math.max(...differences(logits.flat(), [...found]))).toBeLessThan(1e-3);
    });

  it.each(["dora", "rslora-patterns", "dora-layers"])("%s: 20 steps as PEFT", async (name) => {
    const g = golden(name);
    for (const keptLayers of [0, 2]) {
      const weights = base(name, "float32");
      const { losses, norms, model, device } = await train(name, weights, { rowsOf: 4, keptLayers }, `${name}-init`);
      expect(Math.max(...differences(losses, g.losses))).toBeLessThan(1e-3);
      expect(Math.max(...norms.map((x, i) => Math.abs(x / g.gradNorms[i]! - 1)))).toBeLessThan(0.01);
      const { shape } = await loadAdapter(fixture(`${name}-init`), weights.config);
      const adapter = await readAdapter(device, model.groups, shape);
      const { ids, logits } = g.final;
      const forward = new PackedModel(weights, device);
      const hidden = await forward.hidden(packRow([ids]), { adapter });
      const found = await forward.logits(hidden, [ids.length - 3, ids.length - 2, ids.length - 1]);
      expect(Math.max(...differences(logits.flat(), [...found]))).toBeLessThan(1e-3);
    }
  });

  it("full: 20 steps as PyTorch", async () => {
    const g = golden("full");
    const { losses, norms } = await train("full", base("full", "float32"), { rowsOf: 4, keptLayers: 1 });
    const loss = differences(losses, g.losses);
    expect(Math.max(...loss)).toBeLessThan(1e-3);
    expect(mean(loss)).toBeLessThan(1e-4);
    expect(Math.max(...norms.map((x, i) => Math.abs(x / g.gradNorms[i]! - 1)))).toBeLessThan(0.01);
  });

  it("gives PEFT's logits with the adapter PEFT trained", async () => {
    const { ids, logits } = golden("lora").final;
    const weights = base("lora", "float32");
    const adapter = await loadAdapter(fixture("lora-final"), weights.config);
    const forward = new PackedModel(weights, await Device.open({ threads: 1 }));
    const hidden = await forward.hidden(packRow([ids]), { adapter });
    const found = await forward.logits(hidden, [ids.length - 3, ids.length - 2, ids.length - 1]);
    expect(Math.max(...differences(logits.flat(), [...found]))).toBeLessThan(1e-4);
  });

  it("one trajectory for every equivalent setting", async () => {
    const settings: Setting[] = [
      { rowsOf: 4, keptLayers: 0 },
      { rowsOf: 4, keptLayers: 9 },
      { rowsOf: 2, keptLayers: 1 },
      { rowsOf: 1, keptLayers: 0 },
    ];
    const runs: number[][] = [];
    for (const setting of settings)
      runs.push((await train("lora", base("lora", "float32"), setting, "lora-init")).losses);
    // What is kept and what is recomputed depends on the free memory: it must not change a bit.
    expect(runs[1]).toEqual(runs[0]);
    for (const losses of runs.slice(1)) expect(Math.max(...differences(losses, runs[0]!))).toBeLessThan(1e-4);
  });
});
