/** Gradients of every family against central differences of its loss. */
import { describe, expect, it } from "vitest";
import { fixtureNames, fixtureWeights, golden } from "../../tests/support/fixture-model.js";
import { Random } from "../random/counter.js";
import { Device } from "../runtime/device.js";
import { trainingRow } from "./examples.js";
import { TrainingModel } from "./training-model.js";

const STEP = 4e-4;

describe("the gradient of the loss over all weights, uphill", async () => {
  const device = await Device.open({ threads: 1 });
  it.each(fixtureNames)("%s: is the loss's slope", async (name) => {
    const weights = fixtureWeights(name);
    const model = await TrainingModel.create(device, weights, { keptLayers: 1 });
    const examples = golden(name).map(({ ids }, index) => ({
      tokens: Int32Array.from(ids),
      mask: new Uint8Array(ids.length).fill(1),
      index,
    }));
    const row = trainingRow(examples);
    await model.zeroGradients();
    await model.accumulate(row, 1, { seed: 0, epoch: 0 });
    const parameters = model.groups.flatMap((group) => group.parameters.map((parameter) => ({ group, parameter })));
    // Uphill for every weight, so that the slope stands out of the rounding.
    let slope = 0;
    const random = new Random("direction", name);
    const moves = parameters.map(({ parameter }) => {
      const gradient = parameter.gradient.data as Float32Array;
      const size = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0) / gradient.length);
      const move = gradient.map((g) => (g / (size || 1)) * (0.5 + random.uniform()));
      slope += move.reduce((sum, m, i) => sum + m * gradient[i]!, 0);
      return move;
    });
    const shift = (factor: number): void =>
      parameters.forEach(({ parameter }, p) => {
        const value = parameter.value.data as Float32Array;
        moves[p]!.forEach((m, i) => void (value[i]! += m * factor));
      });
    const lossAt = async (factor: number): Promise<number> => {
      shift(factor);
      const { loss } = await model.evaluate(row);
      shift(-factor);
      return loss;
    };
    const difference = async (step: number): Promise<number> =>
      ((await lossAt(step)) - (await lossAt(-step))) / (2 * step);
    // Richardson's extrapolation takes the third derivative out.
    const found = (4 * (await difference(STEP / 2)) - (await difference(STEP))) / 3;
    expect(Math.abs(found / slope - 1)).toBeLessThan(2e-3);
    await model.dispose();
  });
});
