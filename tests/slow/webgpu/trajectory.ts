/** A short training run on a device, with what crossed its bus. */
import { openCheckpoint } from "../../../src/checkpoint/open.js";
import { loadDecoderWeights, type Precision } from "../../../src/model/weights.js";
import { adapterShape } from "../../../src/peft/targets.js";
import { Random } from "../../../src/random/counter.js";
import { Device, type DeviceName } from "../../../src/runtime/device.js";
import { trainingRow } from "../../../src/train/examples.js";
import { AdamW } from "../../../src/train/optimiser.js";
import { newAdapter } from "../../../src/train/parameter-store.js";
import { TrainingModel } from "../../../src/train/training-model.js";

export interface Trajectory {
  losses: number[];
  /** Of each step's one micro-batch. */
  up: number[];
  down: number[];
  /** After each step. */
  liveBytes: number[];
  tokens: number;
  splitGraphs: number;
  /** Bytes that are not freed when the model is disposed of. */
  left: number;
}

export interface TrajectoryOptions {
  folder: string;
  /** `full`: all weights are trained, in float32. */
  precision: Precision | "full";
  steps: number;
  oneGraphTokens?: number;
}

/** Trains on texts drawn from the step's number: three documents of 147 tokens in all, with dropout 0.1. */
export async function trajectory(
  name: DeviceName,
  { folder, precision, steps, oneGraphTokens }: TrajectoryOptions,
): Promise<Trajectory> {
  const device = await Device.open({ device: name, threads: 1 });
  const checkpoint = openCheckpoint(folder);
  const weights = loadDecoderWeights(checkpoint, { precision: precision === "full" ? "float32" : precision });
  checkpoint.close();
  const { config } = weights;
  const settings = { r: 8, alpha: 16, dropout: 0.1, target_modules: "all-linear" as const };
  const adapter = precision === "full" ? undefined : newAdapter(weights, adapterShape(config, settings), 1);
  const model = await TrainingModel.create(device, weights, { adapter, keptLayers: 1, oneGraphTokens });
  const optimiser = new AdamW(device, { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.01 });
  const { traffic } = device;
  const result: Trajectory = { losses: [], up: [], down: [], liveBytes: [], tokens: 0, splitGraphs: 0, left: 0 };
  for (let step = 0; step < steps; step++) {
    const random = new Random("webgpu", step);
    const examples = [37, 50, 60].map((length, i) => ({
      tokens: Int32Array.from({ length }, () => random.below(config.vocabSize)),
      mask: Uint8Array.from({ length }, (_, at) => (at > length / 2 ? 1 : 0)),
      index: i + 3 * step,
    }));
    const row = trainingRow(examples);
    result.tokens = row.row.tokens.length;
    await model.zeroGradients();
    const [up, down] = [traffic.bytesUp, traffic.bytesDown];
    result.losses.push(await model.accumulate(row, row.targets, { seed: 0, epoch: 0 }));
    result.up.push(traffic.bytesUp - up);
    result.down.push(traffic.bytesDown - down);
    let squared = 0;
    for (const { parameters } of model.groups) squared += await optimiser.squaredNorm(parameters);
    const gradientScale = Math.min(1, 1 / Math.sqrt(squared));
    for (const { parameters } of model.groups)
      await optimiser.update(parameters, { learningRate: 1e-3, gradientScale, step: step + 1 });
    result.liveBytes.push(traffic.liveBytes);
  }
  await model.dispose();
  return { ...result, splitGraphs: traffic.splitGraphs, left: traffic.liveBytes };
}
