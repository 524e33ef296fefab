/**
 * Adapter folders as PEFT reads and writes them: `adapter_config.json` and `adapter_model.safetensors`
 * (github.com/huggingface/peft, docs/source/developer_guides/checkpoint.md).
 */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { SafetensorsFile } from "../checkpoint/safetensors.js";
import { writeSafetensors } from "../checkpoint/safetensors-write.js";
import { FailureError, UsageError } from "../errors.js";
import { writeFileAtomically } from "../files/atomic-write.js";
import { readJsonObject } from "../files/json-object.js";
import type { Adapter, AdapterFactors, AdapterShape } from "../model/adapter.js";
import type { DecoderConfig } from "../model/decoder-config.js";
import { type LinearName, linearNames, linearShape } from "../model/decoder-layer.js";

const CONFIG = "adapter_config.json";
const WEIGHTS = "adapter_model.safetensors";
const TENSOR = /^base_model\.model\.model\.layers\.(\d+)\.(.+)\.lora_(A|B)\.weight$/;

function tensorName(layer: number, name: LinearName, factor: "A" | "B"): string {
  return `base_model.model.model.layers.${layer}.${name}.lora_${factor}.weight`;
}

export interface SaveAdapterOptions {
  /** Reference of the model it was made for. Default: what the adapter says itself. */
  baseModel?: string;
}

/** Writes an adapter folder that PEFT loads: factors in float32. */
export async function saveAdapter(folder: string, adapter: Adapter, options: SaveAdapterOptions = {}): Promise<void> {
  const { shape, layers } = adapter;
  const tensors = layers.flatMap((factors, layer) =>
    [...factors].flatMap(([name, { a, b }]) => [
      {
        name: tensorName(layer, name, "A"),
        shape: [shape.rank, a.length / shape.rank],
        dtype: "F32" as const,
        data: a,
      },
      {
        name: tensorName(layer, name, "B"),
        shape: [b.length / shape.rank, shape.rank],
        dtype: "F32" as const,
        data: b,
      },
    ]),
  );
  mkdirSync(folder, { recursive: true });
  await writeSafetensors(join(folder, WEIGHTS), tensors, { format: "pt" });
  writeFileAtomically(join(folder, CONFIG), `${JSON.stringify(peftConfig(adapter, options), null, 2)}\n`);
}

function peftConfig({ shape, baseModel }: Adapter, options: SaveAdapterOptions): Record<string, unknown> {
  return {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: options.baseModel ?? baseModel ?? "",
    inference_mode: true,
    r: shape.rank,
    lora_alpha: shape.alpha,
    lora_dropout: shape.dropout,
    target_modules: shape.targets.map((name) => name.slice(name.indexOf(".") + 1)),
    bias: "none",
    use_rslora: !isClose(shape.scaling, shape.alpha / shape.rank),
    fan_in_fan_out: false,
    init_lora_weights: true,
    layers_to_transform: null,
    layers_pattern: null,
    modules_to_save: null,
    rank_pattern: {},
    alpha_pattern: {},
    revision: null,
  };
}

function isClose(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-6 * Math.abs(b);
}

/**
 * Reads an adapter for a model of this shape.
 *
 * @throws UsageError when there is no adapter, it was made for another base, or it uses what we do not have;
 * FailureError when its files are damaged.
 */
export async function loadAdapter(folder: string, config: DecoderConfig): Promise<Adapter> {
  const path = join(folder, CONFIG);
  if (!existsSync(path)) throw new UsageError(`${folder}: no adapter here (${CONFIG} is missing)`);
  const fields = readJsonObject(path);
  const { rank, alpha, scaling, dropout } = readConfig(path, fields);
  if (!existsSync(join(folder, WEIGHTS))) {
    const pickle = existsSync(join(folder, "adapter_model.bin"));
    const why = pickle ? "adapter_model.bin is PyTorch's pickle format; save the adapter as safetensors" : "is missing";
    throw new UsageError(`${folder}: ${pickle ? why : `${WEIGHTS} ${why}`}`);
  }
  const baseModel = typeof fields.base_model_name_or_path === "string" ? fields.base_model_name_or_path : undefined;
  const file = new SafetensorsFile(join(folder, WEIGHTS));
  try {
    const layers = readFactors(file, config, rank, baseModel);
    const shape: AdapterShape = { rank, alpha, scaling, dropout, targets: sameTargets(file.path, config, layers) };
    return { shape, layers, ...(baseModel ? { baseModel } : {}) };
  } finally {
    file.close();
  }
}

