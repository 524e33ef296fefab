/** Writes a fully fine-tuned model as a Hugging Face folder. */

import type { Checkpoint } from "../checkpoint/open.js";
import { writeShardedSafetensors } from "../checkpoint/safetensors-write.js";
import { type ChatFiles, writeModelFiles } from "../export/hf-files.js";
import { LINEAR_LAYERS } from "../model/decoder-layer.js";
import { inputName } from "../model/layer-graph.js";
import type { DecoderWeights } from "../model/weights.js";
import type { Device } from "../runtime/device.js";
import type { TrainingModel } from "./training-model.js";

/** Saves the current values of a model trained in full: weights in float32, config and tokenizer of its base, stops and template it was trained with. */
export async function saveTrainedModel(
  folder: string,
  checkpoint: Checkpoint,
  basePath: string,
  weights: DecoderWeights,
  model: TrainingModel,
  device: Device,
  chat: ChatFiles,
): Promise<void> {
  const tensors: { name: string; shape: number[]; dtype: "F32"; data: Float32Array }[] = [];
  const linear = new Map<string, string>(
    LINEAR_LAYERS.flatMap((name) => [
      [inputName.weight(name), `${name}.weight`],
      [inputName.bias(name), `${name}.bias`],
    ]),
  );
  const rest: Record<string, string> = {
    norm: "model.norm.weight",
    head: weights.config.tiedEmbeddings ? "model.embed_tokens.weight" : "lm_head.weight",
    embedding: "model.embed_tokens.weight",
  };
  for (const { id, parameters } of model.groups)
    for (const { name, dims, value } of parameters) {
      const full = id === "model" ? rest[name]! : `model.${id}.${linear.get(name) ?? name}`;
      const data = (await device.download(value)) as Float32Array;
      tensors.push({ name: full, shape: dims.slice(), dtype: "F32", data });
    }
  writeShardedSafetensors(folder, tensors);
  writeModelFiles(folder, checkpoint, basePath, { torch_dtype: "float32" }, chat);
}
