/** A model as an ordinary Hugging Face folder: safetensors, config, tokenizer, template. */
import type { Checkpoint } from "../checkpoint/open.js";
import { type TensorToWrite, writeShardedSafetensors } from "../checkpoint/safetensors-write.js";
import { replaceFolder } from "./folder.js";
import { type ChatFiles, writeModelFiles } from "./hf-files.js";

export interface ModelFolderOptions {
  /** Precision of the written weights. Default BF16. */
  dtype?: "F32" | "BF16" | "F16";
  /** Largest shard in bytes. */
  maxShardBytes?: number;
  /** Template and stops that the model was trained with, when known. */
  chat?: ChatFiles;
}

const TORCH_DTYPE = { F32: "float32", BF16: "bfloat16", F16: "float16" } as const;

/** Writes the model to `folder`, which must not exist yet; it appears in one step. */
export function writeModelFolder(
  checkpoint: Checkpoint,
  basePath: string,
  folder: string,
  { dtype = "BF16", maxShardBytes, chat }: ModelFolderOptions = {},
): void {
  replaceFolder(folder, (temporary) => {
    const tensors: TensorToWrite[] = checkpoint.names().map((name) => {
      return { name, shape: checkpoint.info(name).shape, dtype, data: () => checkpoint.read(name) };
    });
    writeShardedSafetensors(temporary, tensors, { maxShardBytes });
    writeModelFiles(temporary, checkpoint, basePath, { torch_dtype: TORCH_DTYPE[dtype] }, chat);
  });
}
