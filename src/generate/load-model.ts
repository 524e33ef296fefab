/** Opens what a MODEL argument names: a model by reference, or a training run, which is a base with its adapter. */
import { existsSync } from "node:fs";
import { totalmem } from "node:os";
import { join } from "node:path";
import { openCheckpoint } from "../checkpoint/open.js";
import { FailureError, UsageError } from "../errors.js";
import { readJsonObject } from "../files/json-object.js";
import { sha256 } from "../files/sha256.js";
import { type ContentIdentity, identifyContent } from "../hub/content-identity.js";
import { resolveAdapter } from "../hub/resolve-adapter.js";
import { resolveModel } from "../hub/resolve-model.js";
import type { Adapter } from "../model/adapter.js";
import { decoderConfig } from "../model/architectures/index.js";
import type { DecoderConfig } from "../model/decoder-config.js";
import { linearWeights } from "../model/decoder-layer.js";
import { type DecoderWeights, loadDecoderWeights, type Precision } from "../model/weights.js";
import { loadAdapter } from "../peft/adapter-io.js";
import { loadTokenizer, type Tokenizer } from "../tokenizer/tokenizer.js";

export interface LocateOptions {
  say?: (line: string) => void;
  signal?: AbortSignal;
}

/** Where a MODEL argument leads. */
export interface LocatedModel {
  /** Local folder or file of the (base) model. */
  path: string;
  /** The adapter of a run folder. */
  adapterPath?: string;
  /** The template that a run was trained with. */
  template?: "tulu" | "model";
  /** The date and time that its chat template was told in training. */
  templateTime?: string;
}

/**
 * Finds a model: a run folder (run.json; its tuned weights in `model/`, or its base with `adapter/`), or anything that
 * `resolveModel` takes.
 */
export async function locateModel(reference: string, options: LocateOptions = {}): Promise<LocatedModel> {
  const record = join(reference, "run.json");
  if (!existsSync(record)) return { path: await resolveModel(reference, options) };
  const { model, modelPath, modelSource, template, templateTime, status } = readJsonObject(record);
  const trained: Partial<LocatedModel> = {
    ...(template === "tulu" || template === "model" ? { template } : {}),
    ...(typeof templateTime === "string" ? { templateTime } : {}),
  };
  if (existsSync(join(reference, "model", "config.json"))) return { ...trained, path: join(reference, "model") };
  const adapterPath = join(reference, "adapter");
  if (!existsSync(join(adapterPath, "adapter_config.json")))
    throw new UsageError(
      `${reference}: the run has no adapter yet (status: ${status}); finish it with evoke train --resume`,
    );
  if (typeof modelPath === "string" && existsSync(modelPath)) return { ...trained, path: modelPath, adapterPath };
  if (typeof model !== "string") throw new UsageError(`${record}: names no base model`);
  return {
    ...trained,
    path: await resolveModel(typeof modelSource === "string" ? modelSource : model, options),
    adapterPath,
  };
}

/** What a located model is: its files, the adapters in their order, and the template that a run was trained with. */
export async function identifyModel(
  { path, adapterPath, template }: LocatedModel,
  adapters: readonly string[] = adapterPath === undefined ? [] : [adapterPath],
  options: LocateOptions = {},
): Promise<ContentIdentity> {
  const parts = adapters.map((folder, i): [string, string] => [i === 0 ? "adapter" : `adapter${i + 1}`, folder]);
  const { id, files } = await identifyContent({ model: path, ...Object.fromEntries(parts) }, options);
  return { id: template === undefined ? id : sha256(`${id} ${template}`), files };
}

export interface LoadModelOptions extends LocateOptions {
  /** How the weights are held; `auto` is float32 where it takes at most 3 GB, else 8 bit (or the 4 bit of the files). */
  precision?: Precision | "auto";
  /** Adapter folders, run folders whose adapter is meant, or `hf:ORG/NAME`, on top of a run folder's own. */
  adapters?: readonly string[];
}

export interface NamedAdapter {
  /** The path as given; a run folder's own goes by the run's. */
  name: string;
  adapter: Adapter;
}

export interface LoadedModel extends LocatedModel {
  reference: string;
  config: DecoderConfig;
  weights: DecoderWeights;
  /** How they are held. */
  precision: Precision;
  tokenizer: Tokenizer;
  /** Those asked for, in order, then a run folder's own; the first is the one used unless a request says otherwise. */
  adapters: NamedAdapter[];
  /** What the model and its adapters are: all bytes of their files. */
  identity: ContentIdentity;
}

const FLOAT32_BYTES = 3e9;

/** Loads everything that writing and scoring text takes. */
export async function loadModel(reference: string, options: LoadModelOptions = {}): Promise<LoadedModel> {
  const located = await locateModel(reference, options);
  const checkpoint = openCheckpoint(located.path);
  try {
    const config = decoderConfig(checkpoint.config, checkpoint.source);
    // Named ones come first: they are asked for, a run's own is what one gets without asking.
    const folders = new Map<string, string>();
    for (const name of options.adapters ?? []) folders.set(name, await resolveAdapter(name, options));
    if (located.adapterPath) folders.set(reference, located.adapterPath);
    const adapters: NamedAdapter[] = [];
    for (const [name, folder] of folders) adapters.push({ name, adapter: await loadAdapter(folder, config) });
    const tokenizer = await loadTokenizer(located.path, { templateTime: located.templateTime });
    const first = `${config.names.blocks}.0.${config.block.linears[0]!.name}.weight`;
    const stored = checkpoint.has(first) ? checkpoint.info(first).format : "";
    const bytes = config.layers * linearWeights(config) * 4;
    const precision = choosePrecision(options.precision ?? "auto", { stored, bytes, memory: totalmem(), reference });
    const weights = loadDecoderWeights(checkpoint, { precision });
    const identity = await identifyModel(located, [...folders.values()], options);
    return { ...located, reference, config: weights.config, weights, precision, tokenizer, adapters, identity };
  } finally {
    checkpoint.close();
  }
}

interface Held {
  /** How the file holds the first block's first matrix. */
  stored: string;
  /** Of all blocks' matrices in float32. */
  bytes: number;
  /** Of the machine. */
  memory: number;
  reference: string;
}

/**
 * How weights are held. What was asked for is taken: float32, what figures are computed with, is never rounded to save memory.
 *
 * @throws FailureError when float32 is asked for and the machine has less memory than that takes.
 */
export function choosePrecision(wanted: Precision | "auto", { stored, bytes, memory, reference }: Held): Precision {
  if (wanted === "float32" && bytes > memory)
    throw new FailureError(
      `${reference}: its weights take ${Math.round(bytes / 1e9)} GB in float32, this machine has ${Math.round(memory / 1e9)}; choose int8 weights`,
    );
  if (wanted !== "auto") return wanted;
  if (bytes <= FLOAT32_BYTES) return "float32";
  return stored.startsWith("bnb-") && stored !== "bnb-int8" ? "nf4" : "int8";
}

/** Loads an adapter folder, the adapter of a run folder, or one of the Hub. @throws UsageError when it is none for this model. */
export async function openAdapter(path: string, config: DecoderConfig): Promise<Adapter> {
  return loadAdapter(await resolveAdapter(path), config);
}
