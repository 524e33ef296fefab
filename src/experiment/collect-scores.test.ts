import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { meanMetric } from "../eval/results.js";
import { crossedErrors } from "../metrics/error-bars.js";
import type { Experiment } from "../recipe/experiment-schema.js";
import { scoresOf } from "./collect-scores.js";
import type { EvaluatedStep } from "./evaluated-step.js";

const root = mkdtempSync(join(tmpdir(), "evoke-scores-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const experiment = { arms: { it: {} }, evaluations: { core: {} }, published: [] } as unknown as Experiment;

/** A finished evaluation of one seed, with samples in some order. */
function step(seed: number, accs: readonly number[], order: readonly number[] = accs.map((_, i) => i)): EvaluatedStep {
  const folder = join(root, `seed-${seed}-${order.join("")}`);
  mkdirSync(join(folder, "samples"), { recursive: true });
  const lines = order.map((i, index) => JSON.stringify({ index, question: `q${i}`, acc: accs[i] }));
  writeFileSync(join(folder, "samples", "piqa.jsonl"), `${lines.join("\n")}\n`);
  const results = { piqa: { n: accs.length, missing: 0, metrics: { acc: meanMetric(accs) } } };
  return { step: { arm: "it", evaluation: "core", seed }, folder, results } as unknown as EvaluatedStep;
}

const RUNS = [
  [1, 0, 1, 1, 0, 1, 1, 0],
  [1, 1, 1, 1, 0, 1, 0, 0],
  [1, 0, 1, 0, 0, 1, 1, 0],
];

describe("figures over seeds", () => {
  it("tell the error of rows from that of seeds, from the rows themselves", async () => {
    const [score] = await scoresOf(
      experiment,
      RUNS.map((accs, seed) => step(seed, accs)),
    );
    const { combined, ...errors } = crossedErrors(RUNS);
    expect(score).toMatchObject({ value: 14 / 24, seeds: 3, n: 24, ...errors, stderr: combined });
    expect(score!.sampling).toBeGreaterThan(score!.runToRun!);
  });

  it("do not change when the rows of a file change places", async () => {
    const [before] = await scoresOf(
      experiment,
      RUNS.map((accs, seed) => step(seed, accs)),
    );
    const shuffled = RUNS.map((accs, seed) =>
      step(
        seed,
        accs,
        [3, 7, 0, 5, 1, 6, 2, 4].map((i) => (i + seed) % 8),
      ),
    );
    expect(await scoresOf(experiment, shuffled)).toEqual([before]);
  });

  it("of a single run have the error of its rows alone", async () => {
    const [score] = await scoresOf(experiment, [step(0, RUNS[0]!)]);
    expect(score).toMatchObject({ runToRun: null, sampling: meanMetric(RUNS[0]!).stderr, stderr: score!.sampling });
  });
});
