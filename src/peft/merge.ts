/** Adapter folded into its base: W + scaling · B·A, written as an ordinary Hugging Face folder. */
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Checkpoint } from "../checkpoint/open.js";
import { type TensorToWrite, writeShardedSafetensors } from "../checkpoint/safetensors-write.js";
import { UsageError } from "../errors.js";
import { type ChatFiles, writeModelFiles } from "../export/hf-files.js";
import type { Adapter } from "../model/adapter.js";
import { decoderConfig } from "../model/architectures/index.js";
import type { DecoderConfig } from "../model/decoder-config.js";
import { linearOf } from "../model/decoder-layer.js";
import { addUpdate, type LinearUpdate, rowLength } from "../model/dora.js";
import { transpose } from "../model/weights.js";

export interface MergeOptions {
  /** Precision of the written weights. Default BF16. */
  dtype?: "F32" | "BF16" | "F16";
  /** Largest shard in bytes. */
  maxShardBytes?: number;
  /** Template and stops that the adapter was trained with, when known. */
  chat?: ChatFiles;
}

const TORCH_DTYPE = { F32: "float32", BF16: "bfloat16", F16: "float16" } as const;

/** Writes the merged model to `folder`, which must not exist yet; it appears in one step. */
export function mergeAdapter(
  checkpoint: Checkpoint,
  basePath: string,
  adapter: Adapter,
  folder: string,
  options: MergeOptions = {},
): void {
  const config = decoderConfig(checkpoint.config, checkpoint.source);
  const { dtype = "BF16" } = options;
  if (adapter.layers.length !== config.layers)
    throw new UsageError(`the adapter has ${adapter.layers.length} layers, ${checkpoint.source} has ${config.layers}`);
  const temporary = join(dirname(folder), `.${basename(folder)}.tmp`);
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  try {
    const tensors: TensorToWrite[] = checkpoint.names().map((name) => {
      const [layer, linear] = linearIn(config, name) ?? [];
      const factors = linear === undefined ? undefined : adapter.layers[layer!]?.get(linear);
      const { shape } = checkpoint.info(name);
      if (!factors || linear === undefined) return { name, shape, dtype, data: () => checkpoint.read(name) };
      const data = (): Float32Array => {
        const {
          shape: [out, width],
          transposed,
        } = linearOf(config, linear);
        const stored = checkpoint.read(name);
        const weight = transposed ? transpose(stored, width, out) : stored.slice();
        const { rank, scaling } = adapter.shape.layers[layer!]!.get(linear)!;
        mergeInto(weight, [out, width], { factors, rank, scaling });
        return transposed ? transpose(weight, out, width) : weight;
      };
      return { name, shape, dtype, data };
    });
    writeShardedSafetensors(temporary, tensors, { maxShardBytes: options.maxShardBytes });
    writeModelFiles(temporary, checkpoint, basePath, { torch_dtype: TORCH_DTYPE[dtype] }, options.chat);
    renameSync(temporary, folder);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** Block and linear layer that a weight of this name belongs to. */
function linearIn({ names, block }: DecoderConfig, weight: string): [layer: number, name: string] | undefined {
  if (!weight.startsWith(`${names.blocks}.`)) return undefined;
  const [, layer, name] = /^(\d+)\.(.+)\.weight$/.exec(weight.slice(names.blocks.length + 1)) ?? [];
  return block.linears.some((linear) => linear.name === name) ? [Number(layer), name!] : undefined;
}

/** weight [out, in] += scaling · b · a; under DoRA each row is then brought to its trained length. */
function mergeInto(weight: Float32Array, [out, width]: [number, number], update: LinearUpdate): void {
  const { magnitude } = update.factors;
  const row = new Float64Array(width);
  for (let o = 0; o < out; o++) {
    const target = weight.subarray(o * width, (o + 1) * width);
    row.set(target);
    addUpdate(row, o, update);
    const gain = magnitude ? magnitude[o]! / rowLength(row) : 1;
    for (let i = 0; i < width; i++) target[i] = row[i]! * gain;
  }
}
