import { describe, expect, it } from "vitest";
import { Random } from "../random/counter.js";
import { crossedErrors, summaryErrors } from "./error-bars.js";
import { mean } from "./statistics.js";

/** Scores of S runs on R rows, with the variances that runs, rows and the rest have. The true mean is 0. */
function experiment(random: Random, [S, R, ofRuns, ofRows, ofRest]: Case): number[][] {
  const rows = Array.from({ length: R }, () => Math.sqrt(ofRows) * random.normal());
  return Array.from({ length: S }, () => {
    const run = Math.sqrt(ofRuns) * random.normal();
    return rows.map((row) => run + row + Math.sqrt(ofRest) * random.normal());
  });
}

type Case = [S: number, R: number, ofRuns: number, ofRows: number, ofRest: number];
const CASES: Case[] = [
  [1, 50, 0, 1, 1],
  [2, 50, 0.02, 1, 1],
  [3, 50, 0.02, 1, 1],
  [3, 100, 0, 1, 1],
  [3, 60, 0.1, 1, 1],
  [5, 50, 0.02, 0.5, 1],
  [5, 40, 0.3, 0.2, 1],
];

describe("intervals of 95 %", () => {
  it.each(CASES)("%d runs on %d rows with variances %d, %d, %d: cover the truth 93 to 97 times in 100", (...each) => {
    const random = new Random("coverage", each.join());
    let covered = 0;
    for (let i = 0; i < 2000; i++) {
      const { low, high } = crossedErrors(experiment(random, each));
      if (low! <= 0 && high! >= 0) covered++;
    }
    expect(covered / 2000).toBeGreaterThanOrEqual(0.93);
    expect(covered / 2000).toBeLessThanOrEqual(0.97);
  });

  it("hold for shares of ones and zeros, as accuracies are", () => {
    const random = new Random("coverage of shares");
    let covered = 0;
    for (let i = 0; i < 2000; i++) {
      const { low, high } = crossedErrors([Array.from({ length: 100 }, () => Number(random.uniform() < 0.7))]);
      if (low! <= 0.7 && high! >= 0.7) covered++;
    }
    expect(covered / 2000).toBeGreaterThanOrEqual(0.93);
    expect(covered / 2000).toBeLessThanOrEqual(0.97);
  });
});

describe("the two errors", () => {
  it("are those of rows and of runs, and the rest is taken out once", () => {
    // Rows' means 1, 2, 3; runs' means 1.5, 2.5: no rest.
    const exact = crossedErrors([
      [0.5, 1.5, 2.5],
      [1.5, 2.5, 3.5],
    ]);
    expect(exact.sampling).toBeCloseTo(Math.sqrt(1 / 3), 12);
    expect(exact.runToRun).toBeCloseTo(Math.sqrt(0.5 / 2), 12);
    expect(exact.combined).toBeCloseTo(Math.sqrt(1 / 3 + 0.25), 12);
    // Runs that differ by nothing but the rest add nothing: MSE/(S·R) is what their spread is made of.
    const rest = crossedErrors([
      [1, 0, 1, 0],
      [0, 1, 0, 1],
    ]);
    expect(rest.runToRun).toBe(0);
    expect(rest.combined).toBe(rest.sampling);
  });

  it("of a single run: the rows alone", () => {
    const { sampling, runToRun, combined } = crossedErrors([[1, 0, 1, 1]]);
    expect([sampling, runToRun, combined]).toEqual([0.25, null, 0.25]);
  });

  it("are null where nothing can be said", () => {
    const nothing = { sampling: null, runToRun: null, combined: null, low: null, high: null };
    expect(crossedErrors([[1]])).toEqual(nothing);
    expect(summaryErrors([{ value: 0.5, stderr: null, n: 10 }])).toEqual(nothing);
  });

  it("do not depend on the order of rows or runs", () => {
    const random = new Random("order");
    const runs = experiment(random, [3, 20, 0.1, 1, 1]);
    const places = runs[0]!.map((_, i) => i).sort((a, b) => Math.sin(a) - Math.sin(b));
    const shuffled = [2, 0, 1].map((s) => places.map((r) => runs[s]![r]!));
    for (const [name, value] of Object.entries(crossedErrors(runs)))
      expect(crossedErrors(shuffled)[name as "low"]).toBeCloseTo(value, 12);
  });
});

describe("errors from the runs' own", () => {
  it("are larger than those from rows, never smaller", () => {
    const random = new Random("summary");
    for (let i = 0; i < 100; i++) {
      const runs = experiment(random, [3, 30, 0.05, 1, 1]);
      const figures = runs.map((run) => {
        const { sampling } = crossedErrors([run]);
        return { value: mean(run), stderr: sampling, n: run.length };
      });
      expect(summaryErrors(figures).combined!).toBeGreaterThanOrEqual(crossedErrors(runs).combined! - 1e-12);
      expect(summaryErrors(figures).runToRun).toBeCloseTo(crossedErrors(runs).runToRun!, 12);
    }
  });
});
