/**
 * Real models (GGUF files in EVOKE_TEST_MODELS) here and in llama.cpp: the file itself, whose products llama.cpp computes with
 * activations of 8 bits, and the same weights written as float32, where nothing is rounded.
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

/** Along another program's greedy answers: how far log-probabilities and the choice of the best token are apart. */
async function compared(weights: DecoderWeights, prompts: number[][], answers: Steps[]) {
  const decoder = new Decoder(weights, await Device.open(), "float32");
  const apart: number[] = [];
  const apartOfBest: number[] = [];
  const gaps: number[] = [];
  for (const [i, prompt] of prompts.entries()) {
    const cache = new KvCache(weights.config);
    cache.reserve(1, prompt.length + COUNT);
    cache.add(0);
    let logits = new Float32Array() as Float32Array;
    for (const id of prompt) logits = (await decoder.step(cache, [id])).slice();
    for (const step of answers[i]!) {
      const best = logits.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
      const all = best + Math.log(logits.reduce((sum, value) => sum + Math.exp(value - best), 0));
      const differences = step.flatMap(([id, logprob]) =>
        logprob === null ? [] : [Math.abs(logits[id]! - all - logprob)],
      );
      apart.push(...differences);
      apartOfBest.push(...differences.slice(0, 1));
      gaps.push(best - logits[step[0]![0]]!);
      logits = (await decoder.step(cache, [step[0]![0]])).slice();
    }
  }
  await decoder.dispose();
  const ties = gaps.filter((gap) => gap > 0);
  const most = (x: number[]): number => x.reduce((a, b) => Math.max(a, b), 0);
  return {
    tokens: gaps.length,
    ties: ties.length,
    widest: most(ties),
    ofBest: most(apartOfBest),
    ofTop: most(apart),
    mean: apart.reduce((a, b) => a + b, 0) / apart.length,
  };
}

describe.skipIf(peers === "" || realModels.length === 0)("llama.cpp on the same file", () => {
  it.each(realModels)(
    "writes the greedy tokens of %s and gives its log-probabilities",
    async (path) => {
      const checkpoint = openCheckpoint(path);
      const weights = loadDecoderWeights(checkpoint);
      const tokenizer = await loadTokenizer(path);
      const prompts = TEXTS.map((text) => [...tokenizer.encode(text)]);
      const request = { prompts, count: COUNT, top: TOP, every: EVERY };
      const plain = join(root, `${basename(path)}-f32.gguf`);
      const chat = { template: tokenizer.chatTemplate, stops: [] };
      writeGgufModel(checkpoint, path, tokenizer, plain, { encoding: "f32", chat, name: "test" });
      checkpoint.close();

      const exact = await compared(weights, prompts, askPeer("llama-cpp-logits", plain, request) as Steps[]);
      console.log(`${basename(path)} as float32: ${JSON.stringify(exact)}`);
      expect(exact.widest).toBeLessThan(0.01);
      expect(exact.ofTop).toBeLessThan(2e-2);

      const stored = await compared(weights, prompts, askPeer("llama-cpp-logits", path, request) as Steps[]);
      console.log(`${basename(path)} as stored: ${JSON.stringify(stored)}`);
      expect(stored.widest).toBeLessThan(0.5);
    },
    3_600_000,
  );
});
