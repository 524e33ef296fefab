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
import type { Adapter, AdapterFactors, AdapterShape, LinearAdapter } from "../model/adapter.js";
import type { DecoderConfig } from "../model/decoder-config.js";
import { type LinearName, linearShape } from "../model/decoder-layer.js";
import { type LoraConfig, readLoraConfig } from "./lora-config.js";
import { moduleName, shapeOf } from "./targets.js";

const CONFIG = "adapter_config.json";
const WEIGHTS = "adapter_model.safetensors";

type Part = keyof AdapterFactors;
const SUFFIX: Record<Part, string> = { a: "lora_A.weight", b: "lora_B.weight", magnitude: "lora_magnitude_vector" };

const tensorName = ({ blocks }: AdapterShape, layer: number, name: LinearName, part: Part): string =>
  `base_model.model.${moduleName(blocks, layer, name)}.${SUFFIX[part]}`;

/** The tensors of an adapted layer and their shapes. */
function partShapes(config: DecoderConfig, name: LinearName, { rank }: LinearAdapter, dora: boolean) {
  const [out, width] = linearShape(config, name);
  const shapes: [Part, number[]][] = [
    ["a", [rank, width]],
    ["b", [out, rank]],
  ];
  if (dora) shapes.push(["magnitude", [out]]);
  return shapes;
}

/** A model as PEFT names it: `ORG/NAME` on the Hub, with a revision or without, or a folder. */
export interface PeftBase {
  name: string;
  revision?: string;
}

export interface SaveAdapterOptions {
  /** The model it was made for. Default: what the adapter says itself. */
  base?: PeftBase;
}

/** Writes an adapter folder that PEFT loads: factors in float32. */
export async function saveAdapter(folder: string, adapter: Adapter, options: SaveAdapterOptions = {}): Promise<void> {
  const tensors = adapter.layers.flatMap((layer, index) =>
    [...layer].flatMap(([name, factors]) => {
      const { rank } = adapter.shape.layers[index]!.get(name)!;
      const tensor = (part: Part, data: Float32Array, shape: number[]) => ({
        name: tensorName(adapter.shape, index, name, part),
        shape,
        dtype: "F32" as const,
        data,
      });
      const { a, b, magnitude } = factors;
      return [
        tensor("a", a, [rank, a.length / rank]),
        tensor("b", b, [b.length / rank, rank]),
        ...(magnitude ? [tensor("magnitude", magnitude, [magnitude.length])] : []),
      ];
    }),
  );
  mkdirSync(folder, { recursive: true });
  await writeSafetensors(join(folder, WEIGHTS), tensors, { format: "pt" });
  writeFileAtomically(join(folder, CONFIG), `${JSON.stringify(peftConfig(adapter, options), null, 2)}\n`);
}

function peftConfig({ shape, baseModel }: Adapter, { base }: SaveAdapterOptions): Record<string, unknown> {
  return {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: base?.name ?? baseModel ?? "",
    revision: base?.revision ?? null,
    inference_mode: true,
    ...shape.settings,
    lora_dropout: shape.dropout,
    bias: "none",
    fan_in_fan_out: false,
    init_lora_weights: true,
    modules_to_save: null,
  };
}

/** The settings of an adapter folder. @throws as `loadAdapter`. */
export function readAdapterConfig(folder: string): LoraConfig {
  const path = join(folder, CONFIG);
  if (!existsSync(path)) throw new UsageError(`${folder}: no adapter here (${CONFIG} is missing)`);
  return readLoraConfig(path, readJsonObject(path));
}

/**
 * Reads an adapter for a model of this shape.
 *
 * @throws UsageError when there is no adapter, it was made for another base, or it uses what we do not have;
 * FailureError when its files are damaged.
 */
