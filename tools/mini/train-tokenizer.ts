/** Learns the mini model's tokenizer from its corpus: `npm run mini:tokenizer -- [--corpus FILE] [--out DIR]`. */
import { parseArgs } from "node:util";
import { writeFileAtomically } from "../../src/files/atomic-write.js";
import { readJsonl } from "../../src/files/jsonl.js";
import { byteAlphabet, WORD_PATTERN } from "./byte-level.js";
import { learnMerges } from "./byte-pair.js";

/** Special tokens take the first ids; the first one ends every document and every response. */
const SPECIAL = ["<|endoftext|>", "<|pad|>"];
const VOCABULARY = 2048;
const DOCUMENTS = 20_000;

const { values } = parseArgs({
  options: {
    corpus: { type: "string", default: ".cache/mini/corpus.jsonl" },
    out: { type: "string", default: "models/mini" },
  },
});

const alphabet = byteAlphabet();
const counts = new Map<string, number>();
for await (const { line, row } of readJsonl(values.corpus)) {
  if (line > DOCUMENTS) break;
  for (const [word] of String(row.text).matchAll(WORD_PATTERN)) {
    const symbols = [...new TextEncoder().encode(word)].map((byte) => alphabet[byte]).join("");
    counts.set(symbols, (counts.get(symbols) ?? 0) + 1);
  }
}
const merges = learnMerges(counts, VOCABULARY - SPECIAL.length - alphabet.length);
const vocabulary = [...SPECIAL, ...alphabet.toSorted(), ...merges.map(([left, right]) => left + right)];

const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
const tokenizer = {
  version: "1.0",
  truncation: null,
  padding: null,
  added_tokens: SPECIAL.map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  })),
  normalizer: null,
  pre_tokenizer: byteLevel,
  post_processor: null,
  decoder: byteLevel,
  model: {
    type: "BPE",
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    vocab: Object.fromEntries(vocabulary.map((token, id) => [token, id])),
    merges,
  },
};
const settings = {
  tokenizer_class: "PreTrainedTokenizerFast",
  eos_token: SPECIAL[0],
  pad_token: SPECIAL[1],
  model_max_length: 512,
  clean_up_tokenization_spaces: false,
};
writeFileAtomically(`${values.out}/tokenizer.json`, `${JSON.stringify(tokenizer, null, 1)}\n`);
writeFileAtomically(`${values.out}/tokenizer_config.json`, `${JSON.stringify(settings, null, 2)}\n`);
console.log(`${values.out}: ${vocabulary.length} tokens from ${counts.size} different words`);
