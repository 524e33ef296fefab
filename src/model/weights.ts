/** The weights of a decoder in memory: full precision, NF4 or 8 bit, decoded to float32 a layer at a time. */

import { type Checkpoint, openCheckpoint } from "../checkpoint/open.js";
import { transpose } from "../checkpoint/transpose.js";
import { dequantizeInt8, type Int8Weight, quantizeInt8 } from "../quant/int8.js";
import { dequantizeNf4, type Nf4Weight, quantizeNf4 } from "../quant/nf4.js";
import { decoderConfig } from "./architectures/index.js";
import type { LinearName, LinearSpec } from "./block-spec.js";
import type { DecoderConfig } from "./decoder-config.js";
import { vectorShapes } from "./decoder-layer.js";
import { headOf, requireShape, storedName } from "./stored-names.js";

export type Precision = "float32" | "nf4" | "int8";

export type StoredWeight =
  | { kind: "float32"; data: Float32Array }
  | { kind: "nf4"; weight: Nf4Weight }
  | { kind: "int8"; weight: Int8Weight };

export interface StoredLayer {
  linear: Map<LinearName, StoredWeight>;
  /** Biases by linear layer. */
  biases: Map<LinearName, Float32Array>;
  /** Norm weights by name within the block. */
  vectors: Map<string, Float32Array>;
}

export interface DecoderWeights {
  config: DecoderConfig;
  source: string;
  layers: StoredLayer[];
  /** [hidden]; undefined for norms without weights. */
  finalNorm?: Float32Array;
  /** [hidden]; undefined for norms without biases. */
  finalNormBias?: Float32Array;
  /** Learned positions [maxPositions, hidden]; undefined for models without. */
  positions?: Float32Array;
  /** Output projection [vocab, hidden]; the embedding itself when tied. */
  head: Float32Array;
  /** Copies the embeddings of tokens into `out` [tokens, hidden], unscaled. */
  embed(tokens: ArrayLike<number>, out: Float32Array): void;
  /** Closes the files that embeddings too large for memory are read from. The last to use the weights calls it. */
  close(): void;
}

export interface LoadOptions {
  /** How the linear layers of the blocks are held. Embedding, head and norms stay in float32, as in QLoRA. */
  precision?: Precision;
  /** Quantise the NF4 block scales as well. Default true. */
  doubleQuant?: boolean;
  /** Bytes of float32 embeddings up to which an untied embedding is held in memory rather than read row by row. Default 512 MB. */
  embeddingInMemory?: number;
  /** Told after each layer. */
  onLayer?(done: number, total: number): void;
}

const EMBEDDING_IN_MEMORY = 512 << 20;

/**
 * Reads a checkpoint's weights. Each is read once and quantised on the way. The checkpoint may be closed afterwards: what
 * is read later is read through an opening of the weights' own.
 */
export function loadDecoderWeights(checkpoint: Checkpoint, options: LoadOptions = {}): DecoderWeights {
  const config = decoderConfig(checkpoint.config, checkpoint.source);
  const { precision = "float32" } = options;
  const vector = (fullName: string, size: number): Float32Array => {
    const name = storedName(checkpoint, fullName);
    requireShape(checkpoint, name, [size]);
    return checkpoint.read(name);
  };
  const layers: StoredLayer[] = [];
  for (let layer = 0; layer < config.layers; layer++) {
    const prefix = `${config.names.blocks}.${layer}.`;
    const stored: StoredLayer = { linear: new Map(), biases: new Map(), vectors: new Map() };
    for (const spec of config.block.linears) {
      const { name, shape, bias } = spec;
      stored.linear.set(
        name,
        store(
          checkpoint,
          storedName(checkpoint, `${prefix}${name}.weight`),
          spec,
          keptWhole(checkpoint, `${prefix}${name}`) ? "float32" : precision,
          options.doubleQuant ?? true,
        ),
      );
      if (bias) stored.biases.set(name, vector(`${prefix}${name}.bias`, shape[0]));
    }
    for (const [name, size] of vectorShapes(config)) stored.vectors.set(name, vector(`${prefix}${name}`, size));
    layers.push(stored);
    options.onLayer?.(layer + 1, config.layers);
  }
  const table: [number, number] = [config.vocabSize, config.hiddenSize];
  const { finalNorm, names } = config;
  const embeddingName = storedName(checkpoint, names.embedding);
  requireShape(checkpoint, embeddingName, table);
  const headName = headOf(checkpoint, config, embeddingName);
  const tied = headName === undefined;
  if (!tied) requireShape(checkpoint, headName, table);
  const head = checkpoint.read(headName ?? embeddingName);
  const inMemory = tied || table[0] * table[1] * 4 <= (options.embeddingInMemory ?? EMBEDDING_IN_MEMORY);
  return {
    config: { ...config, tiedEmbeddings: tied, names: headName ? { ...names, head: headName } : names },
    source: checkpoint.source,
    layers,
    finalNorm: finalNorm.weight === undefined ? undefined : vector(finalNorm.weight, config.hiddenSize),
    finalNormBias: finalNorm.bias === undefined ? undefined : vector(finalNorm.bias, config.hiddenSize),
    positions: names.positions === undefined ? undefined : readPositions(checkpoint, config, names.positions),
    head,
    ...(inMemory
      ? { embed: embedFrom(tied ? head : checkpoint.read(embeddingName), config.hiddenSize), close: () => {} }
      : embeddingsOnDisk(checkpoint.source, embeddingName)),
  };
}

