import { describe, expect, it } from "vitest";
import { findingOf } from "./finding.js";
import type { ExperimentReport, Score } from "./report-data.js";

const arm = (name: string, kind: "untuned" | "rt" | "it") => ({
  name,
  title: name,
  kind,
  model: "m",
  changes: [],
  seeds: [],
});

function report(figures: Record<string, [pairs: number, stderr: number, ended: number]>): ExperimentReport {
  const score = (name: string, suite: string, metric: string, value: number, stderr: number): Score => ({
    arm: name,
    evaluation: "e",
    suite,
    metric,
    value,
    stderr,
    sampling: stderr,
    runToRun: null,
    low: null,
    high: null,
    n: 50,
    missing: 0,
    seeds: 1,
  });
  const scores = Object.entries(figures).flatMap(([name, [pairs, stderr, ended]]) => [
    score(name, "response_ranking", "pair_accuracy_others", pairs, stderr),
    score(name, "instruct", "ended_by_itself", ended, 0.05),
  ]);
  return { arms: [arm("base", "untuned"), arm("IT", "it"), arm("RT", "rt")], scores } as unknown as ExperimentReport;
}

describe("what was found", () => {
  it("is said whichever way the figures fall", () => {
    expect(findingOf(report({ base: [0.72, 0.02, 0.1], RT: [0.73, 0.02, 0.9], IT: [0.75, 0.02, 0.95] }))).toEqual([
      "The untuned model finds an instruction's own response more probable than another's in 72.0 % of pairs (chance 50 %): so it tells " +
        "them apart before any tuning; 73.0 % after RT, tuning on responses alone, 75.0 % after IT, tuning on instructions and responses.",
      "It ends 10.0 % of its answers by itself; 90.0 % after RT, tuning on responses alone (more), 95.0 % after IT, tuning on " +
        "instructions and responses (more).",
    ]);
    expect(findingOf(report({ base: [0.51, 0.02, 0.9], RT: [0.5, 0.02, 0.6] }))).toEqual([
      expect.stringContaining("no better than chance, within the error"),
      expect.stringContaining("60.0 % after RT, tuning on responses alone (fewer)"),
    ]);
    expect(findingOf(report({ base: [0.4, 0.02, 0.5] }))[0]).toContain("prefers the wrong ones");
    expect(findingOf(report({ base: [0.4, 0.02, 0.5], RT: [0.4, 0.02, 0.55] }))[1]).toContain("no clear change");
  });

  it("is nothing without an untuned arm or its figures", () => {
    expect(findingOf(report({ RT: [0.9, 0.1, 1] }))).toEqual([]);
    expect(findingOf({ ...report({ base: [0.9, 0.1, 1] }), arms: [arm("base", "untuned")] })).toEqual([]);
  });
});
