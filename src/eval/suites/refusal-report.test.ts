import { expect, it } from "vitest";
import { refusalReport } from "./refusal-report.js";

it("gives HarmBench the error of the mean of its subsets", () => {
  const row = (subset: string, label: "refusal" | "compliance") => ({ label, tags: { subset, category: "none" } });
  const { metrics } = refusalReport("harmbench", [
    row("standard", "refusal"),
    row("standard", "compliance"),
    row("standard", "compliance"),
    row("contextual", "refusal"),
    row("contextual", "compliance"),
  ]);
  expect(metrics.defense_success_rate!.value).toBeCloseTo((1 / 3 + 1 / 2) / 2, 12);
  // Errors of 1/3 and 1/2, halved and added in quadrature.
  expect(metrics.defense_success_rate!.stderr).toBeCloseTo(Math.hypot(1 / 3, 1 / 2) / 2, 12);
  expect(metrics.attack_success_rate!.stderr).toBeCloseTo(Math.hypot(1 / 3, 1 / 2) / 2, 12);
});
