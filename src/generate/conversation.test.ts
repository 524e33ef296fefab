/** A conversation's next turn reads what is new, however its last answer ended. */
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { fixtureModel, letterTokenizer } from "../../tests/support/fixture-model.js";
import { PackedModel } from "../model/packed-model.js";
import { Device } from "../runtime/device.js";
import { Generator } from "./generator.js";

const device = await Device.open({ threads: 1 });
const model = fixtureModel("llama", letterTokenizer({ eosIds: [] }));
const generator = await Generator.of(model, device, { weights: "float32" });
const reads: number[] = [];
const hidden = PackedModel.prototype.hidden;
beforeAll(() => {
  vi.spyOn(PackedModel.prototype, "hidden").mockImplementation(function (this: PackedModel, row, options) {
    reads.push(row.used);
    return hidden.call(this, row, options);
  });
});
afterAll(async () => {
  vi.restoreAllMocks();
  await generator.dispose();
});

it.each([1, 2, 5])("after answers of %d tokens", async (maxTokens) => {
  const turn = (seed: number): number[] => Array.from({ length: 12 }, (_, i) => (seed * 7 + i * 5) % 20);
  const past = Array.from({ length: 40 }, (_, i) => (maxTokens + i * 3) % 20);
  for (let i = 0; i < 4; i++) {
    past.push(...turn(i));
    reads.length = 0;
    const { tokens } = await generator.generate({ tokens: [...past], maxTokens });
    // The last token of an answer is drawn, and not read before the next turn begins.
    expect(reads).toEqual([i === 0 ? past.length : turn(i).length + 1]);
    past.push(...tokens);
  }
});
