/**
 * One training step on WebGPU equals the processor's, and no node falls back to the processor. Runs where a Vulkan,
 * Metal or D3D12 driver is found (available.ts).
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openCheckpoint } from "../../../src/checkpoint/open.js";
import { loadDecoderWeights } from "../../../src/model/weights.js";
import { loadAdapter } from "../../../src/peft/adapter-io.js";
import { Device, type DeviceName } from "../../../src/runtime/device.js";
import { trainingRow } from "../../../src/train/examples.js";
import { AdamW } from "../../../src/train/optimiser.js";
import { TrainingModel } from "../../../src/train/training-model.js";
import { webgpuAvailable } from "./available.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const golden = JSON.parse(readFileSync(`${root}src/train/fixtures/lora.json`, "utf8")) as {
  base: string;
  batches: { ids: number[]; labels: number[] }[][];
};

interface Training {
  /** Optimiser steps; default 2. */
  steps?: number;
  /** Tokens up to which a row's block is one graph. */
  oneGraphTokens?: number;
}

/** The losses of some steps, every parameter afterwards, and tensors and memory after each step. */
async function train(name: DeviceName, { steps = 2, oneGraphTokens }: Training = {}) {
  const device = await Device.open({ device: name, threads: 1 });
  const checkpoint = openCheckpoint(`${root}${golden.base}`);
  const weights = loadDecoderWeights(checkpoint);
  checkpoint.close();
  const adapter = await loadAdapter(`${root}src/train/fixtures/lora-init`, weights.config);
  adapter.shape.dropout = 0.1;
  const model = await TrainingModel.create(device, weights, { adapter, keptLayers: 1, oneGraphTokens });
  const optimiser = new AdamW(device, { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.01 });
  const losses: number[] = [];
  const live: number[] = [];
  const resident: number[] = [];
  for (let step = 0; step < steps; step++) {
    const examples = golden.batches[step % 2]!.map(({ ids, labels }, index) => ({
      tokens: Int32Array.from(ids),
      mask: Uint8Array.from(labels, (label) => (label === -100 ? 0 : 1)),
      index,
    }));
    const row = trainingRow(examples);
    await model.zeroGradients();
    losses.push(await model.accumulate(row, row.targets, { seed: 0, epoch: 0 }));
    for (const { parameters } of model.groups) await optimiser.squaredNorm(parameters);
    for (const { parameters } of model.groups)
      await optimiser.update(parameters, { learningRate: 1e-3, gradientScale: 0.5, step: step + 1 });
    live.push(device.liveTensors);
    resident.push(process.memoryUsage.rss());
  }
  const values: Float32Array[] = [];
  for (const { parameters } of model.groups)
    for (const { value } of parameters) values.push((await device.download(value)) as Float32Array);
  await model.dispose();
  return { losses, values, live, resident, left: device.liveTensors };
}

describe.runIf(await webgpuAvailable())("training on WebGPU", () => {
  it.each([
    ["in one graph", undefined],
    ["with attention block by block", 0],
  ])(
    "equals the CPU within 1e-4, %s",
    async (_, oneGraphTokens) => {
      const [cpu, gpu] = [await train("cpu"), await train("webgpu", { oneGraphTokens })];
      for (const [i, loss] of cpu.losses.entries()) expect(Math.abs(loss - gpu.losses[i]!)).toBeLessThan(1e-4);
      const worst = Math.max(
        ...cpu.values.flatMap((x, i) => Array.from(x, (v, j) => Math.abs(v - gpu.values[i]![j]!))),
      );
      expect(worst).toBeLessThan(1e-4);
    },
    300_000,
  );

  it("holds as many tensors and as much memory after 50 steps as after 3, and none when it is over", async () => {
    const { live, resident, left } = await train("webgpu", { steps: 50 });
    expect(live.slice(2)).toEqual(new Array(48).fill(live[2]));
    expect(resident[49]! / resident[2]!).toBeLessThan(1.1);
    expect(left).toBe(0);
  }, 300_000);

  it("places every node of the training graphs on the device", () => {
    const script = fileURLToPath(new URL("./placement.ts", import.meta.url));
    const outcome = spawnSync(process.execPath, ["--import", "tsx", script], { encoding: "utf8", cwd: root });
    const log = outcome.stdout + outcome.stderr;
    expect(outcome.status, log.slice(-2000)).toBe(0);
    const onProcessor = [...log.matchAll(/\[CPUExecutionProvider\]\. Number of nodes: (\d+)/g)].map((m) =>
      Number(m[1]),
    );
    expect(log).toMatch(/WebGpuExecutionProvider/);
    expect(
      onProcessor.reduce((a, b) => a + b, 0),
      log.slice(0, 4000),
    ).toBe(0);
  }, 300_000);
});
