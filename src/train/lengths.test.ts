import { describe, expect, it } from "vitest";
import { fixtureWeights } from "../../tests/support/fixture-model.js";
import { UsageError } from "../errors.js";
import { checkLengths } from "./setup.js";

function checked(name: string, beyond: number): { said: string[]; check: () => void } {
  const said: string[] = [];
  const { config } = fixtureWeights(name);
  const lengths = [3, config.maxPositions, config.maxPositions + beyond];
  return { said, check: () => checkLengths(lengths, config, (line) => void said.push(line)) };
}

describe("rows beyond a model's positions", () => {
  it("are refused where positions are learned, and where rotations would change", () => {
    for (const [name, words] of [
      ["gpt2", "1 rows are longer than the 128 positions that the model has, up to 137 tokens; set max_length: 128"],
      ["phi3", "1 rows are longer than the 64 positions that the model is computed for here, up to 73 tokens"],
    ] as const) {
      const { check } = checked(name, 9);
      expect(check, name).toThrow(UsageError);
      expect(check, name).toThrow(words);
      expect(checked(name, 0).check, name).not.toThrow();
    }
  });

  it("are told elsewhere", () => {
    const { check, said } = checked("llama", 9);
    check();
    expect(said).toEqual([expect.stringContaining("what it learns beyond may be poor")]);
  });
});
