/** A model as one GGUF file that llama.cpp and what is built on it read. */
import { openGguf } from "../../checkpoint/gguf/parts.js";
import { rowOrder, storeRows } from "../../checkpoint/gguf/row-order.js";
import { ggufName, isTransposed, normOffset } from "../../checkpoint/gguf/tensor-names.js";
import { type GgufField, type GgufTensorToWrite, writeGguf } from "../../checkpoint/gguf/write.js";
import { type Checkpoint, findGguf } from "../../checkpoint/open.js";
import { transpose } from "../../checkpoint/transpose.js";
import { UsageError } from "../../errors.js";
import { decoderConfig } from "../../model/architectures/index.js";
import type { DecoderConfig } from "../../model/decoder-config.js";
import { ENCODERS, type GgufEncoding } from "../../quant/gguf-encode.js";
import type { Tokenizer } from "../../tokenizer/tokenizer.js";
import { readTokenizerFiles } from "../../tokenizer/tokenizer-files.js";
import { ggufArchitectureOf, needsHead, shapeFields } from "./config.js";
import { ropeTensors } from "./rope.js";
import { copiedTokenizer, type GgufChat, tokenizerFields } from "./tokenizer.js";

export interface GgufModelOptions {
  /** Storage of the matrices; norms and biases stay in float32. */
  encoding: GgufEncoding;
  chat: GgufChat;
  name: string;
  onTensor?(done: number, all: number): void;
}

/** llama.h's `LLAMA_FTYPE`. */
const FILE_TYPE: Record<GgufEncoding, number> = { f32: 0, f16: 1, q4_0: 2, q8_0: 7, bf16: 32 };

/**
 * Writes a model to `path`.
 * @param basePath folder or GGUF file that the checkpoint was opened from: its tokenizer is taken.
 * @throws UsageError for families, settings and tokenizers that llama.cpp would read otherwise.
 */
export function writeGgufModel(
  checkpoint: Checkpoint,
  basePath: string,
  tokenizer: Tokenizer,
  path: string,
  options: GgufModelOptions,
): void {
  const { source } = checkpoint;
  const architecture = ggufArchitectureOf(checkpoint.config, source);
  const parsed = decoderConfig(checkpoint.config, source);
  const tensors = checkpoint
    .names()
    .filter((name) => !isBuffer(name))
    .map((name) => tensorOf(checkpoint, name, architecture, parsed));
  // A head that the file holds is used, whatever the configuration says of tied embeddings.
  let tied = !tensors.some(({ name }) => name === "output.weight");
  if (tied && needsHead(architecture)) {
    const embedding = tensors.find(({ name }) => name === "token_embd.weight");
    if (embedding) tensors.push({ ...embedding, name: "output.weight" });
    tied = false;
  }
  const vocabulary = vocabularyFields(basePath, tokenizer, parsed.vocabSize, options.chat);
  const metadata = new Map<string, GgufField>([
    ["general.architecture", { string: architecture }],
    ["general.type", { string: "model" }],
    ["general.name", { string: loadableName(options.name, vocabulary) }],
    ["general.file_type", { u32: FILE_TYPE[options.encoding] }],
    ["general.quantization_version", { u32: 2 }],
    ...shapeFields(architecture, parsed, source),
    ...vocabulary,
  ]);
  for (const [name, data] of ropeTensors(parsed, checkpoint.config))
    tensors.unshift({ name, shape: [data.length], data: () => data });
  const stored = tensors.map((tensor) => ({
    ...tensor,
    encoding: encodingOf(tensor.name, tensor.shape, options.encoding, tied),
  }));
  writeGguf(path, metadata, stored, options.onTensor);
}

/** llama.cpp takes a model called Phi-3 for Microsoft's, and does not load it where that one's tokens are missing. */
function loadableName(name: string, vocabulary: ReadonlyMap<string, GgufField>): string {
  const tokens = vocabulary.get("tokenizer.ggml.tokens");
  const known = tokens && "strings" in tokens ? tokens.strings : [];
  const has = ["</s>", "<unk>", "<s>", "<|endoftext|>"].every((token) => known.includes(token));
  return has ? name : name.replace(/(phi)-?(?=3)/gi, "$1_");
}

function vocabularyFields(basePath: string, tokenizer: Tokenizer, vocabSize: number, chat: GgufChat) {
  const gguf = findGguf(basePath);
  if (gguf === undefined) return tokenizerFields(readTokenizerFiles(basePath), tokenizer, vocabSize, chat, basePath);
  const parsed = openGguf(gguf);
  parsed.close();
  return copiedTokenizer(parsed.metadata, chat);
}

/** Tables that older checkpoints hold beside their weights: rotary frequencies and causal masks. */
const isBuffer = (name: string): boolean => /(rotary_emb\.inv_freq|\.(attn|attention)\.(masked_)?bias)$/.test(name);

function tensorOf(
  checkpoint: Checkpoint,
  hf: string,
  architecture: string,
  config: DecoderConfig,
): Omit<GgufTensorToWrite, "encoding"> {
  const name = ggufName(hf, architecture);
  if (name === undefined) throw new UsageError(`${checkpoint.source}: weight ${hf} has no place in a GGUF file`);
  const own = checkpoint.info(hf).shape;
  const turned = own.length === 2 && isTransposed(name, architecture);
  const shape = turned ? own.toReversed() : own;
  return {
    name,
    shape,
    data() {
      const read = checkpoint.read(hf);
      const data = turned ? transpose(read, own[0]!, own[1]!) : read.slice();
      const order = rowOrder(name, architecture, config, shape[0]!);
      if (order) storeRows(data, shape[0]!, order);
      const offset = normOffset(name, architecture);
      if (offset) for (let i = 0; i < data.length; i++) data[i]! += offset;
      return data;
    },
  };
}

/** Vectors stay as they are; rows that do not fit the blocks get 16 bits; the head decides between near-equal tokens. */
function encodingOf(name: string, shape: readonly number[], wanted: GgufEncoding, tied: boolean): GgufEncoding {
  if (shape.length < 2) return "f32";
  // Positions are added one row at a time, which llama.cpp does not do with blocks.
  if (name === "position_embd.weight") return "f32";
  const isHead = name === (tied ? "token_embd.weight" : "output.weight");
  const encoding = wanted === "q4_0" && isHead ? "q8_0" : wanted;
  return shape.at(-1)! % ENCODERS[encoding].values ? "f16" : encoding;
}