/**
 * Whether a quantised checkpoint names a layer among those that stay as they are (`llm_int8_skip_modules`, which bitsandbytes'
 * 4-bit checkpoints have as well), by transformers' rule: the beginning or the end of the module's name.
 */
function keptWhole({ config }: Checkpoint, module: string): boolean {
  const skipped = (config.quantization_config as Record<string, unknown> | null | undefined)?.llm_int8_skip_modules;
  if (!Array.isArray(skipped)) return false;
  return skipped.some((name) => typeof name === "string" && (module.startsWith(name) || module.endsWith(name)));
}

function embeddingsOnDisk(source: string, name: string): Pick<DecoderWeights, "embed" | "close"> {
  const checkpoint = openCheckpoint(source);
  return {
    embed: (tokens, out) => void checkpoint.readRows(name, tokens, out),
    close: () => checkpoint.close(),
  };
}

/** Embedding look-up in a table [vocab, hidden]. */
export function embedFrom(table: Float32Array, hidden: number): DecoderWeights["embed"] {
  return (tokens, out) => {
    for (let i = 0; i < tokens.length; i++) {
      const row = tokens[i]! * hidden;
      out.set(table.subarray(row, row + hidden), i * hidden);
    }
  };
}

function readPositions(checkpoint: Checkpoint, config: DecoderConfig, fullName: string): Float32Array {
  const name = storedName(checkpoint, fullName);
  requireShape(checkpoint, name, [config.maxPositions, config.hiddenSize]);
  return checkpoint.read(name);
}

function store(
  checkpoint: Checkpoint,
  name: string,
  { shape: [out, width], transposed }: LinearSpec,
  precision: Precision,
  doubleQuant: boolean,
): StoredWeight {
  requireShape(checkpoint, name, transposed ? [width, out] : [out, width]);
  const shape: [number, number] = [out, width];
  const ready = transposed ? undefined : checkpoint.readNf4(name);
  if (ready) {
    if (precision === "nf4") return { kind: "nf4", weight: ready };
    const data = new Float32Array(shape[0] * shape[1]);
    dequantizeNf4(ready, data);
    return precision === "int8" ? { kind: "int8", weight: quantizeInt8(data, shape) } : { kind: "float32", data };
  }
  const stored = checkpoint.read(name);
  const data = transposed ? transpose(stored, width, out) : stored;
  if (precision === "nf4") return { kind: "nf4", weight: quantizeNf4(data, shape, { doubleQuant }) };
  if (precision === "int8") return { kind: "int8", weight: quantizeInt8(data, shape) };
  return { kind: "float32", data };
}

/** Decodes a stored weight to float32; full-precision weights are returned as they are, without a copy. */
export function decodeWeight(stored: StoredWeight, scratch: () => Float32Array): Float32Array {
  if (stored.kind === "float32") return stored.data;
  const out = scratch();
  if (stored.kind === "nf4") dequantizeNf4(stored.weight, out);
  else dequantizeInt8(stored.weight, out);
  return out;
}
