import type { GgufFile, GgufValue } from "../checkpoint/gguf/parse.js";
import { FailureError } from "../errors.js";
import type { TokenizerFiles } from "./tokenizer-files.js";
import { type PreTokenizer, preTokenizerNamed, preTokenizerNames } from "./tokenizer-pre.js";

/** Values of `tokenizer.ggml.token_type` (llama.h). */
const TOKEN_TYPE = { unknown: 2, control: 3, userDefined: 4 } as const;

/** Texts of tokens at which llama.cpp ends a generation, whatever the file says of them (llama-vocab.cpp, special_eog_ids). */
const ENDS = new Set([
  "<|eot_id|>",
  "<|eom_id|>",
  "<|im_end|>",
  "<|end|>",
  "<|return|>",
  "<|call|>",
  "<|flush|>",
  "<|calls|>",
  "<end_of_turn>",
  "<|endoftext|>",
  "<|end_of_text|>",
  "</s>",
  "<eos>",
  "<EOT>",
  "_<EOT>",
  "[EOT]",
  "[EOS]",
  "<end_of_utterance>",
  "<turn|>",
  "<|tool_response>",
  "<｜end▁of▁sentence｜>",
  "[e~[",
]);
/** Of code models: padding, the name of a repository, the end of a file. The first of each that there is. */
const CODE_ENDS = [
  ["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"],
  ["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"],
  ["<|file_sep|>"],
];

/** Ids of a GGUF file's tokens that end a generation by their text, as in llama.cpp. */
export function endsByText(tokens: readonly string[]): number[] {
  const has = (token: string): boolean => tokens.includes(token);
  // In the format of gpt-oss, whose answers end otherwise, <|end|> only ends a part of one.
  const harmony = (has("<|return|>") && has("<|call|>")) || (has("<|calls|>") && has("<|flush|>"));
  const code = CODE_ENDS.map((names) => tokens.findIndex((token) => names.includes(token))).filter((id) => id >= 0);
  const ids = tokens.flatMap((token, id) => (ENDS.has(token) && !(harmony && token === "<|end|>") ? [id] : []));
  return [...new Set([...ids, ...code])];
}

interface Metadata {
  path: string;
  values: Map<string, GgufValue>;
  tokens: string[];
  types: number[];
}

type Json = Record<string, unknown>;

/**
 * Rebuilds tokenizer.json and tokenizer_config.json from the vocabulary that a GGUF file carries: byte-level BPE ("gpt2") and
 * SentencePiece ("llama").
 *
 * @throws FailureError when the file has no vocabulary or one of another kind.
 */
export function ggufTokenizer(gguf: GgufFile): TokenizerFiles {
  const path = gguf.file.path;
  const values = gguf.metadata;
  const model = values.get("tokenizer.ggml.model");
  if (model === undefined)
    throw new FailureError(`${path}: has no tokenizer (metadata tokenizer.ggml.model is missing)`);
  const tokens = list(path, values, "tokens", "string") as string[];
  const types = values.has("tokenizer.ggml.token_type")
    ? (list(path, values, "token_type", "number") as number[])
    : tokens.map(() => 1);
  if (types.length !== tokens.length) {
    throw new FailureError(`${path}: ${tokens.length} tokens but ${types.length} token types`);
  }
  const metadata = { path, values, tokens, types };
  if (model === "gpt2") return byteLevel(metadata);
  if (model === "llama") return sentencePiece(metadata);
  throw new FailureError(
    `${path}: its tokenizer is ${JSON.stringify(model).slice(0, 40)}; "gpt2" and "llama" can be rebuilt, otherwise use the Hugging Face folder`,
  );
}

function list(path: string, values: Map<string, GgufValue>, name: string, type: "string" | "number"): GgufValue[] {
  const value = values.get(`tokenizer.ggml.${name}`);
  if (!Array.isArray(value) || value.length === 0 || value.some((item) => typeof item !== type)) {
    throw new FailureError(`${path}: metadata tokenizer.ggml.${name} is missing or not a list of ${type}s`);
  }
  return value;
}

function byteLevel(metadata: Metadata): TokenizerFiles {
  const { path, values } = metadata;
  const name = String(values.get("tokenizer.ggml.pre") ?? "default");
  const pre = preTokenizerNamed(name);
  if (!pre) {
    throw new FailureError(
      `${path}: its tokenizer cuts words as ${JSON.stringify(name).slice(0, 40)}, which is not known (known: ${preTokenizerNames().join(", ")}); use the Hugging Face folder`,
    );
  }
  const merges = (list(path, values, "merges", "string") as string[]).map((merge) => {
    const parts = merge.split(" ");
    if (parts.length !== 2)
      throw new FailureError(`${path}: merge ${JSON.stringify(merge.slice(0, 40))} is not two tokens`);
    return parts;
  });
  return files(metadata, pre.addBos ?? false, {
    normalizer: pre.nfc ? { type: "NFC" } : null,
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        ...pre.steps.map(split),
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: bpe(metadata, merges, { ignore_merges: (pre as PreTokenizer).ignoreMerges ?? false }),
  });
}

