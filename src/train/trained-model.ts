/** Writes a fully fine-tuned model as a Hugging Face folder. */

import type { Checkpoint } from "../checkpoint/open.js";
import { writeShardedSafetensors } from "../checkpoint/safetensors-write.js";
import { transpose } from "../checkpoint/transpose.js";
import { type ChatFiles, writeModelFiles } from "../export/hf-files.js";
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
  const { block, finalNorm, names, tiedEmbeddings } = weights.config;
  const linear = new Map<string, string>(
    block.linears.flatMap(({ name }) => [
      [inputName.weight(name), `${name}.weight`],
      [inputName.bias(name), `${name}.bias`],
    ]),
  );
  const transposed = new Set(block.linears.filter((spec) => spec.transposed).map(({ name }) => inputName.weight(name)));
  const rest: Record<string, string | undefined> = {
    norm: finalNorm.weight,
    normBias: finalNorm.bias,
    head: tiedEmbeddings ? names.embedding : names.head,
    embedding: names.embedding,
    positions: names.positions,
  };
  for (const { id, parameters } of model.groups)
    for (const { name, dims, value } of parameters) {
      const full =
        id === "model" ? rest[name]! : `${names.blocks}.${id.replace(/^layers\./, "")}.${linear.get(name) ?? name}`;
      const data = (await device.download(value)) as Float32Array;
      const [out, width] = dims;
      if (transposed.has(name))
        tensors.push({ name: full, shape: [width!, out!], dtype: "F32", data: transpose(data, out!, width!) });
      else tensors.push({ name: full, shape: dims.slice(), dtype: "F32", data });
    }
  writeShardedSafetensors(folder, tensors);
  writeModelFiles(folder, checkpoint, basePath, { torch_dtype: "float32" }, chat);
}
