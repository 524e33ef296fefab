/** Encoders of BERT's kind: hidden states of texts' tokens after a chosen layer. */

import { type Checkpoint, openCheckpoint } from "../../checkpoint/open.js";
import { FailureError, UsageError } from "../../errors.js";
import type { Device, Executable, Tensor } from "../../runtime/device.js";
import { type BatchShape, blockGraph, blockParameters, embeddingNormGraph } from "./encoder-block.js";
import { type EncoderConfig, encoderConfig, longestText } from "./encoder-config.js";

/** Tokens computed together, padding included; at least one text. */
const TOKENS_PER_BATCH = 2048;
/** Texts are padded to a multiple of this, so that few lengths are compiled. */
const LENGTH_STEP = 8;
const MASKED = -1e9;

/** Tables and norm of the embeddings, by the names in a checkpoint. */
interface Embeddings {
  words: Float32Array;
  positions: Float32Array;
  types: Float32Array;
  norm: Record<"weight" | "bias", Tensor>;
}

export class EncoderModel {
  private norm?: Promise<Executable>;
  private block?: { key: string; executable: Promise<Executable> };

  private constructor(
    readonly config: EncoderConfig,
    /** Layers whose weights are held; hidden states can be had up to the last of them. */
    readonly layers: number,
    private readonly embeddings: Embeddings,
    private readonly parameters: readonly Record<string, Tensor>[],
    private readonly device: Device,
  ) {}

  /**
   * Loads an encoder from a Hugging Face folder.
   *
   * @param layers how many blocks to load (0 to the model's number); default all.
   * @throws UsageError for a model that is no encoder, FailureError when weights are missing or damaged.
   */
  static async load(path: string, device: Device, layers?: number): Promise<EncoderModel> {
    const checkpoint = openCheckpoint(path);
    try {
      const config = encoderConfig(checkpoint.config, path);
      const used = layers ?? config.layers;
      if (!Number.isInteger(used) || used < 0 || used > config.layers)
        throw new UsageError(`${path}: has ${config.layers} layers, layer ${used} was asked for`);
      const read = weightReader(checkpoint);
      const { hiddenSize } = config;
      const upload = (name: string, shape: number[]): Promise<Tensor> =>
        device.upload("float32", read(name, shape), shape);
      const embeddings: Embeddings = {
        words: read("embeddings.word_embeddings.weight", [config.vocabSize, hiddenSize]),
        positions: read("embeddings.position_embeddings.weight", [config.positions, hiddenSize]),
        types: read("embeddings.token_type_embeddings.weight", [config.tokenTypes, hiddenSize]),
        norm: {
          weight: await upload("embeddings.LayerNorm.weight", [hiddenSize]),
          bias: await upload("embeddings.LayerNorm.bias", [hiddenSize]),
        },
      };
      const parameters: Record<string, Tensor>[] = [];
      for (let layer = 0; layer < used; layer++) {
        const tensors: Record<string, Tensor> = {};
        for (const [name, shape] of blockParameters(config))
          tensors[name] = await upload(`encoder.layer.${layer}.${name}`, shape);
        parameters.push(tensors);
      }
      return new EncoderModel(config, used, embeddings, parameters, device);
    } finally {
      checkpoint.close();
    }
  }

  /**
   * Hidden states after the last loaded layer, before any pooling.
   *
   * @param texts token ids of each text, special tokens included; at most `longestText` each.
   * @param each told each text's states [tokens, hidden], in no particular order; the array is the callee's to keep.
   */
  async encode(
    texts: readonly (readonly number[])[],
    each: (text: number, states: Float32Array) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    const longest = longestText(this.config);
    const order = texts.map((_, i) => i).sort((a, b) => texts[a]!.length - texts[b]!.length);
    for (let at = 0; at < order.length; ) {
      signal?.throwIfAborted();
      const tokens = texts[order[at]!]!.length;
      if (tokens > longest) throw new RangeError(`a text of ${tokens} tokens for an encoder of ${longest}`);
      const length = Math.min(longest, Math.max(1, Math.ceil(tokens / LENGTH_STEP)) * LENGTH_STEP);
      const most = Math.max(1, Math.floor(TOKENS_PER_BATCH / length));
      const batch: number[] = [];
      while (batch.length < most && at < order.length && texts[order[at]!]!.length <= length) batch.push(order[at++]!);
      await this.encodeBatch(
        batch,
        batch.map((i) => texts[i]!),
        length,
        each,
      );
    }
  }

