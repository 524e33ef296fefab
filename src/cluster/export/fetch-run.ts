/** Brings back what another trainer made of an exported recipe, as an ordinary run folder. */
import { createWriteStream, existsSync } from "node:fs";
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { openCheckpoint } from "../../checkpoint/open.js";
import { SafetensorsFile } from "../../checkpoint/safetensors.js";
import { FailureError, UsageError } from "../../errors.js";
import { canonicalJson } from "../../files/canonical-json.js";
import { sha256 } from "../../files/sha256.js";
import { readAdapterConfig } from "../../peft/adapter-io.js";
import { EventFileWriter } from "../../report/tensorboard.js";
import { RunFolder, type RunRecord, type StepMetrics } from "../../train/run-folder.js";
import { HAND_OVER, type HandOver, handOverSchema } from "./hand-over.js";
import { openPlace, type Place } from "./place.js";

/** Where both trainers put what they made. */
const OUTPUT = "output";
/** Beside the weights of a whole model; those that are there are taken. */
const MODEL_FILES = [
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "chat_template.jinja",
];

/**
 * @param reference the exported folder after its training: a path, `s3://BUCKET/PREFIX` or `hf:ORG/NAME[@REV]`.
 * @param out the run folder to make.
 * @throws UsageError when `out` holds a run or the place no exported recipe; FailureError when the training has left no
 * whole result, or it cannot be read.
 */
export async function fetchRun(reference: string, out: string, say: (line: string) => void): Promise<RunRecord> {
  const folder = new RunFolder(out);
  if (folder.exists()) throw new UsageError(`${out}: already holds a run; use another --out`);
  const place = openPlace(reference, say);
  const given = await readHandOver(place, reference);
  const kind = given.recipe.method === "full" ? "model" : "adapter";
  const target = join(out, kind);
  const temporary = `${target}.tmp`;
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true });
  try {
    if (kind === "adapter") await fetchAdapter(place, reference, temporary, given);
    else await fetchModel(place, reference, temporary);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
  const steps = await readSteps(place, given);
  if (steps.length === 0) say(`${reference}: holds no trainer_state.json; the run has no losses of its steps`);
  await rm(target, { recursive: true, force: true });
  await rename(temporary, target);
  folder.create(given.recipe);
  const writer = new EventFileWriter(folder.tensorboard());
  folder.truncateMetrics(0);
  for (const metrics of steps) {
    folder.append(metrics);
    writer.scalar("train/loss", metrics.loss, metrics.step);
    if (metrics.validation_loss !== undefined) writer.scalar("validation/loss", metrics.validation_loss, metrics.step);
  }
  writer.close();
  const record = newRecord(given, steps);
  folder.write(record);
  folder.log(`fetched from ${reference}, trained by ${given.trainer}`);
  return record;
}

async function readHandOver(place: Place, reference: string): Promise<HandOver> {
  const stream = await place(HAND_OVER);
  if (!stream)
    throw new UsageError(
      `${reference}: holds no ${HAND_OVER}, which evoke export recipe writes; name the exported folder`,
    );
  const parsed = handOverSchema.safeParse(json(await textOf(stream)));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new UsageError(
    `${reference}: ${HAND_OVER} is not as it was written (${issue?.path.join(".")}: ${issue?.message})`,
  );
}

async function fetchAdapter(place: Place, reference: string, target: string, { adapter }: HandOver): Promise<void> {
  for (const name of ["adapter_config.json", "adapter_model.safetensors"])
    await save(place, reference, name, join(target, name));
  const { settings } = readAdapterConfig(target);
  for (const name of ["r", "lora_alpha"] as const)
    if (adapter && settings[name] !== adapter[name])
      throw new FailureError(`${reference}: its adapter has ${name} ${settings[name]}, the recipe ${adapter[name]}`);
  readWhole(reference, () => new SafetensorsFile(join(target, "adapter_model.safetensors")).close());
}

