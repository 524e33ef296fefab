/** First phase of a run: opens its model, reads its rows, and settles what will be computed, before anything is written. */
import { type Checkpoint, openCheckpoint } from "../checkpoint/open.js";
import type { TrainingExample } from "../data/encode.js";
import { loadTrainingExamples } from "../data/training-examples.js";
import { UsageError } from "../errors.js";
import { identifyFile } from "../hub/content-identity.js";
import { hubSource } from "../hub/hub.js";
import { resolveAdapter } from "../hub/resolve-adapter.js";
import { resolveModel } from "../hub/resolve-model.js";
import type { Adapter, AdapterShape } from "../model/adapter.js";
import { decoderConfig } from "../model/architectures/index.js";
import type { DecoderConfig } from "../model/decoder-config.js";
import type { DecoderWeights, Precision } from "../model/weights.js";
import { loadAdapter } from "../peft/adapter-io.js";
import { trainedShape } from "../peft/trained-adapter.js";
import type { TrainingRecipe } from "../recipe/schema.js";
import { Device } from "../runtime/device.js";
import { localTime } from "../tokenizer/template-date.js";
import { loadTokenizer, type Tokenizer } from "../tokenizer/tokenizer.js";
import { type RunIdentity, runIdentity, versions } from "./identity.js";
import { plannedSteps, type RunLength } from "./length.js";
import { type MemoryPlan, planMemory } from "./memory-plan.js";
import { newAdapter } from "./parameter-store.js";
import type { RunRecord } from "./run-folder.js";

export interface RunSetup {
  recipe: TrainingRecipe;
  modelPath: string;
  checkpoint: Checkpoint;
  config: DecoderConfig;
  tokenizer: Tokenizer;
  train: TrainingExample[];
  validation: TrainingExample[];
  /** Rows that were left out, and why. */
  skipped: readonly string[];
  /** The adapter that is trained; undefined where all weights are. */
  shape?: AdapterShape;
  precision: Precision;
  device: Device;
  plan: MemoryPlan;
  length: RunLength;
  identity: RunIdentity;
  /** The run's record as it begins. */
  record: RunRecord;
}

const precisionOf: Record<TrainingRecipe["quantization"]["type"], Precision> = {
  nf4: "nf4",
  int8: "int8",
  none: "float32",
};

/** @param before record of the run to continue. */
export async function prepareRun(
  given: TrainingRecipe,
  before: RunRecord | undefined,
  { say, signal }: { say: (line: string) => void; signal?: AbortSignal },
): Promise<RunSetup> {
  const adapter = given.adapter && (await resolveAdapter(given.adapter, { say, signal }));
  const recipe: TrainingRecipe = adapter ? { ...given, adapter } : given;
  const started = before?.started ?? new Date().toISOString();
  // A resumed run keeps the commit of a model on the Hub.
  const modelPath = await resolveModel(before?.modelSource ?? recipe.model, { say, signal });
  // A resumed run keeps its date: templates may write it.
  const templateTime = before?.templateTime ?? localTime(new Date(started));
  const tokenizer = await loadTokenizer(modelPath, { templateTime });
  const checkpoint = openCheckpoint(modelPath);
  try {
    const config = decoderConfig(checkpoint.config, checkpoint.source);
    const examples = await loadTrainingExamples(recipe, tokenizer, say, config.vocabSize);
    const { train, validation, truncated, dropped, validationTruncated, validationDropped } = examples;
    const identity = await runIdentity({ recipe, model: { path: modelPath }, train, validation }, { say, signal });
    signal?.throwIfAborted();
    const shape = recipe.method === "full" ? undefined : trainedShape(config, recipe);
    const lengths = train.map(({ tokens }) => tokens.length);
    checkLengths([...lengths, ...validation.map(({ tokens }) => tokens.length)], config, say);
    const device = await Device.open({
      device: recipe.device === "auto" ? "cpu" : recipe.device,
      threads: recipe.threads,
    });
    const precision = precisionOf[recipe.quantization.type];
    const plan = planMemory({
      config,
      adapter: shape,
      precision,
      lengths,
      microBatch: recipe.batch.micro,
      budgetBytes: recipe.memory.budget_gb === undefined ? undefined : recipe.memory.budget_gb * 1e9,
      availableBytes: device.availableBytes(),
      recompute: recipe.memory.recompute,
      rowTokens: before?.memory?.rowTokens,
    });
    const limits = { epochs: recipe.epochs, maxSteps: recipe.max_steps };
    const length = plannedSteps(train.length, recipe.batch.micro * recipe.batch.accumulation, limits);
    const files: Record<string, string> = {};
    for (const path of recipe.data.path) files[path] = await identifyFile(path);
    const source = hubSource(modelPath);
    const record: RunRecord = {
      model: recipe.model,
      modelPath,
      ...(source === undefined ? {} : { modelSource: source }),
      method: recipe.method,
      mode: recipe.mode,
      template: recipe.template,
      templateTime,
      seed: recipe.seed,
      status: "running",
      identity: identity.id,
      identityFields: identity.fields,
      versions: versions(),
      device: { name: device.name, threads: device.threads },
      data: {
        files,
        examples: train.length,
        validation: validation.length,
        truncated,
        dropped,
        validationTruncated,
        validationDropped,
      },
      memory: { keptLayers: plan.keptLayers, rowTokens: plan.rowTokens, estimateBytes: Math.round(plan.estimate) },
      progress: { step: 0, steps: length.steps, epoch: 0 },
      started,
    };
    return {
      recipe,
      modelPath,
      checkpoint,
      config,
      tokenizer,
      train,
      validation,
      skipped: examples.skipped,
      shape,
      precision,
      device,
      plan,
      length,
      identity,
      record,
    };
  } catch (error) {
    checkpoint.close();
    throw error;
  }
}

/** @throws UsageError for rows that the model has no positions for, or other ones than it was made with. */
export function checkLengths(
  lengths: readonly number[],
  { maxPositions, rope, names }: Pick<DecoderConfig, "maxPositions" | "rope" | "names">,
  say: (line: string) => void,
): void {
  const beyond = lengths.filter((length) => length > maxPositions);
  if (!beyond.length) return;
  const longest = beyond.reduce((most, length) => Math.max(most, length));
  const what = `${beyond.length} rows are longer than the ${maxPositions} positions that the model`;
  if (names.positions !== undefined)
    throw new UsageError(`${what} has, up to ${longest} tokens; set max_length: ${maxPositions} or less`);
  if (rope.some(({ limit }) => limit !== undefined))
    throw new UsageError(
      `${what} is computed for here, up to ${longest} tokens: beyond them its rope_scaling rotates all positions otherwise; set max_length: ${maxPositions} or less`,
    );
  say(
    `${what} was made for (max_position_embeddings), up to ${longest} tokens: what it learns beyond may be poor; max_length cuts them`,
  );
}

/** The adapter as training starts from it. */
export async function startingAdapter(
  { recipe, shape }: RunSetup,
  weights: DecoderWeights,
): Promise<Adapter | undefined> {
  if (!shape) return undefined;
  if (recipe.adapter === undefined) return newAdapter(weights, shape, recipe.seed);
  return { ...(await loadAdapter(recipe.adapter, weights.config)), shape };
}