  private async encodeBatch(
    names: readonly number[],
    texts: readonly (readonly number[])[],
    length: number,
    each: (text: number, states: Float32Array) => void,
  ): Promise<void> {
    const { hiddenSize } = this.config;
    const rows = texts.length * length;
    const mask = new Float32Array(rows).fill(MASKED);
    for (const [i, { length: tokens }] of texts.entries()) mask.fill(0, i * length, i * length + tokens);
    const shared = { mask: await this.device.upload("float32", mask, [texts.length, 1, 1, length]) };
    const summed = await this.device.upload("float32", this.embed(texts, length), [rows, hiddenSize]);
    this.norm ??= this.device.compile(embeddingNormGraph(this.config));
    let x = (await (await this.norm).run({ x: summed, ...this.embeddings.norm })).y!;
    if (this.layers > 0) {
      const block = await this.blockFor({ texts: texts.length, length });
      const memory = [0, 1].map(() => this.device.resultMemory([rows, hiddenSize]));
      for (const [layer, parameters] of this.parameters.entries()) {
        const y = memory[layer % 2];
        x = (await block.run({ x, ...shared, ...parameters }, y && { y })).y!;
      }
    }
    const states = (await this.device.download(x)) as Float32Array;
    for (const [i, { length: tokens }] of texts.entries()) {
      const start = i * length * hiddenSize;
      each(names[i]!, states.slice(start, start + tokens * hiddenSize));
    }
  }

  /** Word, position and type embeddings added: [texts · length, hidden]; zeros at padding. */
  private embed(texts: readonly (readonly number[])[], length: number): Float32Array {
    const { hiddenSize: width, firstPosition, vocabSize } = this.config;
    const { words, positions, types } = this.embeddings;
    const out = new Float32Array(texts.length * length * width);
    for (const [i, tokens] of texts.entries())
      for (const [j, token] of tokens.entries()) {
        if (!(token >= 0 && token < vocabSize))
          throw new FailureError(`token ${token} is not in the encoder's vocabulary of ${vocabSize}`);
        const to = (i * length + j) * width;
        const word = token * width;
        const position = (firstPosition + j) * width;
        for (let k = 0; k < width; k++) out[to + k] = words[word + k]! + types[k]! + positions[position + k]!;
      }
    return out;
  }

  /** Batches come in order of their length, so only the last shape is held. */
  private async blockFor(shape: BatchShape): Promise<Executable> {
    const key = `${shape.texts} ${shape.length}`;
    if (this.block?.key !== key) {
      await (await this.block?.executable)?.dispose();
      this.block = { key, executable: this.device.compile(blockGraph(this.config, shape)) };
    }
    return this.block.executable;
  }

  async dispose(): Promise<void> {
    await (await this.norm)?.dispose();
    await (await this.block?.executable)?.dispose();
    this.norm = undefined;
    this.block = undefined;
  }
}

/** Prefixes under which a checkpoint keeps the encoder, when it was saved with a head. */
const PREFIXES = ["", "bert.", "roberta."];

/** Reads weights under today's names, or those of checkpoints that were converted from TensorFlow (gamma, beta). */
function weightReader(checkpoint: Checkpoint): (name: string, shape: readonly number[]) => Float32Array {
  const probe = "embeddings.word_embeddings.weight";
  const prefix = PREFIXES.find((each) => checkpoint.has(each + probe));
  if (prefix === undefined)
    throw new FailureError(`${checkpoint.source}: weight "${probe}" is missing; not an encoder`);
  return (name, shape) => {
    const older = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
    const full = prefix + (checkpoint.has(prefix + name) ? name : older);
    if (!checkpoint.has(full))
      throw new FailureError(
        `${checkpoint.source}: weight "${prefix + name}" is missing; the checkpoint is not complete`,
      );
    const found = checkpoint.info(full).shape;
    if (found.length !== shape.length || !found.every((dim, i) => dim === shape[i]))
      throw new UsageError(
        `${checkpoint.source}: weight "${full}" has shape [${found.join(", ")}], config.json asks for [${shape.join(", ")}]`,
      );
    return checkpoint.read(full);
  };
}