export async function loadAdapter(folder: string, config: DecoderConfig): Promise<Adapter> {
  const settings = readAdapterConfig(folder);
  if (!existsSync(join(folder, WEIGHTS))) {
    const pickle = existsSync(join(folder, "adapter_model.bin"));
    const why = pickle ? "adapter_model.bin is PyTorch's pickle format; save the adapter as safetensors" : "is missing";
    throw new UsageError(`${folder}: ${pickle ? why : `${WEIGHTS} ${why}`}`);
  }
  const { baseModel } = settings;
  const file = new SafetensorsFile(join(folder, WEIGHTS));
  try {
    checkNames(file, settings, config);
    const shape = shapeOf(config, settings.settings, settings.dropout, join(folder, CONFIG));
    const layers = readFactors(file, config, shape, baseModel);
    return { shape, layers, ...(baseModel ? { baseModel } : {}) };
  } finally {
    file.close();
  }
}

const FACTOR = /^(\d+)\..+\.lora_(A\.weight|B\.weight|magnitude_vector)$/;

/** Refuses files that hold more than the factors of linear layers, and says which of PEFT's options put it there. */
function checkNames(file: SafetensorsFile, { bias, baseModel }: LoraConfig, config: DecoderConfig): void {
  const blocks = `base_model.model.${config.names.blocks}.`;
  let factors = 0;
  for (const name of file.entries.keys()) {
    const match = name.startsWith(blocks) ? FACTOR.exec(name.slice(blocks.length)) : undefined;
    if (match) {
      factors++;
      if (Number(match[1]) >= config.layers)
        throw otherBase(file, baseModel, `it adapts layer ${match[1]}, the model has ${config.layers} layers`);
      continue;
    }
    throw new UsageError(`${file.path}: ${name} ${whyNot(name, bias)}`);
  }
  if (factors === 0) throw new FailureError(`${file.path}: holds no adapter weights`);
}

function whyNot(name: string, bias: string): string {
  if (/\.lora_B\.bias$/.test(name)) return "is a bias of an adapter (lora_bias), which is not supported";
  if (/\.bias$/.test(name)) return `is a trained bias (bias ${JSON.stringify(bias)}), which is not supported`;
  if (/lm_head|embed_out|embed_in|embed_tokens|\.wte\.|\.wpe\.|lora_embedding/.test(name))
    return (
      "adapts or replaces embeddings or the output head (target_modules, modules_to_save, trainable_token_indices or " +
      "save_embedding_layers), which is not supported; merge it with PEFT first"
    );
  return "adapts what cannot be adapted here";
}

const otherBase = (file: SafetensorsFile, baseModel: string | undefined, what: string): UsageError =>
  new UsageError(
    `${file.path}: the adapter is for another base model${baseModel ? ` (${baseModel})` : ""}: ${what}; give its own base`,
  );

function readFactors(
  file: SafetensorsFile,
  config: DecoderConfig,
  shape: AdapterShape,
  baseModel: string | undefined,
): Map<LinearName, AdapterFactors>[] {
  const unread = new Set(file.entries.keys());
  const layers = shape.layers.map((adapted, layer) => {
    const result = new Map<LinearName, AdapterFactors>();
    for (const [name, linear] of adapted) {
      const factors: Partial<AdapterFactors> = {};
      for (const [part, wanted] of partShapes(config, name, linear, shape.dora)) {
        const tensor = tensorName(shape, layer, name, part);
        if (!file.entries.has(tensor)) throw new FailureError(`${file.path}: ${tensor} is missing`);
        const found = file.entry(tensor);
        if (found.shape.join() !== wanted.join())
          throw otherBase(
            file,
            baseModel,
            `${tensor} is [${found.shape.join(", ")}], the model needs [${wanted.join(", ")}]`,
          );
        const data = new Float32Array(found.values);
        file.decode(tensor, 0, found.values, data);
        factors[part] = data;
        unread.delete(tensor);
      }
      result.set(name, factors as AdapterFactors);
    }
    return result;
  });
  for (const tensor of unread)
    throw new UsageError(`${file.path}: ${tensor} is of a layer that ${CONFIG} does not name or that is not linear`);
  return layers;
}
