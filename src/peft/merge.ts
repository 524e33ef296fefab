/** Adapter folded into its base: W + scaling · B·A, written as an ordinary Hugging Face folder. */
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Checkpoint } from "../checkpoint/open.js";
import { type TensorToWrite, writeShardedSafetensors } from "../checkpoint/safetensors-write.js";
import { UsageError } from "../errors.js";
import { type ChatFiles, writeModelFiles } from "../export/hf-files.js";
import type { Adapter } from "../model/adapter.js";
import { decoderConfig } from "../model/architectures/index.js";
import { type LinearName, linearShape } from "../model/decoder-layer.js";
import { addUpdate, type LinearUpdate, rowLength } from "../model/dora.js";

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
      const match = /^model\.layers\.(\d+)\.(.+)\.weight$/.exec(name);
      const linear = match?.[2] as LinearName | undefined;
      const factors = match && linear ? adapter.layers[Number(match[1])]?.get(linear) : undefined;
      const { shape } = checkpoint.info(name);
      if (!factors || !linear) return { name, shape, dtype, data: () => checkpoint.read(name) };
      const data = (): Float32Array => {
        const weight = checkpoint.read(name).slice();
        const { rank, scaling } = adapter.shape.layers[Number(match![1])]!.get(linear)!;
        mergeInto(weight, linearShape(config, linear), { factors, rank, scaling });
        return weight;
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
