/** The exported recipe makes as many optimiser steps in TRL and in Axolotl as it does here. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { trainingRecipeSchema } from "../../recipe/schema.js";
import { plannedSteps } from "../../train/length.js";
import { axolotlConfig } from "./axolotl.js";
import type { TrainingPlan } from "./training-plan.js";
import { trlConfig } from "./trl.js";

/** [examples, micro, accumulation, epochs, max_steps, steps] by transformers' Trainer; tools/golden/training_steps.py. */
const golden = JSON.parse(readFileSync(new URL("fixtures/steps.json", import.meta.url), "utf8")) as number[][];

function planOf(examples: number, micro: number, accumulation: number, epochs: number, maxSteps: number): TrainingPlan {
  const length = maxSteps > 0 ? { max_steps: maxSteps } : { epochs };
  const recipe = trainingRecipeSchema.parse({
    ...{ model: "m", data: { path: "r" }, method: "full", batch: { micro, accumulation } },
    ...length,
  });
  const { steps, perEpoch } = plannedSteps(examples, micro * accumulation, {
    epochs: recipe.epochs,
    maxSteps: recipe.max_steps,
  });
  return {
    ...{ recipe: { ...recipe, quantization: { type: "none" } }, model: { name: "m" }, steps, stepsPerEpoch: perEpoch },
    ...{ warmupSteps: 0, precision: "float32", train: new Array(examples), validation: [] },
    batch: { micro, accumulation },
  } as unknown as TrainingPlan;
}

/** Steps by transformers' rule; the golden file says that it is that. */
const trainerSteps = (perEpoch: number, epochs: number, maxSteps: number): number =>
  maxSteps > 0 ? maxSteps : Math.ceil(epochs * perEpoch);

describe("steps of an exported recipe", () => {
  it("are counted here by transformers' own rule", () => {
    for (const [examples, micro, accumulation, epochs, maxSteps, steps] of golden as [
      number,
      number,
      number,
      number,
      number,
      number,
    ][])
      expect(trainerSteps(Math.ceil(examples / (micro * accumulation)), epochs, maxSteps)).toBe(steps);
    expect(golden.length).toBeGreaterThan(200);
  });

  it("are the same in TRL and Axolotl, for whole epochs, parts of one, and max_steps", () => {
    let otherwise = 0;
    for (const [examples, micro, accumulation, epochs, maxSteps, theirs] of golden as [
      number,
      number,
      number,
      number,
      number,
      number,
    ][]) {
      const plan = planOf(examples, micro, accumulation, epochs, maxSteps);
      if (plan.steps !== theirs) otherwise++;
      const trl = trlConfig(plan) as { num_train_epochs?: number; max_steps?: number };
      const there = trainerSteps(plan.stepsPerEpoch, trl.num_train_epochs ?? Number.NaN, trl.max_steps ?? -1);
      const axolotl = axolotlConfig(plan) as { num_epochs: number; max_steps?: number };
      const most = Math.ceil((examples * axolotl.num_epochs) / (micro * accumulation));
      const limit = axolotl.max_steps === undefined ? -1 : Math.min(axolotl.max_steps, most);
      const steps = trainerSteps(plan.stepsPerEpoch, axolotl.num_epochs, limit);
      expect({ examples, micro, accumulation, epochs, maxSteps, there, steps }).toMatchObject({
        there: plan.steps,
        steps: plan.steps,
      });
    }
    expect(otherwise).toBeGreaterThan(0); // 1.1 · 100 is a little more than 110: 111 steps there
  });
});
