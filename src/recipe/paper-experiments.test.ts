import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { loadExperiment } from "./experiment-load.js";

const load = (name: string, smoke: boolean) =>
  loadExperiment(fileURLToPath(new URL(`../../examples/${name}.yaml`, import.meta.url)), { smoke });

/** Printed means were made of figures that were not rounded yet. */
const ROUNDING = 0.0076;

describe.each(["rt-main", "rt-refinement", "rt-refusal", "rt-in-context", "self-instruct-follow-up"])(
  "examples/%s.yaml",
  (name) => {
    const full = load(name, false);
    const { experiment } = full;
    const { published } = experiment;

    it("keeps every arm, data set and evaluation in its small variant", () => {
      const small = load(name, true).experiment;
      for (const block of ["arms", "data", "evaluations"] as const)
        expect(Object.keys(small[block])).toEqual(Object.keys(experiment[block]));
    });

    it("asks with the papers' own prompts where they can be had", () => {
      expect(experiment.original_prompts).toBe("auto");
    });

    it("has published figures for its own arms, and tables without holes", () => {
      for (const { arms, tables } of published) {
        for (const arm of Object.keys(arms)) expect(Object.keys(experiment.arms)).toContain(arm);
        for (const { columns, rows } of tables)
          for (const cells of Object.values(rows)) expect(cells).toHaveLength(columns.length);
      }
    });

    it("has published means that are the means of their parts", () => {
      const means = [
        { mean: "just_eval.overall", parts: /^just_eval\.(?!overall|safety)/, tolerance: 2 * ROUNDING },
        { mean: "core.average", parts: /\.(acc|exact_match_strict)$/, tolerance: 0.0001 },
        { mean: "refusal.average", parts: /\.(defense_success_rate|unsafe_defense_rate)$/, tolerance: ROUNDING },
      ];
      for (const { arms } of published)
        for (const figures of Object.values(arms))
          for (const { mean, parts, tolerance } of means) {
            const value = figures[mean];
            if (typeof value !== "number") continue;
            const given = Object.entries(figures).flatMap(([key, part]) => (parts.test(key) ? [part!] : []));
            const average = given.reduce((sum, part) => sum + part, 0) / given.length;
            expect(Math.abs(average - value), JSON.stringify(figures)).toBeLessThanOrEqual(tolerance);
          }
    });
  },
);