async function fetchModel(place: Place, reference: string, target: string): Promise<void> {
  await save(place, reference, "config.json", join(target, "config.json"));
  const index = await place(`${OUTPUT}/model.safetensors.index.json`);
  const shards = new Set(["model.safetensors"]);
  if (index) {
    await pipeline(index, createWriteStream(join(target, "model.safetensors.index.json")));
    const text = await readFile(join(target, "model.safetensors.index.json"), "utf8");
    const { weight_map } = z.object({ weight_map: z.record(z.string(), z.string()) }).parse(json(text));
    shards.clear();
    for (const shard of Object.values(weight_map)) {
      if (!/^[\w.-]+$/.test(shard))
        throw new FailureError(`${reference}: names a file of weights ${JSON.stringify(shard)}`);
      shards.add(shard);
    }
  }
  for (const name of shards) await save(place, reference, name, join(target, name));
  for (const name of MODEL_FILES) {
    const stream = await place(`${OUTPUT}/${name}`);
    if (stream) await pipeline(stream, createWriteStream(join(target, name)));
  }
  readWhole(reference, () => openCheckpoint(target).close());
}

async function save(place: Place, reference: string, name: string, path: string): Promise<void> {
  const stream = await place(`${OUTPUT}/${name}`);
  if (!stream) throw new FailureError(`${reference}: ${OUTPUT}/${name} is not there; has the training ended?`);
  await pipeline(stream, createWriteStream(path, { flush: true }));
}

/** A file that is cut off shows when it is opened. */
function readWhole(reference: string, open: () => void): void {
  try {
    open();
  } catch (error) {
    throw new FailureError(`${reference}: its weights cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

const stateSchema = z.object({
  log_history: z.array(
    z.looseObject({
      step: z.int(),
      loss: z.number().optional(),
      grad_norm: z.number().optional(),
      learning_rate: z.number().optional(),
      eval_loss: z.number().optional(),
      num_tokens: z.number().optional(),
    }),
  ),
});

/** The trainer's own log, beside the result or in its last checkpoint. */
async function readSteps(place: Place, { steps, stepsPerEpoch }: HandOver): Promise<StepMetrics[]> {
  const stream =
    (await place(`${OUTPUT}/trainer_state.json`)) ?? (await place(`${OUTPUT}/checkpoint-${steps}/trainer_state.json`));
  if (!stream) return [];
  const parsed = stateSchema.safeParse(json(await textOf(stream)));
  if (!parsed.success) return [];
  const found = new Map<number, StepMetrics>();
  for (const { step, loss, grad_norm, learning_rate, eval_loss, num_tokens } of parsed.data.log_history) {
    if (loss !== undefined)
      found.set(step, {
        step,
        epoch: step / stepsPerEpoch,
        loss,
        lr: learning_rate ?? 0,
        grad_norm: grad_norm ?? 0,
        tokens: num_tokens ?? 0,
        tokens_per_s: 0,
        rss_bytes: 0,
      });
    const metrics = found.get(step);
    if (eval_loss !== undefined && metrics) metrics.validation_loss = eval_loss;
  }
  return [...found.values()].sort((a, b) => a.step - b.step);
}

function newRecord(given: HandOver, steps: readonly StepMetrics[]): RunRecord {
  const { recipe, trainer, modelPath, modelSource, templateTime, data, stepsPerEpoch } = given;
  const now = new Date().toISOString();
  const last = steps.at(-1);
  const made = last?.step ?? given.steps;
  const validated = steps.findLast(({ validation_loss }) => validation_loss !== undefined);
  return {
    model: recipe.model,
    modelPath: existsSync(modelPath) ? modelPath : recipe.model,
    ...(modelSource === undefined ? {} : { modelSource }),
    method: recipe.method,
    mode: recipe.mode,
    template: recipe.template,
    ...(templateTime === undefined ? {} : { templateTime }),
    seed: recipe.seed,
    status: "done",
    // No run of this machine continues it.
    identity: sha256(canonicalJson(given)),
    versions: given.versions,
    device: { name: trainer, threads: 0 },
    data,
    progress: { step: made, steps: given.steps, epoch: made / stepsPerEpoch },
    started: now,
    finished: now,
    ...(last ? { loss: last.loss } : {}),
    ...(validated ? { validationLoss: validated.validation_loss! } : {}),
    message: `trained by ${trainer}`,
  };
}

async function textOf(stream: Readable): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString("utf8");
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
