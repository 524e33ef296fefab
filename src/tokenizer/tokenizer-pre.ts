/**
 * How byte-level BPE tokenizers cut text before merging, by the name GGUF files give it in `tokenizer.ggml.pre`. Each step cuts
 * the pieces of the one before at every match; the matches stay as pieces. Patterns are those of the models' tokenizer.json.
 */
export interface PreTokenizer {
  steps: readonly string[];
  /** Words found whole in the vocabulary are taken as they are. */
  ignoreMerges?: boolean;
  /** Whether a BOS token is added when the file does not say so. */
  addBos?: boolean;
  /** Unicode normal form C first. */
  nfc?: boolean;
}

const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** The pattern of cl100k and its descendants, which differ in how many digits form a number. */
function cl100k(digits: string): string {
  return `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
}

/** Words with capitals only at their start, as o200k and Mistral's Tekken cut them. */
const CASED =
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|" +
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*";

const PUNCTUATION_RUNS = "[\\p{P}\\$\\+<=>\\^~\\|`]+";
const CJK = "[一-龥ࠀ-一가-퟿]+";

const gpt2: PreTokenizer = { steps: [GPT2] };
const digitsApart: PreTokenizer = { steps: ["\\p{N}", GPT2] };
const llama3: PreTokenizer = { steps: [cl100k("\\p{N}{1,3}")], ignoreMerges: true, addBos: true };
const qwen2: PreTokenizer = { steps: [cl100k("\\p{N}")], nfc: true };

const BY_NAME: Record<string, PreTokenizer> = {
  default: { steps: [PUNCTUATION_RUNS, GPT2, "\\p{N}+", "[0-9][0-9][0-9]"] },
  "gpt-2": gpt2,
  "gpt-neox": gpt2,
  mpt: gpt2,
  olmo: gpt2,
  "phi-2": gpt2,
  "jina-en": gpt2,
  "roberta-bpe": gpt2,
  smollm: digitsApart,
  starcoder: digitsApart,
  refact: digitsApart,
  codeshell: digitsApart,
  "command-r": digitsApart,
  exaone: digitsApart,
  falcon: { steps: [PUNCTUATION_RUNS, GPT2, "[0-9][0-9][0-9]"] },
  "llama-bpe": llama3,
  "llama-v3": llama3,
  llama3,
  "smaug-bpe": llama3,
  falcon3: llama3,
  dbrx: { steps: [cl100k("\\p{N}{1,3}")] },
  qwen2,
  "deepseek-r1-qwen": qwen2,
  stablelm2: { steps: [cl100k("\\p{N}")] },
  tekken: {
    steps: [`${CASED}|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`],
    ignoreMerges: true,
    addBos: true,
  },
  "deepseek-coder": { steps: ["[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CJK, "\\p{N}"] },
  "deepseek-llm": {
    steps: ["[\\r\\n]", "\\s?[\\p{Lu}\\p{Ll}\\p{Lt}]+", "\\s?[!-/:-~！-／：-～‘-‟　-。]+", "\\s+$", CJK, "\\p{N}+"],
  },
};

/** The cutting rule of this name; undefined for an unknown one. */
export function preTokenizerNamed(name: string): PreTokenizer | undefined {
  return Object.hasOwn(BY_NAME, name) ? BY_NAME[name] : undefined;
}

/** The names known. */
export function preTokenizerNames(): string[] {
  return Object.keys(BY_NAME).sort();
}

type Step = { type?: string; pretokenizers?: Step[] } & Record<string, unknown>;

/** The name under which GGUF files know how a tokenizer.json cuts words; undefined where none fits. */
export function preTokenizerFor(tokenizer: Record<string, unknown>): string | undefined {
  const pre = tokenizer.pre_tokenizer as Step | null;
  const steps = pre?.type === "Sequence" ? pre.pretokenizers : [pre];
  const cuts: string[] = [];
  for (const step of steps ?? []) {
    const cut = cutsOf(step);
    if (!cut) return undefined;
    cuts.push(...cut);
  }
  const nfc = /"type":"NFC"/.test(JSON.stringify(tokenizer.normalizer ?? null));
  if (tokenizer.normalizer && !nfc) return undefined;
  const ignoreMerges = (tokenizer.model as { ignore_merges?: boolean }).ignore_merges ?? false;
  return Object.entries(BY_NAME).find(
    ([, known]) =>
      known.steps.join("\n") === cuts.join("\n") &&
      (known.nfc ?? false) === nfc &&
      (known.ignoreMerges ?? false) === ignoreMerges,
  )?.[0];
}

function cutsOf(step: Step | null): string[] | undefined {
  if (step?.type === "ByteLevel") return step.add_prefix_space ? undefined : step.use_regex === false ? [] : [GPT2];
  if (step?.type === "Digits") return [step.individual_digits ? "\\p{N}" : "\\p{N}+"];
  const pattern = (step?.pattern as { Regex?: string } | undefined)?.Regex;
  if (step?.type !== "Split" || pattern === undefined || step.behavior !== "Isolated" || step.invert) return undefined;
  return [pattern];
}
