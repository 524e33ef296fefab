/** Rows whose attention goes block by block give the losses and gradients of those that are one graph. */
import { describe, expect, it } from "vitest";
import { fixtureWeights } from "../../tests/support/fixture-model.js";
import { BlockForward } from "../model/block-forward.js";
import { LongAttention } from "../model/long-attention.js";
import { PackedModel } from "../model/packed-model.js";
import { RowBias } from "../model/row-bias.js";
import { adapterShape } from "../peft/targets.js";
import { Random } from "../random/counter.js";
import { Device, hostTensor, TensorPool, TensorScope } from "../runtime/device.js";
import { trainingRow } from "./examples.js";
import { newAdapter } from "./parameter-store.js";
import { TrainingModel, type TrainingModelOptions } from "./training-model.js";

const device = await Device.open({ threads: 1 });
const random = new Random("long rows");

/** Four documents, of which one spans several query blocks: 318 tokens in a row of 320. */
function documents(vocabSize: number) {
  return [5, 250, 31, 32].map((length, index) => ({
    tokens: Int32Array.from({ length }, () => random.below(vocabSize)),
    mask: Uint8Array.from({ length }, (_, i) => Number(i % 3 > 0)),
    index,
  }));
}

async function step(name: string, options: Omit<TrainingModelOptions, "keptLayers">, keptLayers: number) {
  const weights = fixtureWeights(name);
  const model = await TrainingModel.create(device, weights, { ...options, keptLayers });
  return async (row: ReturnType<typeof trainingRow>) => {
    await model.zeroGradients();
    const loss = await model.accumulate(row, row.targets, { seed: 1, epoch: 2 });
    const gradients = model.groups.flatMap(({ id, parameters }) =>
      parameters.map((p) => ({ name: `${id}.${p.name}`, values: p.gradient.data as Float32Array })),
    );
    const evaluation = await model.evaluate(row);
    await model.dispose();
    return { loss, gradients, evaluation: evaluation.loss };
  };
}

describe("a row whose attention goes block by block", () => {
  const adapter = (name: string) => {
    const weights = fixtureWeights(name);
    const settings = {
      r: 4,
      alpha: 8,
      dropout: 0.1,
      target_modules: "all-linear",
      use_dora: name === "qwen3",
    } as const;
    const made = newAdapter(weights, adapterShape(weights.config, settings), 7);
    for (const factors of made.layers)
      for (const { b } of factors.values()) b.forEach((_, i) => void (b[i] = Math.sin(i)));
    return made;
  };
  // Windows and soft caps, norms of queries and keys, biases, norms after the layers.
  const cases = [
    { name: "gemma2", kept: 1, trained: "adapter" },
    { name: "gemma3", kept: 0, trained: "weights" },
    { name: "qwen3", kept: 0, trained: "adapter" },
    { name: "llama-bias", kept: 1, trained: "weights" },
    { name: "olmo2", kept: 1, trained: "weights" },
  ];
  it.each(cases)("$name: trains its $trained as one graph does", async ({ name, kept, trained }) => {
    const options = trained === "adapter" ? { adapter: adapter(name) } : {};
    const row = trainingRow(documents(fixtureWeights(name).config.vocabSize));
    const whole = await (await step(name, options, kept))(row);
    const long = await (await step(name, { ...options, oneGraphTokens: 0 }, kept))(row);
    expect(Math.abs(long.loss - whole.loss)).toBeLessThan(1e-5);
    expect(Math.abs(long.evaluation / whole.evaluation - 1)).toBeLessThan(1e-5);
    for (const [i, { name: parameter, values }] of whole.gradients.entries()) {
      const largest = values.reduce((most, g) => Math.max(most, Math.abs(g)), 1e-6);
      const found = long.gradients[i]!.values;
      const worst = values.reduce((most, g, j) => Math.max(most, Math.abs(g - found[j]!)), 0);
      expect(worst / largest, parameter).toBeLessThan(2e-4);
    }
  });

  it("gives the keys and values that one graph gives", async () => {
    const weights = fixtureWeights("gemma2");
    const model = new PackedModel(weights, device);
    const { row } = trainingRow(documents(weights.config.vocabSize));
    const run = async (oneGraphTokens: number) => {
      const scope = new TensorScope(device, new TensorPool(device));
      const blocks = new BlockForward(weights.config, device, oneGraphTokens);
      const x = await model.embed(scope, row);
      const feeds = { ...(await model.parameters.feeds(0, scope)), x };
      const { y, k, v } = await blocks.run(scope, await model.rowInputs(scope, row), 0, feeds, "y", {
        keysValues: true,
      });
      await blocks.dispose();
      return [y, k!, v!].map((tensor) => tensor.data as Float32Array);
    };
    const [whole, long] = [await run(1000), await run(0)];
    for (const [i, values] of whole.entries())
      expect(Math.max(...values.map((value, j) => Math.abs(value - long[i]![j]!)))).toBeLessThan(1e-4);
  });

  it.each([undefined, 40])("comes out the same from tiles of any size, window %s", async (window) => {
    const { config } = fixtureWeights("gemma2");
    const { row } = trainingRow(documents(config.vocabSize));
    const matrix = (heads: number) => {
      const width = heads * config.headDim;
      const data = Float32Array.from({ length: 320 * width }, () => 3 * random.normal());
      return hostTensor("float32", data, [320, width]);
    };
    const inputs = { q: matrix(config.heads), k: matrix(config.kvHeads), v: matrix(config.kvHeads) };
    const dy = matrix(config.heads);
    const run = async (queries: number, keys: number) => {
      const scope = new TensorScope(device, new TensorPool(device));
      const attention = new LongAttention(config, device, { queries, keys });
      const bias = new RowBias(row, scope);
      const result = await attention.forward(scope, bias, window, inputs);
      const gradients = await attention.backward(scope, bias, window, inputs, result, dy);
      await attention.dispose();
      return [result.attended, ...Object.values(gradients)].map((tensor) => tensor.data as Float32Array);
    };
    const [whole, small] = [await run(320, 320), await run(48, 31)];
    for (const [i, values] of whole.entries()) {
      const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const worst = values.reduce((most, value, j) => Math.max(most, Math.abs(value - small[i]![j]!)), 0);
      expect(worst / largest).toBeLessThan(1e-5);
    }
  });
});
