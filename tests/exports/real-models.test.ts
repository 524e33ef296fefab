/**
 * Real models (GGUF files in EVOKE_TEST_MODELS) here and in llama.cpp: the file itself, whose products llama.cpp computes with
 * activations rounded to 8 bits, and the same weights written as float32, where nothing is rounded. What is rounded depends on
 * the last bits of what came before: llama.cpp differs from itself as soon as it adds up in another order.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openCheckpoint } from "../../src/checkpoint/open.js";
import { writeGgufModel } from "../../src/export/gguf/model.js";
import { Decoder } from "../../src/generate/decoder.js";
import { KvCache } from "../../src/generate/kv-cache.js";
import { type DecoderWeights, loadDecoderWeights } from "../../src/model/weights.js";
import { Device } from "../../src/runtime/device.js";
import { loadTokenizer } from "../../src/tokenizer/tokenizer.js";
import { askPeer, peers, realModels } from "./peers.js";

const COUNT = 48;
const TOP = 20;
const EVERY = 12;
const TEXTS = [
  "The capital of France is",
  "Once upon a time, there was a",
  "Name three colours:",
  "1 2 3 4 5 6",
  "Die Hauptstadt von Deutschland ist",
  "def fibonacci(n):\n",
  "Q: How do plants make food?\nA:",
  "The three most important inventions of the last century are",
  "今日は",
  "Dear Sir or Madam,\n\n",
];
const root = mkdtempSync(join(tmpdir(), "evoke-real-"));
afterAll(() => rmSync(root, { recursive: true }));

/** By step of an answer: its token or, where log-probabilities are told, the likeliest tokens, best first. */
type Steps = [id: number, logprob: number | null][][];

interface Compared {
  tokens: number;
  /** How often another token is likelier than that of the answer; by how much at most, in logits. */
  ties: number;
  widest: number;
  /** Most that log-probabilities are apart, of the likeliest token and of the TOP likeliest; and on average. */
  ofBest: number;
  ofTop: number;
  mean: number;
}

/** Collects what is apart, step by step. */
class Comparison {
  private readonly apart: number[] = [];
  private readonly apartOfBest: number[] = [];
  private readonly gaps: number[] = [];

  constructor(private readonly answers: Steps[]) {}

  add(answer: number, step: number, logits: Float32Array): void {
    const theirs = this.answers[answer]![step]!;
    const best = logits.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
    const all = best + Math.log(logits.reduce((sum, value) => sum + Math.exp(value - best), 0));
    const differences = theirs.flatMap(([id, logprob]) =>
      logprob === null ? [] : [Math.abs(logits[id]! - all - logprob)],
    );
    this.apart.push(...differences);
    this.apartOfBest.push(...differences.slice(0, 1));
    this.gaps.push(best - logits[theirs[0]![0]]!);
  }

  result(): Compared {
    const ties = this.gaps.filter((gap) => gap > 0);
    const most = (x: number[]): number => x.reduce((a, b) => Math.max(a, b), 0);
    return {
      tokens: this.gaps.length,
      ties: ties.length,
      widest: most(ties),
      ofBest: most(this.apartOfBest),
      ofTop: most(this.apart),
      mean: this.apart.reduce((a, b) => a + b, 0) / this.apart.length,
    };
  }
}

/** This engine along another program's greedy answers. */
async function compared(weights: DecoderWeights, prompts: number[][], answers: Steps[]): Promise<Compared> {
  const decoder = new Decoder(weights, await Device.open(), "float32");
  const comparison = new Comparison(answers);
  for (const [i, prompt] of prompts.entries()) {
    const cache = new KvCache(weights.config);
    cache.reserve(1, prompt.length + COUNT);
    cache.add(0);
    let logits = new Float32Array() as Float32Array;
    for (const id of prompt) logits = (await decoder.step(cache, [id])).slice();
    for (const [step, [best]] of answers[i]!.entries()) {
      comparison.add(i, step, logits);
      logits = (await decoder.step(cache, [best![0]])).slice();
    }
  }
  await decoder.dispose();
  return comparison.result();
}

/** How far llama.cpp's own log-probabilities are apart when it reads the same prompts one token at a time. */
function apartFromItself(path: string, prompts: number[][]): number {
  const request = { prompts, count: 1, top: TOP, every: 1, float32Cache: true };
  const all = { ...request, top: 10_000 };
  const [whole, single] = [
    askPeer("llama-cpp-logits", path, request),
    askPeer("llama-cpp-logits", path, { ...all, batchSize: 1 }),
  ];
  const differences = (whole as Steps[]).flatMap((steps, i) => {
    const other = new Map((single as Steps[])[i]![0]!);
    return steps[0]!.flatMap(([id, logprob]) => (other.has(id) ? [Math.abs(logprob! - other.get(id)!)] : []));
  });
  return differences.reduce((a, b) => a + b, 0) / differences.length;
}

const tell = (path: string, form: string, found: Compared): void =>
  console.log(`${basename(path)} ${form}: ${JSON.stringify(found)}`);

describe.skipIf(peers === "" || realModels.length === 0)("llama.cpp on the same file", () => {
  it.each(realModels)(
    "writes the greedy tokens of %s and gives its log-probabilities",
    async (path) => {
      const checkpoint = openCheckpoint(path);
      const weights = loadDecoderWeights(checkpoint);
      const tokenizer = await loadTokenizer(path);
      const prompts = TEXTS.map((text) => [...tokenizer.encode(text)]);
      const request = { prompts, count: COUNT, top: TOP, every: EVERY, float32Cache: true };
      const plain = join(root, `${basename(path)}-f32.gguf`);
      const chat = { template: tokenizer.chatTemplate, stops: [] };
      writeGgufModel(checkpoint, path, tokenizer, plain, { encoding: "f32", chat, name: "test" });
      checkpoint.close();

      const exact = await compared(weights, prompts, askPeer("llama-cpp-logits", plain, request) as Steps[]);
      tell(path, "as float32", exact);
      expect(exact.widest).toBeLessThan(0.01);
      expect(exact.ofTop).toBeLessThan(2e-2);

      const answers = askPeer("llama-cpp-logits", path, request) as Steps[];
      const stored = await compared(weights, prompts, answers);
      tell(path, "as stored", stored);
      expect(stored.widest).toBeLessThan(0.5);

      const [own, ownExact] = [apartFromItself(path, prompts), apartFromItself(plain, prompts)];
      console.log(`${basename(path)}: llama.cpp from itself ${own} as stored, ${ownExact} as float32`);
      expect(stored.mean).toBeLessThan(Math.max(own, 2e-2));
    },
    3_600_000,
  );
});
