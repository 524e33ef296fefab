import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { UsageError } from "../errors.js";
import { MersenneTwister } from "../random/mersenne.js";
import { parseDifficultyTable } from "./difficulty-table.js";
import {
  fitDifficulty,
  type LengthControlledRow,
  lengthControlledWinRate,
  lengthFeature,
  predictFromCoefficients,
} from "./length-controlled.js";
import { fitLogistic, sigmoid } from "./logistic-regression.js";
import { mean, sampleVariance } from "./statistics.js";

interface GoldenCase {
  seed: number;
  n: number;
  level: number;
  preferenceSum: number;
  coefficients: [length: number, difficulty: number, model: number];
  l1: number;
  winRate: number;
  standardError: number;
}
// Made by tools/golden/metrics.py with scikit-learn's cross-validated L1 logistic regression.
const golden = JSON.parse(
  readFileSync(new URL("fixtures/length-controlled.json", import.meta.url), "utf8"),
) as GoldenCase[];

/** The same made-up judgements as the script draws. */
function drawn({ seed, n, level }: { seed: number; n: number; level: number }) {
  const random = new MersenneTwister(seed);
  const range = Array.from({ length: n });
  const reference = range.map(() => 200 + Math.floor(random.random() * 2000));
  const model = reference.map((length) => Math.floor(length * (0.3 + random.random())));
  const difficulty = range.map(() => 3 * (random.random() + random.random() + random.random() - 1.5));
  const rows: LengthControlledRow[] = reference.map((referenceLength, i) => ({
    referenceLength,
    modelLength: model[i]!,
    preference: undefined,
  }));
  const feature = lengthFeature(rows);
  rows.forEach((row, i) => {
    const p = sigmoid(level - 1.5 * feature[i]! + 0.9 * difficulty[i]!);
    row.preference = 1 + (random.random() < p ? 0.99 : 0.01);
  });
  return { rows, difficulty };
}

describe("lengthControlledWinRate", () => {
  it.each(golden)("equals scikit-learn's fit, seed $seed", (expected) => {
    const { rows, difficulty } = drawn(expected);
    expect(rows.reduce((sum, row) => sum + row.preference! - 1, 0)).toBeCloseTo(expected.preferenceSum, 6);
    const ours = lengthControlledWinRate(rows, { difficulty });
    expect(ours.difficulty).toBe("table");
    expect(ours.l1).toBeCloseTo(expected.l1, 9);
    const { length, difficulty: slope, model } = ours.coefficients;
    for (const [i, coefficient] of [length, slope, model].entries()) {
      expect(coefficient).toBeCloseTo(expected.coefficients[i]!, 3);
    }
    expect(ours.winRate).toBeCloseTo(expected.winRate, 2);
    expect(ours.standardError).toBeCloseTo(expected.standardError, 2);
  });

  it("takes the advantage of length away", () => {
    const { rows } = drawn({ seed: 5, n: 500, level: 0 });
    const wordy = rows.map((row, i) => ({
      ...row,
      modelLength: row.referenceLength + (i % 4 === 0 ? -300 : 600),
      preference: i % 4 === 0 ? 1.1 : i % 16 === 1 ? 1.1 : 1.9,
    }));
    const raw = 100 * mean(wordy.map((row) => row.preference - 1));
    expect(lengthControlledWinRate(wordy).winRate).toBeLessThan(raw - 5);
    expect(lengthControlledWinRate(wordy)).toMatchObject({ difficulty: "none", coefficients: { difficulty: 0 } });
  });

  it("predicts rows without a preference but does not train on them", () => {
    const { rows, difficulty } = drawn({ seed: 6, n: 200, level: 0 });
    const holed = rows.map((row, i) => (i % 10 === 3 ? { ...row, preference: i % 20 === 3 ? null : Number.NaN } : row));
    const result = lengthControlledWinRate(holed, { difficulty, difficultySource: "fitted" });
    expect(result.difficulty).toBe("fitted");
    expect(Math.abs(result.winRate - lengthControlledWinRate(rows, { difficulty }).winRate)).toBeLessThan(5);
  });

  it("is anchored by gamed rows", () => {
    const { rows, difficulty } = drawn({ seed: 7, n: 200, level: 0 });
    const gamed = Array.from({ length: 20_000 }, () => ({
      index: 0,
      preference: 0.5,
      standardLengthDifference: 2,
      difficulty: 0,
    }));
    expect(Math.abs(lengthControlledWinRate(rows, { difficulty, gamed }).coefficients.length)).toBeLessThan(0.1);
  });

  it("refuses what it cannot fit", () => {
    expect(() => lengthControlledWinRate([])).toThrow(UsageError);
    const { rows } = drawn({ seed: 1, n: 10, level: 0 });
    expect(() => lengthControlledWinRate(rows, { difficulty: [1, 2] })).toThrow("one number for each of the 10 rows");
    expect(() => fitDifficulty([rows])).toThrow("two or more models");
    expect(() => fitDifficulty([rows, rows.slice(1)])).toThrow(UsageError);
  });
});

describe("fitLogistic", () => {
  it("finds the log-odds of a share, and lets a large penalty win", () => {
    const data = { columns: [new Float64Array(10).fill(1)], target: new Float64Array(10).fill(0.8) };
    expect(fitLogistic(data)[0]).toBeCloseTo(Math.log(4), 8);
    expect(fitLogistic(data, { l1: 100 })).toEqual([0]);
    expect(Math.abs(fitLogistic(data, { l2: 100 })[0]!)).toBeLessThan(0.05);
  });

  it("stays finite on targets that a line separates", () => {
    const data = { columns: [Float64Array.of(-1, 1)], target: Float64Array.of(0, 1) };
    expect(Number.isFinite(fitLogistic(data)[0])).toBe(true);
  });
});

