/** From a model and a recipe to what the training costs; and how fast this processor is. */
import { encodeConversations } from "../../data/encode.js";
import { loadTrainingData } from "../../data/training-data.js";
import { rowEncoding } from "../../data/training-examples.js";
import { Graph, ops } from "../../graph/index.js";
import { resolveModel } from "../../hub/resolve-model.js";
import { modelShape } from "../../model/model-shape.js";
import { trainedShape } from "../../peft/trained-adapter.js";
import type { TrainingRecipe } from "../../recipe/schema.js";
import { Device, hostTensor } from "../../runtime/device.js";
import { loadTokenizer } from "../../tokenizer/tokenizer.js";
import { plannedSteps } from "../../train/length.js";
import type { Workload } from "./work.js";

/** Rows that are assumed where no recipe names any: as many and as long as LIMA's, roughly. */
export const ASSUMED_ROWS = { count: 1000, tokens: 512, targets: 400 };

export interface RecipeWork {
  work: Workload;
  /** Optimiser steps. */
  steps: number;
  examples: number;
  tokens: number;
}

/** Reads configuration, tokenizer and rows; weights are neither fetched nor opened. */
export async function recipeWork(recipe: TrainingRecipe, assumeRows: boolean, say?: (line: string) => void) {
  const path = await resolveModel(recipe.model, { say, weights: false });
  const config = modelShape(path);
  const rows = assumeRows ? assumed(recipe) : await encodedRows(recipe, path);
  const { micro, accumulation } = recipe.batch;
  const { perEpoch, steps } = plannedSteps(rows.lengths.length, micro * accumulation, {
    epochs: recipe.epochs,
    maxSteps: recipe.max_steps,
  });
  const work: Workload = {
    config,
    ...(recipe.method === "full" ? {} : { adapter: trainedShape(config, recipe) }),
    base: recipe.quantization.type,
    ...rows,
    microBatch: Math.min(micro, rows.lengths.length),
    updateExamples: Math.min(micro * accumulation, rows.lengths.length),
    epochs: steps / perEpoch,
    recompute: recipe.memory.recompute !== "none",
  };
  const tokens = rows.lengths.reduce((sum, length) => sum + length, 0);
  return { work, steps, examples: rows.lengths.length, tokens } satisfies RecipeWork;
}

function assumed({ max_length }: TrainingRecipe): { lengths: number[]; targets: number } {
  const { count, tokens, targets } = ASSUMED_ROWS;
  const length = Math.min(tokens, max_length);
  return { lengths: new Array<number>(count).fill(length), targets: count * Math.min(targets, length) };
}

async function encodedRows(recipe: TrainingRecipe, path: string): Promise<{ lengths: number[]; targets: number }> {
  const rows = await loadTrainingData(recipe.data, recipe.seed);
  const { examples } = encodeConversations(rows.train, await loadTokenizer(path), rowEncoding(recipe));
  const targets = examples.reduce((sum, { mask }) => sum + mask.reduce((count, bit) => count + bit, 0), 0);
  return { lengths: examples.map(({ tokens }) => tokens.length), targets };
}

/** Side of the products that are timed, and how long. */
const SIDE = 1024;
const PROBE_MS = 500;

/** Dense float32 products of this processor in FLOP/s: the best of those that fit into half a second. */
export async function processorRate(threads?: number): Promise<number> {
  const device = await Device.open({ threads });
  const graph = new Graph();
  const x = graph.input("x", "float32", [SIDE, SIDE]);
  graph.output("y", ops.gemm(x, x));
  const executable = await device.compile(graph);
  const feeds = { x: hostTensor("float32", new Float32Array(SIDE * SIDE).fill(0.5), [SIDE, SIDE]) };
  await executable.run(feeds);
  let best = 0;
  for (const begun = performance.now(); performance.now() - begun < PROBE_MS; ) {
    const start = performance.now();
    await executable.run(feeds);
    best = Math.max(best, (2 * SIDE ** 3 * 1000) / (performance.now() - start));
  }
  await executable.dispose();
  return best;
}