function split(pattern: string): Json {
  return { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false };
}

/**
 * SentencePiece BPE: at each step the pair that forms the best-scored piece is merged. The same as ordinary BPE whose merges
 * are all pairs of pieces that form a piece, best score first.
 */
function sentencePiece(metadata: Metadata): TokenizerFiles {
  const { path, values, tokens } = metadata;
  const scores = list(path, values, "scores", "number") as number[];
  if (scores.length !== tokens.length)
    throw new FailureError(`${path}: ${tokens.length} tokens but ${scores.length} scores`);
  const prefix = values.get("tokenizer.ggml.add_space_prefix") !== false;
  const spaces = { type: "Replace", pattern: { String: " " }, content: "▁" };
  const unknown = values.get("tokenizer.ggml.unknown_token_id");
  return files(metadata, true, {
    normalizer: { type: "Sequence", normalizers: prefix ? [{ type: "Prepend", prepend: "▁" }, spaces] : [spaces] },
    pre_tokenizer: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...(prefix ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
      ],
    },
    model: bpe(metadata, piecePairs(metadata, scores), {
      unk_token: typeof unknown === "number" ? tokens[unknown] : null,
      fuse_unk: true,
      byte_fallback: true,
    }),
  });
}

/** Pairs of pieces that form a piece, by the score of that piece, best first. */
function piecePairs({ tokens, types }: Metadata, scores: number[]): string[][] {
  const ids = new Map<string, number>();
  for (let id = 0; id < tokens.length; id++) if (types[id] === 1) ids.set(tokens[id]!, id);
  const order = [...ids.values()].sort((a, b) => scores[b]! - scores[a]! || a - b);
  const merges: string[][] = [];
  for (const id of order) {
    const piece = tokens[id]!;
    const pairs: { left: number; parts: [string, string] }[] = [];
    for (let cut = 1; cut < piece.length; cut++) {
      const [head, tail] = [piece.slice(0, cut), piece.slice(cut)];
      const left = ids.get(head);
      if (left !== undefined && ids.has(tail)) pairs.push({ left, parts: [head, tail] });
    }
    for (const { parts } of pairs.sort((a, b) => a.left - b.left)) merges.push(parts);
  }
  return merges;
}

function bpe(metadata: Metadata, merges: string[][], options: Json): Json {
  const vocabulary: Record<string, number> = Object.create(null);
  for (let id = 0; id < metadata.tokens.length; id++) vocabulary[metadata.tokens[id]!] ??= id;
  return {
    type: "BPE",
    dropout: null,
    unk_token: null,
    fuse_unk: false,
    byte_fallback: false,
    ...options,
    vocab: vocabulary,
    merges,
  };
}

function files(metadata: Metadata, bosByDefault: boolean, parts: Json): TokenizerFiles {
  const { values, tokens, types } = metadata;
  const token = (name: string): { id: number; content: string } | undefined => {
    const id = values.get(`tokenizer.ggml.${name}_token_id`);
    const content = typeof id === "number" ? tokens[id] : undefined;
    return content === undefined ? undefined : { id: id as number, content };
  };
  const [bos, eos, pad, unk] = [token("bos"), token("eos"), token("padding"), token("unknown")];
  const named = new Set([bos?.id, eos?.id, pad?.id]);
  const added: Json[] = [];
  for (let id = 0; id < tokens.length; id++) {
    const special = types[id] === TOKEN_TYPE.control || types[id] === TOKEN_TYPE.unknown || named.has(id);
    if (!special && types[id] !== TOKEN_TYPE.userDefined) continue;
    added.push({
      id,
      content: tokens[id],
      special,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
    });
  }
  const first = (values.get("tokenizer.ggml.add_bos_token") ?? bosByDefault) && bos ? [bos] : [];
  const last = values.get("tokenizer.ggml.add_eos_token") === true && eos ? [eos] : [];
  const template = values.get("tokenizer.chat_template");
  return {
    tokenizer: {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: added,
      post_processor: surround(first, last),
      ...parts,
    },
    config: {
      bos_token: bos?.content,
      eos_token: eos?.content,
      pad_token: pad?.content,
      unk_token: unk?.content,
      chat_template: typeof template === "string" ? template : undefined,
      clean_up_tokenization_spaces: false,
    },
  };
}

/** A post-processor that puts tokens before and after a text. */
function surround(first: { id: number; content: string }[], last: { id: number; content: string }[]): Json {
  const special = ({ content }: { content: string }): Json => ({ SpecialToken: { id: content, type_id: 0 } });
  const around = (...sequences: string[]): Json[] => [
    ...first.map(special),
    ...sequences.map((id) => ({ Sequence: { id, type_id: 0 } })),
    ...last.map(special),
  ];
  return {
    type: "TemplateProcessing",
    single: around("A"),
    pair: around("A", "B"),
    special_tokens: Object.fromEntries(
      [...first, ...last].map(({ id, content }) => [content, { id: content, ids: [id], tokens: [content] }]),
    ),
  };
}