function readConfig(path: string, fields: Record<string, unknown>) {
  const unsupported = (what: string): never => {
    throw new UsageError(`${path}: ${what} is not supported; plain LoRA on the linear layers is`);
  };
  if (fields.peft_type !== "LORA") unsupported(`peft_type ${JSON.stringify(fields.peft_type)}`);
  if (fields.use_dora) unsupported("use_dora (DoRA)");
  if (fields.bias !== undefined && fields.bias !== "none") unsupported(`bias ${JSON.stringify(fields.bias)}`);
  for (const name of ["lora_bias", "fan_in_fan_out", "use_qalora"]) if (fields[name]) unsupported(name);
  for (const name of [
    "rank_pattern",
    "alpha_pattern",
    "modules_to_save",
    "layers_to_transform",
    "layer_replication",
    "target_parameters",
    "trainable_token_indices",
    "alora_invocation_tokens",
  ]) {
    const value = fields[name];
    if (typeof value === "object" ? value && Object.keys(value).length > 0 : value !== undefined) unsupported(name);
  }
  const positive = (name: string): number => {
    const value = fields[name];
    if (typeof value !== "number" || !(value > 0) || !Number.isFinite(value))
      throw new FailureError(`${path}: ${name} must be a number above 0, found ${JSON.stringify(value)}`);
    return value;
  };
  const rank = positive("r");
  if (!Number.isInteger(rank)) throw new FailureError(`${path}: r must be a whole number, found ${rank}`);
  const alpha = positive("lora_alpha");
  const dropout = typeof fields.lora_dropout === "number" ? fields.lora_dropout : 0;
  // Rank-stabilised LoRA (arXiv 2312.03732) divides by √r.
  return { rank, alpha, dropout, scaling: alpha / (fields.use_rslora ? Math.sqrt(rank) : rank) };
}

function readFactors(
  file: SafetensorsFile,
  config: DecoderConfig,
  rank: number,
  baseModel: string | undefined,
): Map<LinearName, AdapterFactors>[] {
  const otherBase = (what: string): UsageError =>
    new UsageError(
      `${file.path}: the adapter is for another base model${baseModel ? ` (${baseModel})` : ""}: ${what}; give its own base`,
    );
  const layers = Array.from({ length: config.layers }, () => new Map<LinearName, AdapterFactors>());
  for (const tensor of file.entries.keys()) {
    const [, layerText, name, factor] = TENSOR.exec(tensor) ?? [];
    const linear = linearNames(config).find((known) => known === name);
    if (!linear) throw new UsageError(`${file.path}: ${tensor} adapts what cannot be adapted here`);
    const layer = Number(layerText);
    if (layer >= config.layers) throw otherBase(`it adapts layer ${layer}, the model has ${config.layers} layers`);
    const [out, width] = linearShape(config, linear);
    const wanted = factor === "A" ? [rank, width] : [out, rank];
    const { shape, values } = file.entry(tensor);
    if (shape.length !== 2 || shape[0] !== wanted[0] || shape[1] !== wanted[1])
      throw otherBase(`${tensor} is [${shape.join(", ")}], the model needs [${wanted.join(", ")}]`);
    const data = new Float32Array(values);
    file.decode(tensor, 0, values, data);
    const factors = layers[layer]!.get(linear) ?? { a: new Float32Array(0), b: new Float32Array(0) };
    factors[factor === "A" ? "a" : "b"] = data;
    layers[layer]!.set(linear, factors);
  }
  layers.forEach((factors, layer) => {
    for (const [name, { a, b }] of factors) {
      if (a.length > 0 && b.length > 0) continue;
      throw new FailureError(`${file.path}: ${tensorName(layer, name, a.length ? "B" : "A")} is missing`);
    }
  });
  return layers;
}

/** The adapted layers, which must be the same in every block. */
function sameTargets(
  path: string,
  config: DecoderConfig,
  layers: readonly Map<LinearName, AdapterFactors>[],
): LinearName[] {
  const of = (layer: number): LinearName[] => linearNames(config).filter((name) => layers[layer]!.has(name));
  const first = of(0);
  if (first.length === 0 && layers.every((factors) => factors.size === 0))
    throw new FailureError(`${path}: holds no adapter weights`);
  for (let layer = 1; layer < layers.length; layer++)
    if (of(layer).join() !== first.join())
      throw new UsageError(
        `${path}: adapts other layers in block ${layer} than in block 0, which is not supported (or the base has more blocks)`,
      );
  return first;
}
