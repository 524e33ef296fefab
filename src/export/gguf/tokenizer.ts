/** The vocabulary of a Hugging Face tokenizer as GGUF metadata: byte-level BPE ("gpt2") and SentencePiece's BPE ("llama"). */
import type { GgufValue } from "../../checkpoint/gguf/parse.js";
import type { GgufField } from "../../checkpoint/gguf/write.js";
import { UsageError } from "../../errors.js";
import { tokensBefore } from "../../tokenizer/special-tokens.js";
import type { Tokenizer } from "../../tokenizer/tokenizer.js";
import type { TokenizerFiles } from "../../tokenizer/tokenizer-files.js";
import { preTokenizerFor } from "../../tokenizer/tokenizer-pre.js";

/** llama.h's kinds of token. */
const KIND = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

type Json = Record<string, unknown>;

interface AddedToken {
  id: number;
  content: string;
  special: boolean;
}

/** What of a conversation's form goes with the vocabulary. */
export interface GgufChat {
  /** Chat template (Jinja). */
  template?: string;
  /** Ids that end an answer, the template's own end first. */
  stops: readonly number[];
}

/** @param vocabSize rows of the embedding, which may be more than there are tokens. @throws UsageError for other tokenizers. */
export function tokenizerFields(
  files: TokenizerFiles,
  tokenizer: Tokenizer,
  vocabSize: number,
  chat: GgufChat,
  source: string,
): Map<string, GgufField> {
  const model = files.tokenizer.model as Json;
  if (model?.type !== "BPE") throw refused(source, `a tokenizer of type ${JSON.stringify(model?.type)}`);
  const fields = new Map<string, GgufField>();
  const put = (key: string, field: GgufField): void => void fields.set(`tokenizer.ggml.${key}`, field);
  const pieces = model.byte_fallback === true;
  const { tokens, kinds } = vocabulary(files, vocabSize, pieces);
  const merges = (model.merges as (string | string[])[]).map((merge) =>
    typeof merge === "string" ? merge : merge.join(" "),
  );
  put("model", { string: pieces ? "llama" : "gpt2" });
  put("tokens", { strings: tokens });
  put("token_type", { i32s: kinds });
  if (pieces) {
    put("scores", { f32s: pieceScores(tokens, model.merges as (string | string[])[]) });
    put("add_space_prefix", { bool: /"(Prepend|Metaspace)"/.test(JSON.stringify(files.tokenizer)) });
  } else {
    const pre = preTokenizerFor(files.tokenizer);
    if (!pre) throw refused(source, "a tokenizer that cuts words as no known model does");
    put("pre", { string: pre });
    put("merges", { strings: merges });
  }
  const before = tokensBefore(tokenizer);
  const { bosId, eosId } = tokenizer;
  if (bosId !== undefined) put("bos_token_id", { u32: bosId });
  if (eosId !== undefined) put("eos_token_id", { u32: eosId });
  const turnEnd = chat.stops.find((id) => id !== eosId);
  if (turnEnd !== undefined) put("eot_token_id", { u32: turnEnd });
  for (const [name, key] of [
    ["padding", "pad_token"],
    ["unknown", "unk_token"],
  ] as const) {
    const token = files.config[key];
    const content = typeof token === "string" ? token : (token as Json | undefined)?.content;
    const id = typeof content === "string" ? tokens.indexOf(content) : -1;
    if (id >= 0) put(`${name}_token_id`, { u32: id });
  }
  put("add_bos_token", { bool: bosId !== undefined && before[0] === bosId });
  put("add_eos_token", { bool: false });
  if (chat.template !== undefined) fields.set("tokenizer.chat_template", { string: chat.template });
  return fields;
}

const refused = (source: string, what: string): UsageError =>
  new UsageError(
    `${source}: ${what} is not written to GGUF; convert the folder with llama.cpp's convert_hf_to_gguf.py`,
  );

function vocabulary(files: TokenizerFiles, vocabSize: number, pieces: boolean): { tokens: string[]; kinds: number[] } {
  const { vocab, unk_token: unknown } = files.tokenizer.model as { vocab: Record<string, number>; unk_token?: string };
  const added = (files.tokenizer.added_tokens ?? []) as AddedToken[];
  const tokens = Array.from({ length: vocabSize }, (_, id) => `[PAD${id}]`);
  const kinds = new Array<number>(vocabSize).fill(KIND.unused);
  for (const [token, id] of Object.entries(vocab)) {
    if (id >= vocabSize) continue;
    tokens[id] = token;
    kinds[id] = pieces && /^<0x[0-9A-F]{2}>$/.test(token) ? KIND.byte : KIND.normal;
    if (token === unknown) kinds[id] = KIND.unknown;
  }
  for (const { id, content, special } of added) {
    if (id >= vocabSize) continue;
    tokens[id] = content;
    if (kinds[id] !== KIND.unknown) kinds[id] = special ? KIND.control : KIND.userDefined;
  }
  return { tokens, kinds };
}

/** SentencePiece merges the pair whose piece has the best score: here the one that the first merge makes. */
function pieceScores(tokens: readonly string[], merges: readonly (string | string[])[]): number[] {
  const rank = new Map<string, number>();
  merges.forEach((merge, i) => {
    const piece = typeof merge === "string" ? merge.replace(" ", "") : merge.join("");
    if (!rank.has(piece)) rank.set(piece, i);
  });
  return tokens.map((token) => -(rank.get(token) ?? merges.length));
}

/** Types of the metadata that a vocabulary in a GGUF file has: it goes over as it is. */
export function copiedTokenizer(metadata: ReadonlyMap<string, GgufValue>, chat: GgufChat): Map<string, GgufField> {
  const fields = new Map<string, GgufField>();
  for (const [key, value] of metadata) {
    if (!key.startsWith("tokenizer.")) continue;
    const field = typed(key, value);
    if (field) fields.set(key, field);
  }
  const eos = metadata.get("tokenizer.ggml.eos_token_id");
  const turnEnd = chat.stops.find((id) => id !== eos);
  if (turnEnd !== undefined) fields.set("tokenizer.ggml.eot_token_id", { u32: turnEnd });
  if (chat.template !== undefined) fields.set("tokenizer.chat_template", { string: chat.template });
  return fields;
}

function typed(key: string, value: GgufValue): GgufField | undefined {
  if (typeof value === "string") return { string: value };
  if (typeof value === "boolean") return { bool: value };
  if (typeof value === "number") return { u32: value };
  if (value.every((item) => typeof item === "string")) return { strings: value as string[] };
  if (value.every((item) => typeof item === "number"))
    return key.endsWith(".scores") ? { f32s: value as number[] } : { i32s: value as number[] };
  return undefined;
}
