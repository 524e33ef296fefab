/** BERTScore of texts by an encoder that our engine runs, with bert-score's rules for tokens, weights and layers. */
import { existsSync, readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { UsageError } from "../errors.js";
import { resolveModel } from "../hub/resolve-model.js";
import {
  type BertScore,
  bertScore,
  inverseDocumentFrequency,
  normalizeRows,
  rescaleBertScore,
  type TokenEmbeddings,
} from "../metrics/bert-score.js";
import { mean } from "../metrics/statistics.js";
import { longestText } from "../model/encoder/encoder-config.js";
import { EncoderModel } from "../model/encoder/encoder-model.js";
import { Device, type DeviceOptions } from "../runtime/device.js";
import { loadTokenizer, type Tokenizer } from "../tokenizer/tokenizer.js";
import { readTokenizerFiles } from "../tokenizer/tokenizer-files.js";
import { tunedLayer } from "./bert-score-layers.js";

/** bert-score's encoder for English. */
export const DEFAULT_ENCODER = "hf:FacebookAI/roberta-large";

export interface BertScorerOptions {
  /** Model reference of a BERT, RoBERTa or MiniLM encoder. Default roberta-large. */
  encoder?: string;
  /** Layer whose hidden states are compared, 0 for the embeddings; default bert-score's for this encoder, else the last. */
  layer?: number;
  /** Weigh tokens by inverse document frequency over the references. */
  idf?: boolean;
  /** File of baselines (columns LAYER,P,R,F) to rescale by. */
  baseline?: string;
  /** An open device; else one is opened by its name (default cpu). */
  device?: Device;
  deviceName?: DeviceOptions["device"];
  say?: (line: string) => void;
  signal?: AbortSignal;
}

/** Pairs that bert-score matches together by default; see `TokenEmbeddings.isPadded`. A multiple of them bounds memory. */
const BATCH = 64;
const CHUNK = 4 * BATCH;
/** Version of bert-score whose figures these are, for the signature. */
const AS_VERSION = "0.3.13";

export class BertScorer {
  readonly #tokens = new Map<string, number[]>();
  readonly #references = new Map<string, Float32Array>();

  private constructor(
    readonly encoderName: string,
    /** Layer that is compared. */
    readonly layer: number,
    private readonly encoder: EncoderModel,
    private readonly tokenizer: { encode: (text: string) => number[]; special: ReadonlySet<number> },
    private readonly options: BertScorerOptions,
    private readonly baseline?: BertScore,
  ) {}

  /** @throws UsageError for a model that is no encoder or a bad baseline, FailureError when it cannot be had. */
  static async open(options: BertScorerOptions = {}): Promise<BertScorer> {
    const { encoder = DEFAULT_ENCODER, say, signal } = options;
    const path = await resolveModel(encoder, { say, signal });
    const tuned = options.layer ?? tunedLayer(encoder) ?? tunedLayer(path);
    // A baseline that cannot be read is told before the weights are.
    if (options.baseline) readBaseline(options.baseline, tuned ?? 0);
    const model = await EncoderModel.load(
      path,
      options.device ?? (await Device.open({ device: options.deviceName })),
      tuned,
    );
    if (tuned === undefined)
      say?.(`bertscore: no layer is tabulated for ${encoder}; the last, ${model.layers}, is compared (--layer)`);
    const baseline = options.baseline ? readBaseline(options.baseline, model.layers) : undefined;
    const tokenizer = await textEncoder(path, longestText(model.config));
    return new BertScorer(shortName(encoder), model.layers, model, tokenizer, options, baseline);
  }

  /** What figures depend on, in the form of bert-score's hash. */
  get signature(): string {
    const { idf, baseline } = this.options;
    return `${this.encoderName}_L${this.layer}${idf ? "_idf" : "_no-idf"}_version=${AS_VERSION}(evoke)${baseline ? "-custom-rescaled" : ""}`;
  }

  /**
   * Scores candidates against one reference each. White space around a text is dropped; an empty text scores 0, before
   * rescaling. Texts longer than the encoder's window are cut.
   *
   * @param onProgress told how many candidates are scored.
   */
  async score(
    candidates: readonly string[],
    references: readonly string[],
    onProgress?: (done: number) => void,
  ): Promise<BertScore[]> {
    if (candidates.length !== references.length)
      throw new RangeError(`${candidates.length} candidates for ${references.length} references`);
    const weightOf = this.options.idf
      ? inverseDocumentFrequency(references.map((text) => this.tokensOf(text)))
      : (token: number) => Number(!this.tokenizer.special.has(token));
    const missing = references.map((text) => text.trim()).filter((text) => !this.#references.has(text));
    for (const [text, states] of await this.embed(missing)) this.#references.set(text, states);
    const scores: BertScore[] = [];
    for (let at = 0; at < candidates.length; at += CHUNK) {
      const chunk = candidates.slice(at, at + CHUNK);
      const states = await this.embed(chunk.map((text) => text.trim()));
      const longest = (texts: readonly string[], i: number): number => {
        const batch = at + i - ((at + i) % BATCH);
        return Math.max(...texts.slice(batch, batch + BATCH).map((text) => this.tokensOf(text).length));
      };
      for (const [i, text] of chunk.entries()) {
        const side = (
          given: string,
          texts: readonly string[],
          table: ReadonlyMap<string, Float32Array>,
        ): TokenEmbeddings => {
          const tokens = this.tokensOf(given);
          // An empty text has its special tokens, which must not be matched.
          const isEmpty = given.trim() === "";
          return {
            vectors: table.get(given.trim())!,
            count: isEmpty ? 0 : tokens.length,
            width: this.encoder.config.hiddenSize,
            weights: tokens.map(weightOf),
            isPadded: tokens.length < longest(texts, i),
          };
        };
        const raw = bertScore(side(text, candidates, states), side(references[at + i]!, references, this.#references));
        scores.push(this.baseline ? rescaleBertScore(raw, this.baseline) : raw);
      }
      onProgress?.(scores.length);
    }
    return scores;
  }

  private tokensOf(text: string): number[] {
    const key = text.trim();
    let tokens = this.#tokens.get(key);
    if (!tokens) this.#tokens.set(key, (tokens = this.tokenizer.encode(key)));
    return tokens;
  }

  /** Unit vectors of the tokens of each different text. */
  private async embed(texts: readonly string[]): Promise<Map<string, Float32Array>> {
    const different = [...new Set(texts)];
    const found = new Map<string, Float32Array>();
    await this.encoder.encode(
      different.map((text) => this.tokensOf(text)),
      (i, states) => found.set(different[i]!, normalizeRows(states, this.encoder.config.hiddenSize)),
      this.options.signal,
    );
    return found;
  }

  dispose(): Promise<void> {
    return this.encoder.dispose();
  }
}

/** A folder's own name; a reference without its scheme. */
const shortName = (reference: string): string =>
  existsSync(reference) ? basename(resolve(reference)) : reference.replace(/^(?:hf|pip):/, "");

/**
 * A text's tokens as bert-score takes them: special ones around it, at most the window, and before the text a space for
 * vocabularies that tell a word's beginning by one (RoBERTa).
 */
async function textEncoder(
  path: string,
  window: number,
): Promise<{ encode: (text: string) => number[]; special: ReadonlySet<number> }> {
  const tokenizer: Tokenizer = await loadTokenizer(path);
  const { config, tokenizer: file } = readTokenizerFiles(path);
  const stated = config.model_max_length;
  const most = typeof stated === "number" && stated >= 2 ? Math.min(stated, window) : window;
  const space = usesByteLevel(file) ? " " : "";
  const around = tokenizer.encode("");
  return {
    special: new Set(around),
    encode: (text) => {
      if (text === "") return around;
      const ids = tokenizer.encode(space + text);
      return ids.length <= most ? ids : [...ids.slice(0, most - 1), ids.at(-1)!];
    },
  };
}

function usesByteLevel({ pre_tokenizer }: Record<string, unknown>): boolean {
  const step = pre_tokenizer as { type?: string; pretokenizers?: { type?: string }[] } | null | undefined;
  return [step, ...(step?.pretokenizers ?? [])].some((each) => each?.type === "ByteLevel");
}

/**
 * A layer's row of a baseline file: comma- or tab-separated, a header line, then LAYER,P,R,F for layer 0 on.
 *
 * @throws UsageError when the file, the layer or a number is not there.
 */
export function readBaseline(path: string, layer: number): BertScore {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`${path}: the baseline cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  const rows = lines.slice(1).map((line) => line.split(/[,\t]/).map(Number));
  const row = rows.find(([first]) => first === layer);
  if (!row) throw new UsageError(`${path}: has no baseline of layer ${layer} (columns LAYER,P,R,F)`);
  const [, precision, recall, f1] = row;
  if (row.length !== 4 || !row.every(Number.isFinite) || Math.max(precision!, recall!, f1!) >= 1)
    throw new UsageError(`${path}: the baseline of layer ${layer} is not three numbers below 1`);
  return { precision: precision!, recall: recall!, f1: f1! };
}

/** Means over texts; undefined without any. */
export function meanBertScore(scores: readonly BertScore[]): BertScore | undefined {
  if (scores.length === 0) return undefined;
  const of = (figure: keyof BertScore) => mean(scores.map((score) => score[figure]));
  return { precision: of("precision"), recall: of("recall"), f1: of("f1") };
}