describe("fitDifficulty", () => {
  it("orders instructions by how often models win on them", () => {
    const truth = drawn({ seed: 9, n: 300, level: 0 }).difficulty;
    const random = new MersenneTwister(3);
    const models = [-1, -0.5, 0, 0.5, 1, 1.5].map((level) =>
      truth.map((difficulty) => ({
        referenceLength: 500,
        modelLength: 300 + random.below(400),
        preference: random.random() < sigmoid(level + difficulty) ? 2 : 1,
      })),
    );
    const fitted = fitDifficulty(models);
    const covariance = mean(fitted.map((d, i) => d * (truth[i]! - mean(truth))));
    expect(mean(fitted)).toBeCloseTo(0, 9);
    expect(covariance / Math.sqrt(sampleVariance(fitted) * sampleVariance(truth))).toBeGreaterThan(0.7);
  });
});

describe("parseDifficultyTable", () => {
  it("reads an index and a number a row", () => {
    expect(parseDifficultyTable(",instruction_difficulty\n1,0.5\n0,-2\n", "f.csv")).toEqual({
      difficulty: [-2, 0.5],
      gamed: [],
    });
    expect(parseDifficultyTable("0,1\n1,2\n", "f.csv").difficulty).toEqual([1, 2]);
  });

  it("reads the gamed rows, several an instruction, model by model as the official file has them", () => {
    const head = "model,index,preference,std_delta_len,instruction_difficulty,not_gamed_baseline";
    const lines = ["v,1,0.5,-1,2.5,False", "v,0,0.5,-2,1.5,False", "c,0,0.25,1,1.5,False", "c,1,0.75,2,2.5,False"];
    const gamed = [
      { index: 0, preference: 0.25, standardLengthDifference: 1, difficulty: 1.5 },
      { index: 1, preference: 0.75, standardLengthDifference: 2, difficulty: 2.5 },
      { index: 0, preference: 0.5, standardLengthDifference: -2, difficulty: 1.5 },
      { index: 1, preference: 0.5, standardLengthDifference: -1, difficulty: 2.5 },
    ];
    for (const order of [lines, lines.toReversed()])
      expect(parseDifficultyTable([head, ...order].join("\n"), "f.csv")).toEqual({ difficulty: [1.5, 2.5], gamed });
  });

  it.each([
    ["", "holds no rows"],
    ["a,b\n", "holds no rows"],
    ["a,b\n0,x\n", "row 2: difficulty is not a number"],
    ["a,b\n-1,3\n", "row 2: index -1 is not a row number"],
    ["a,b\n1,3\n", "no row for instruction 0"],
    ["index,std_delta_len\n0,1\n", 'no column "instruction_difficulty"'],
    ['a,"b\n', "not readable as CSV"],
  ])("names what is wrong with %j", (text, message) => {
    expect(() => parseDifficultyTable(text, "f.csv")).toThrow(message);
  });
});

interface Annotation {
  output_1: string;
  output_2: string;
  preference: number | null;
}
const folder = join(process.env.EVOKE_DATA ?? join(import.meta.dirname, "../../../shared/data"), "alpaca_eval");

describe.skipIf(!existsSync(folder))("published coefficients (skipped without the shared data)", () => {
  it("give the leaderboard's figures with difficulties that fit six models' judgements", () => {
    const table = (file: string) =>
      new Map(
        readFileSync(join(folder, file), "utf8")
          .split("\n")
          .map((line) => [line.split(",")[0]!, line.split(",").map(Number)]),
      );
    const coefficients = table("length_controlled_v1_weights_baseline_gpt4_1106_preview.csv");
    const leaderboard = table("leaderboard_weighted_alpaca_eval_gpt4_turbo.csv");
    const models = readdirSync(join(folder, "annotations")).map((file) => {
      const annotations = JSON.parse(readFileSync(join(folder, "annotations", file), "utf8")) as Annotation[];
      const rows = annotations.map((row) => ({
        preference: row.preference,
        referenceLength: [...row.output_1].length,
        modelLength: [...row.output_2].length,
      }));
      const [, length, difficulty, model] = coefficients.get(basename(file, ".json"))!;
      const offset = lengthFeature(rows).map((feature) => length! * feature + model!);
      return { rows, offset, slope: difficulty! };
    });
    // The official table is not public with the repository: one difficulty an instruction, given everything else.
    const difficulty = models[0]!.rows.map((_, i) => {
      const data = {
        columns: [Float64Array.from(models, ({ slope }) => slope)],
        target: Float64Array.from(models, ({ rows }) => (rows[i]!.preference === 0 ? 0.5 : rows[i]!.preference! - 1)),
      };
      return fitLogistic(data, { offset: Float64Array.from(models, ({ offset }) => offset[i]!), l2: 0.1 })[0]!;
    });
    const errors: number[] = [];
    for (const [name, [, , slope, model]] of coefficients) {
      const published = leaderboard.get(name)?.[10];
      if (!name || published === undefined) continue;
      const ours = predictFromCoefficients(
        { model: model!, difficulty: slope! },
        { model: 0, difficulty: 0 },
        difficulty,
      );
      errors.push(Math.abs(ours - published));
    }
    expect(errors.length).toBeGreaterThan(190);
    expect(mean(errors)).toBeLessThan(0.5);
  });
});
