/** A model from the tab's files, with what answers and scores come from. */
import { openCheckpoint } from "../../../src/checkpoint/open.js";
import { Generator } from "../../../src/generate/generator.js";
import type { Adapter } from "../../../src/model/adapter.js";
import { linearWeights } from "../../../src/model/decoder-layer.js";
import { type DecoderWeights, loadDecoderWeights } from "../../../src/model/weights.js";
import type { Device } from "../../../src/runtime/device.js";
import { loadTokenizer, type Tokenizer } from "../../../src/tokenizer/tokenizer.js";
import type { NamedBytes } from "../messages.js";
import { rmSync, writeFileSync } from "../platform/fs.js";

/** Bytes for cached keys and values. */
const CACHE = 256 << 20;
const FOLDER = "/model";

export interface TabModel {
  weights: DecoderWeights;
  tokenizer: Tokenizer;
  generator: Generator;
  /** What its adapters name as their base. */
  name: string;
  parameters: number;
}

/**
 * Opens the files of a Hugging Face folder (config.json, tokenizer.json, …, *.safetensors) or one GGUF file.
 * @throws UsageError or FailureError as the command line does for such a folder.
 */
export async function openModel(files: readonly NamedBytes[], name: string, device: Device): Promise<TabModel> {
  rmSync(FOLDER);
  for (const file of files) writeFileSync(`${FOLDER}/${file.name}`, file.bytes);
  const checkpoint = openCheckpoint(FOLDER);
  const weights = loadDecoderWeights(checkpoint, { embeddingInMemory: Number.POSITIVE_INFINITY });
  const tokenizer = await loadTokenizer(FOLDER);
  const { config } = weights;
  const loaded = { path: FOLDER, reference: name, config, weights, precision: "float32" as const, tokenizer };
  const identity = { id: "", files: {} };
  const generator = await Generator.of({ ...loaded, adapters: [], identity }, device, {
    weights: "float32",
    cacheBytes: CACHE,
    threads: device.threads,
  });
  const parameters = config.layers * linearWeights(config) + config.vocabSize * config.hiddenSize;
  return { weights, tokenizer, generator, name, parameters };
}

/** Makes an adapter known by its name, in the place of an earlier one. */
export function setAdapter({ generator }: TabModel, name: string, adapter: Adapter): void {
  generator.removeAdapter(name);
  generator.model.adapters.push({ name, adapter });
}
