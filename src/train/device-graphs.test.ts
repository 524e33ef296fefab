/**
 * What a GPU makes by graphs (attention's bias, dropout masks, look-ups, decoded weights, the spread of the loss's gradient)
 * run by the processor instead: training is that of the host's own code.
 */
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openCheckpoint } from "../checkpoint/open.js";
import { loadDecoderWeights, type Precision } from "../model/weights.js";
import { adapterShape } from "../peft/targets.js";
import { Random } from "../random/counter.js";
import type { TensorSource } from "../runtime/backend.js";
import type { Device, Tensor } from "../runtime/device.js";
import { HostDevice } from "../runtime/host.js";
import { trainingRow } from "./examples.js";
import { AdamW } from "./optimiser.js";
import { newAdapter } from "./parameter-store.js";
import { TrainingModel } from "./training-model.js";

/** A host that makes every tensor by its graph. */
class GraphDevice extends HostDevice {
  readonly made = new Set<string>();

  override async make({ key, graph, feeds }: TensorSource): Promise<Tensor> {
    this.made.add(key.split(" ")[0]!);
    const executable = await this.compile(graph());
    const { y } = await executable.run(await feeds());
    await executable.dispose();
    return y!;
  }

  /** Parts that no memory was given for. */
  override async joinRows(parts: readonly Tensor[], memory: Tensor | undefined): Promise<Tensor> {
    if (memory) return memory;
    const width = parts[0]!.dims[1]!;
    const all = parts.flatMap((part) => [...(part.data as Float32Array)]);
    return this.upload("float32", Float32Array.from(all), [all.length / width, width]);
  }
}

const fixtures = fileURLToPath(new URL("../model/fixtures", import.meta.url));

interface Run {
  folder: string;
  /** `full`: all weights are trained. */
  precision: Precision | "full";
  oneGraphTokens?: number;
}

/** Losses and trained values of three steps with dropout. */
async function train(device: Device, { folder, precision, oneGraphTokens }: Run) {
  const checkpoint = openCheckpoint(folder);
  const weights = loadDecoderWeights(checkpoint, { precision: precision === "full" ? "float32" : precision });
  checkpoint.close();
  const settings = { r: 4, alpha: 8, dropout: 0.2, target_modules: "all-linear" as const };
  const adapter = precision === "full" ? undefined : newAdapter(weights, adapterShape(weights.config, settings), 3);
  const model = await TrainingModel.create(device, weights, { adapter, keptLayers: 1, oneGraphTokens });
  const optimiser = new AdamW(device, { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 });
  const losses: number[] = [];
  for (let step = 0; step < 3; step++) {
    const random = new Random("device-graphs", step);
    const examples = [90, 31, 50].map((length, i) => ({
      tokens: Int32Array.from({ length }, () => random.below(weights.config.vocabSize)),
      mask: Uint8Array.from({ length }, (_, at) => (at > length / 3 ? 1 : 0)),
      index: i + 3 * step,
    }));
    const row = trainingRow(examples);
    await model.zeroGradients();
    losses.push(await model.accumulate(row, row.targets, { seed: 1, epoch: 0 }));
    for (const { parameters } of model.groups)
      await optimiser.update(parameters, { learningRate: 1e-4, gradientScale: 1, step: step + 1 });
  }
  const values: Float32Array[] = [];
  for (const { parameters } of model.groups)
    for (const { value } of parameters) values.push(Float32Array.from(value.data as Float32Array));
  await model.dispose();
  return { losses, values };
}

describe("tensors made by graphs", () => {
  it.each([
    ["llama", "nf4", undefined, ["embed", "bias", "mask", "decode", "states", "spread"]],
    ["gemma2", "int8", undefined, ["embed", "bias", "mask", "decode", "states", "spread"]],
    ["gemma2", "int8", 0, ["embed", "bias", "mask", "decode", "states", "spread"]],
    ["gpt2", "full", undefined, ["embed", "bias", "rowGradients", "states", "spread"]],
    ["qwen2-untied", "full", undefined, ["embed", "bias", "rowGradients", "states", "spread"]],
  ] as const)(
    "%s in %s, one graph up to %s tokens: train as the host's own",
    async (family, precision, limit, kinds) => {
      const run: Run = { folder: `${fixtures}/${family}`, precision, oneGraphTokens: limit };
      const graphs = new GraphDevice(1, undefined);
      const [host, made] = [await train(new HostDevice(1, undefined), run), await train(graphs, run)];
      expect([...graphs.made].sort()).toEqual([...kinds].sort());
      for (const [i, loss] of host.losses.entries()) expect(Math.abs(loss - made.losses[i]!)).toBeLessThan(1e-5);
      for (const [i, values] of host.values.entries())
        expect(Math.max(...values.map((value, j) => Math.abs(value - made.values[i]![j]!)))).toBeLessThan(2e-5);
    },
  );
});
