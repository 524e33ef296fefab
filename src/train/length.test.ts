import { describe, expect, it } from "vitest";
import { type TrainingRecipe, trainingRecipeSchema } from "../recipe/schema.js";
import { lengthChange, plannedSteps } from "./length.js";

const recipe = (schedule: Record<string, unknown>): TrainingRecipe =>
  trainingRecipeSchema.parse({ model: "m", data: { path: "r" }, schedule, optimizer: { lr: 0.001 } }) as TrainingRecipe;

describe("the length of a run", () => {
  it.each([
    [100, 10, { epochs: 2 }, 20],
    [100, 10, { epochs: 0.25 }, 3],
    [100, 10, { epochs: 0.3 }, 3],
    [95, 10, { epochs: 1.01 }, 11],
    [3, 64, { epochs: 0.1 }, 1],
    [100, 10, { epochs: 5, maxSteps: 7 }, 7],
  ])("%i rows in batches of %i, %o: %i steps", (rows, batch, limits, steps) => {
    expect(plannedSteps(rows, batch, limits).steps).toBe(steps);
  });
});

describe("another length for a run that goes on", () => {
  it("is said, and changes no step of a constant schedule with warm-up steps", () => {
    expect(lengthChange(recipe({ warmup_steps: 2 }), 8, 10, 10)).toBeUndefined();
    expect(lengthChange(recipe({ warmup_steps: 2 }), 8, 10, 30)).toBe(
      "the run goes on to step 30, where it was to end at 10",
    );
  });

  it("says what changes where the schedule depends on it", () => {
    expect(lengthChange(recipe({ type: "linear" }), 5, 10, 20)).toBe(
      "the run goes on to step 20, where it was to end at 10; schedule linear depends on that: the learning rate of step 6 is 7.50e-4 instead of 5.00e-4, and the steps before were made with the old one",
    );
    expect(lengthChange(recipe({ warmup_ratio: 0.5 }), 5, 10, 20)).toContain("schedule constant depends on that");
  });

  it("cannot be less than what was done", () => {
    expect(() => lengthChange(recipe({}), 8, 10, 7)).toThrow("the run has made 8 steps, more than the 7 of epochs");
  });
});
