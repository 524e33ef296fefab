/** A training run in the tab: the command line's trainer, with the settings of a small model. */
import { encodeConversations } from "../../../src/data/encode.js";
import { saveAdapter } from "../../../src/peft/adapter-io.js";
import { adapterShape } from "../../../src/peft/targets.js";
import type { Device } from "../../../src/runtime/device.js";
import { planMemory } from "../../../src/train/memory-plan.js";
import { AdamW } from "../../../src/train/optimiser.js";
import { newAdapter, readAdapter } from "../../../src/train/parameter-store.js";
import { Trainer } from "../../../src/train/trainer.js";
import { TrainingModel } from "../../../src/train/training-model.js";
import type { NamedBytes, TrainRequest } from "../messages.js";
import { readdirSync, readFileSync, rmSync } from "../platform/fs.js";
import { setAdapter, type TabModel } from "./model.js";
import { readRows } from "./rows.js";

/** As a recipe writes them. A small model forgets what it knows when all its layers are tuned on responses alone. */
const LORA = { r: 64, alpha: 64, dropout: 0.1, target_modules: ["down_proj"] };
const BATCH = 8;
const MAX_LENGTH = 256;
const MAX_GRAD_NORM = 0.3;

/** Trains, adds the adapter to the model under the mode's name, and gives the files that PEFT would write. */
export async function train(
  model: TabModel,
  device: Device,
  { mode, rows, steps, lr }: TrainRequest,
  onStep: (step: number, loss: number) => void,
  signal: AbortSignal,
): Promise<NamedBytes[]> {
  const { weights, tokenizer } = model;
  const { config } = weights;
  const template: "model" | "tulu" = model.generator.template === "model" ? "model" : "tulu";
  const options = { template, mode, maxLength: Math.min(MAX_LENGTH, config.maxPositions), vocabSize: config.vocabSize };
  const { examples } = encodeConversations(readRows(rows), tokenizer, { ...options, skipInvalid: true });
  const shape = adapterShape(config, LORA);
  const lengths = examples.map(({ tokens }) => tokens.length);
  const plan = planMemory({
    config,
    adapter: shape,
    precision: "float32",
    lengths,
    microBatch: BATCH,
    recompute: "auto",
    availableBytes: device.availableBytes(),
  });
  const trained = await TrainingModel.create(device, weights, {
    adapter: newAdapter(weights, shape, 0),
    keptLayers: plan.keptLayers,
    compiledTokens: plan.compiledTokens,
    signal,
  });
  const checkpoints = `/runs/${mode}`;
  try {
    const optimiser = new AdamW(device, { betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 });
    const trainer = new Trainer(
      trained,
      optimiser,
      examples,
      [],
      {
        learningRate: lr,
        schedule: { type: "constant", warmupSteps: 0 },
        microBatch: BATCH,
        accumulation: 1,
        packing: true,
        rowTokens: plan.rowTokens,
        maxLength: options.maxLength,
        steps,
        maxGradNorm: MAX_GRAD_NORM,
        seed: 0,
        checkpointEvery: Number.POSITIVE_INFINITY,
        keepCheckpoints: 1,
        identity: "",
        signal,
      },
      checkpoints,
      { step: ({ step, loss }) => onStep(step, loss), best: async () => {} },
    );
    await trainer.run();
    const adapter = await readAdapter(device, trained.groups, shape);
    setAdapter(model, mode, adapter);
    return await filesOf(mode, model, adapter);
  } finally {
    rmSync(checkpoints);
    await trained.dispose();
  }
}

async function filesOf(
  mode: string,
  model: TabModel,
  adapter: Parameters<typeof saveAdapter>[1],
): Promise<NamedBytes[]> {
  const folder = `/adapters/${mode}`;
  rmSync(folder);
  await saveAdapter(folder, adapter, { base: { name: model.name } });
  return (readdirSync(folder) as string[]).map((name) => ({
    name,
    bytes: readFileSync(`${folder}/${name}`) as Uint8Array,
  }));
}
