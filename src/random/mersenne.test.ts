import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { UsageError } from "../errors.js";
import { MersenneTwister } from "./mersenne.js";

interface Case {
  seed: string;
  integer: boolean;
  random: number[];
  bits: number[];
  randint: number[];
  choices: string[];
  weighted: string[];
  choice: string[];
  smallSample: number[];
  largeSample: number[];
  middleSample: number[];
  shuffle: number[];
  late: number;
}
// Made by tools/golden/metrics.py with CPython's random module.
const cases = JSON.parse(readFileSync(new URL("fixtures/python-random.json", import.meta.url), "utf8")) as Case[];
const range = (n: number) => Array.from({ length: n }, (_, i) => i);
const letters = [..."abcdefg"];

describe("MersenneTwister", () => {
  it.each(cases.map((golden) => [golden.seed.slice(0, 40), golden] as const))(
    "draws as Python does, seed %j",
    (_, golden) => {
      const random = new MersenneTwister(golden.integer ? BigInt(golden.seed) : golden.seed);
      const drawn = {
        seed: golden.seed,
        integer: golden.integer,
        random: range(5).map(() => random.random()),
        bits: [1, 7, 31, 32, 33, 53].map((bits) => random.randomBits(bits)),
        randint: range(10).map((k) => random.randint(-3, 10 ** k)),
        choices: random.choices(letters, 12),
        weighted: random.choices(["a", "b", "c"], 12, [1, 5, 0.5]),
        choice: range(5).map(() => random.choice(letters)),
        smallSample: random.sample(range(30), 8),
        largeSample: random.sample(range(5000), 7),
        middleSample: random.sample(range(90), 6),
        shuffle: random.shuffle(range(30)),
        late: 0,
      };
      for (let i = 0; i < 700; i++) random.random();
      drawn.late = random.random();
      expect(drawn).toEqual(golden);
    },
  );

  it("takes a number as the integer it is", () => {
    expect(new MersenneTwister(42).random()).toBe(new MersenneTwister(42n).random());
  });

  it("refuses what it cannot draw", () => {
    expect(() => new MersenneTwister(0.5)).toThrow(UsageError);
    expect(() => new MersenneTwister(0).below(0)).toThrow(RangeError);
    expect(() => new MersenneTwister(0).sample([1, 2], 3)).toThrow("3 items asked for, 2 there");
    expect(() => new MersenneTwister(0).choices([1, 2], 1, [1])).toThrow(RangeError);
  });
});
