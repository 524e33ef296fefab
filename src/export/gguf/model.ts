/** A model as one GGUF file that llama.cpp and what is built on it read. */
import { openGguf } from "../../checkpoint/gguf/parts.js";
import { ggufName, normOffset, permute, permutedHeads } from "../../checkpoint/gguf/tensor-names.js";
import { type GgufField, type GgufTensorToWrite, writeGguf } from "../../checkpoint/gguf/write.js";
import { type Checkpoint, findGguf } from "../../checkpoint/open.js";
import { UsageError } from "../../errors.js";
import { decoderConfig } from "../../model/architectures/index.js";
import type { DecoderConfig } from "../../model/decoder-config.js";
import { ENCODERS, type GgufEncoding } from "../../quant/gguf-encode.js";
import type { Tokenizer } from "../../tokenizer/tokenizer.js";
import { readTokenizerFiles } from "../../tokenizer/tokenizer-files.js";
import { ggufArchitectureOf, ropeDivisors, shapeFields } from "./config.js";
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
  // A head that the file holds is used, whatever the configuration says of tied embeddings.
  const config = { ...parsed, tiedEmbeddings: !checkpoint.has("lm_head.weight") };
  const metadata = new Map<string, GgufField>([
    ["general.architecture", { string: architecture }],
    ["general.type", { string: "model" }],
    ["general.name", { string: options.name }],
    ["general.file_type", { u32: FILE_TYPE[options.encoding] }],
    ["general.quantization_version", { u32: 2 }],
    ...shapeFields(architecture, config, source),
    ...vocabularyFields(basePath, tokenizer, config.vocabSize, options.chat),
  ]);
  const tensors = checkpoint
    .names()
    .filter((name) => !/rotary_emb\.inv_freq$/.test(name))
    .map((name) => tensorOf(checkpoint, name, architecture, config, options.encoding));
  const divisors = ropeDivisors(config);
  if (divisors)
    tensors.unshift({ name: "rope_freqs.weight", shape: [divisors.length], encoding: "f32", data: () => divisors });
  writeGguf(path, metadata, tensors, options.onTensor);
}

function vocabularyFields(basePath: string, tokenizer: Tokenizer, vocabSize: number, chat: GgufChat) {
  const gguf = findGguf(basePath);
  if (gguf === undefined) return tokenizerFields(readTokenizerFiles(basePath), tokenizer, vocabSize, chat, basePath);
  const parsed = openGguf(gguf);
  parsed.close();
  return copiedTokenizer(parsed.metadata, chat);
}

function tensorOf(
  checkpoint: Checkpoint,
  hf: string,
  architecture: string,
  config: DecoderConfig,
  wanted: GgufEncoding,
): GgufTensorToWrite {
  const name = ggufName(hf, architecture);
  if (name === undefined) throw new UsageError(`${checkpoint.source}: weight ${hf} has no place in a GGUF file`);
  const { shape } = checkpoint.info(hf);
  return {
    name,
    shape,
    encoding: encodingOf(name, shape, wanted, config.tiedEmbeddings),
    data() {
      const data = checkpoint.read(hf).slice();
      const heads = permutedHeads(name, architecture, config.heads, config.kvHeads);
      if (heads) permute(data, heads, shape.length > 1 ? shape.at(-1)! : 1);
      const offset = normOffset(name, architecture);
      if (offset) for (let i = 0; i < data.length; i++) data[i]! += offset;
      return data;
    },
  };
}

/** Vectors stay as they are; rows that do not fit the blocks get 16 bits; the head decides between near-equal tokens. */
function encodingOf(name: string, shape: readonly number[], wanted: GgufEncoding, tied: boolean): GgufEncoding {
  if (shape.length < 2) return "f32";
  const isHead = name === (tied ? "token_embd.weight" : "output.weight");
  const encoding = wanted === "q4_0" && isHead ? "q8_0" : wanted;
  return shape.at(-1)! % ENCODERS[encoding].values ? "f16" : encoding;
}
