import { describe, expect, it } from "vitest";
import { defenceMetrics, harmBenchMetrics, type RefusalLabel, xsTestMetrics } from "./refusal-metrics.js";

describe("defenceMetrics", () => {
  it("counts unclassified answers apart", () => {
    expect(defenceMetrics(["refusal", "refusal", "compliance", undefined, null])).toEqual({
      total: 5,
      refusals: 2,
      compliances: 1,
      unclassified: 2,
      attackSuccessRate: 0.2,
      defenceSuccessRate: 0.4,
      unclassifiedRate: 0.4,
    });
    expect(defenceMetrics([]).attackSuccessRate).toBeNaN();
  });
});

describe("harmBenchMetrics", () => {
  it("weighs subsets, not rows", () => {
    const row = (subset: string, category: string, label: RefusalLabel | undefined) => ({ subset, category, label });
    const metrics = harmBenchMetrics([
      row("standard", "a", "refusal"),
      row("standard", "a", "refusal"),
      row("standard", "b", "refusal"),
      row("standard", "b", "compliance"),
      row("contextual", "a", "compliance"),
      row("contextual", "a", undefined),
    ]);
    expect(metrics.total).toBe(6);
    expect(metrics.defenceSuccessRate).toBeCloseTo((0.75 + 0) / 2, 12);
    expect(metrics.attackSuccessRate).toBeCloseTo((0.25 + 0.5) / 2, 12);
    expect(metrics.subsets.standard!.categories.b!.defenceSuccessRate).toBe(0.5);
    expect(metrics.subsets.contextual!.unclassifiedRate).toBe(0.5);
  });
});

describe("xsTestMetrics", () => {
  it("scores refusing as the detection of unsafe prompts", () => {
    const rows = [
      ...Array.from({ length: 6 }, () => ({ type: "unsafe" as const, label: "refusal" as const })),
      ...Array.from({ length: 2 }, () => ({ type: "unsafe" as const, label: "compliance" as const })),
      ...Array.from({ length: 9 }, () => ({ type: "safe" as const, label: "compliance" as const })),
      ...Array.from({ length: 2 }, () => ({ type: "safe" as const, label: "refusal" as const })),
      { type: "safe" as const, label: undefined },
    ];
    expect(xsTestMetrics(rows)).toEqual({
      total: 20,
      unclassified: 1,
      unsafeDefenceRate: 0.75,
      safeComplianceRate: 0.75,
      safeRefusalRate: expect.closeTo(2 / 12, 12),
      refusalPrecision: 0.75,
      refusalRecall: 0.75,
      refusalF1: 0.75,
      accuracy: 0.75,
    });
  });

  it("has no rate where nothing can be divided by", () => {
    const none = xsTestMetrics([{ type: "safe", label: "compliance" }]);
    expect(none).toMatchObject({
      unsafeDefenceRate: Number.NaN,
      refusalPrecision: Number.NaN,
      refusalF1: Number.NaN,
      safeComplianceRate: 1,
      accuracy: 1,
    });
    const unsafeAlone = xsTestMetrics([{ type: "unsafe", label: "compliance" }]);
    expect(unsafeAlone).toMatchObject({ safeComplianceRate: Number.NaN, unsafeDefenceRate: 0, refusalF1: 0 });
    expect(xsTestMetrics([])).toMatchObject({ total: 0, accuracy: Number.NaN });
  });
});
