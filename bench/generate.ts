/**
 * Decoding and reading speed on a GGUF model, next to llama.cpp in the same run:
 *
 *   npx tsx bench/generate.ts MODEL.gguf [--threads 2] [--peer-q8 Q8_0.gguf --peer-f32 F32.gguf] [--json]
 *
 * The peer runs in a process of its own (bench/peers/llama-cpp.mjs, after `npm install` in bench/peers); its files come
 * from bench/peers/requantise_gguf.py. Every figure is the best of several rounds, the two programs taking turns: a
 * machine that does other work as well makes all figures worthless.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openCheckpoint } from "../src/checkpoint/open.js";
import { Decoder } from "../src/generate/decoder.js";
import { Generator } from "../src/generate/generator.js";
import { KvCache } from "../src/generate/kv-cache.js";
import { loadModel } from "../src/generate/load-model.js";
import { prefill } from "../src/generate/prefill.js";
import { SoloDecoder } from "../src/generate/solo/solo-decoder.js";
import type { StepDecoder } from "../src/generate/step-decoder.js";
import { PackedModel } from "../src/model/packed-model.js";
import { type DecoderWeights, loadDecoderWeights } from "../src/model/weights.js";
import { Device } from "../src/runtime/device.js";

/** Cached positions when a measured step begins, and steps in a round. */
const PAST = 200;
const STEPS = 48;
const PREFILL = 512;
const ROUNDS = 3;
/** Measurements of a kind in a round, of which the best counts; the peer does as many. */
const TRIES = 3;
const BATCHES = [1, 4, 16];
/** Answers that are written greedily, one after the other, and their length at most; to held-out questions. */
const ANSWERS = 8;
const ANSWER_TOKENS = 256;
const DRAFT = 8;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string", default: String(cpus().length) },
    weights: { type: "string", default: "int8" },
    "peer-q8": { type: "string" },
    "peer-f32": { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const [path] = positionals;
if (path === undefined) throw new Error("usage: npx tsx bench/generate.ts MODEL.gguf");
const threads = Number(values.threads);

const prompt = (count: number): number[] => Array.from({ length: count }, (_, i) => 1000 + ((i * 7919) % 20000));

/** Timers of 10 ms that fired during the steps, as a share of those due; by batch. */
const timers: Record<number, number> = {};

/** Tokens a second of decoding steps over `batch` sequences. */
async function decodeRate(decoder: StepDecoder, weights: DecoderWeights, batch: number): Promise<number> {
  const cache = new KvCache(weights.config);
  cache.reserve(batch, PAST + STEPS + 3);
  for (let i = 0; i < batch; i++) cache.add(PAST);
  const tokens = prompt(batch);
  for (let i = 0; i < 2; i++) await decoder.step(cache, tokens);
  let fired = 0;
  const timer = setInterval(() => fired++, 10);
  const started = performance.now();
  for (let i = 0; i < STEPS; i++) await decoder.step(cache, tokens);
  const took = performance.now() - started;
  clearInterval(timer);
  timers[batch] = Math.max(timers[batch] ?? 0, (fired * 10) / took);
  return (batch * STEPS * 1000) / took;
}

async function prefillRate(model: PackedModel): Promise<number> {
  const started = performance.now();
  await prefill(model, [prompt(PREFILL)]);
  return (PREFILL * 1000) / (performance.now() - started);
}

/** Tokens a second of answers to questions, the reading of the questions left out. */
async function answerRate(generator: Generator, prompts: readonly number[][]): Promise<number> {
  let tokens = 0;
  let time = 0;
  for (const prompt of prompts) {
    let started = 0;
    const onToken = (): void => void (started ||= performance.now());
    const answer = await generator.generate({ tokens: prompt, maxTokens: ANSWER_TOKENS }, { onToken });
    time += performance.now() - started;
    tokens += answer.outputTokens - 1;
  }
  return (tokens * 1000) / time;
}

function questions(generator: Generator): number[][] {
  const path = fileURLToPath(new URL("../examples/data/quickstart-heldout.jsonl", import.meta.url));
  const rows = readFileSync(path, "utf8").trim().split("\n");
  const chosen = rows.filter((_, i) => i % Math.floor(rows.length / ANSWERS) === 0);
  return chosen.map((row) => {
    const { instruction } = JSON.parse(row) as { instruction: string };
    const text = generator.render([{ role: "user", content: instruction }]);
    return generator.tokenizer.encode(text, { addSpecialTokens: false });
  });
}

function peer(file: string, more: readonly string[]): Record<string, number> {
  const script = fileURLToPath(new URL("peers/llama-cpp.mjs", import.meta.url));
  const all = [script, file, "--threads", String(threads), ...more];
  const output = execFileSync(process.execPath, all, { encoding: "utf8", timeout: 300_000 });
  return JSON.parse(output.trim().split("\n").at(-1)!);
}

const device = await Device.open({ threads });
const checkpoint = openCheckpoint(path);
const weights = loadDecoderWeights(checkpoint);
checkpoint.close();
const decoder = new Decoder(weights, device, values.weights as "float32" | "int8" | "int4");
// One answer at a time (chat, --batch 1) and several (serve, generate) have steps of their own.
const alone = decoder.precision === "int8" ? new SoloDecoder(weights, threads, decoder) : decoder;
const model = new PackedModel(weights, device);
await prefillRate(model);
const loaded = await loadModel(path, {});
const options = { weights: decoder.precision };
const plain = await Generator.of(loaded, device, options);
const chat = await Generator.of(loaded, device, { ...options, maxBatch: 1 });
const guessing = await Generator.of(loaded, device, { ...options, draftTokens: DRAFT });
const prompts = questions(plain);
const folder = mkdtempSync(join(tmpdir(), "evoke-bench-"));
const promptFile = join(folder, "prompts.json");
writeFileSync(promptFile, JSON.stringify(prompts));

const best: Record<string, number> = {};
const note = (name: string, rate: number): void => void (best[name] = Math.max(best[name] ?? 0, rate));
for (let round = 0; round < ROUNDS; round++) {
  for (let i = 0; i < TRIES; i++) {
    note("decode alone", await decodeRate(alone, weights, 1));
    for (const batch of BATCHES) note(`decode ${batch}`, await decodeRate(decoder, weights, batch));
    note("prefill", await prefillRate(model));
  }
  note("answers alone", await answerRate(chat, prompts));
  note("answers", await answerRate(plain, prompts));
  note(`answers, ${DRAFT} guessed`, await answerRate(guessing, prompts));
  const sizes = ["--past", PAST, "--steps", STEPS, "--prefill", PREFILL].map(String);
  if (values["peer-q8"]) {
    note("llama.cpp Q8_0 decode 1", peer(values["peer-q8"], sizes).decode!);
    const { answers, guessed } = peer(values["peer-q8"], ["--answers", promptFile, "--most", String(ANSWER_TOKENS)]);
    note("llama.cpp Q8_0 answers", answers!);
    note("llama.cpp Q8_0 answers, guessed", guessed!);
  }
  if (values["peer-f32"]) note("llama.cpp F32 prefill", peer(values["peer-f32"], sizes).prefill!);
}
rmSync(folder, { recursive: true });
await alone.dispose();
await model.dispose();
await chat.dispose();
await plain.dispose();
await guessing.dispose();

const ratios: Record<string, number> = {};
const ratio = (name: string, ours: string, theirs: string): void => {
  if (best[ours] !== undefined && best[theirs] !== undefined) ratios[name] = best[ours] / best[theirs];
};
ratio("alone / llama.cpp Q8_0", "decode alone", "llama.cpp Q8_0 decode 1");
ratio("batch 1 / llama.cpp Q8_0", "decode 1", "llama.cpp Q8_0 decode 1");
ratio("answers alone / llama.cpp", "answers alone", "llama.cpp Q8_0 answers");
ratio("answers / llama.cpp Q8_0", "answers", "llama.cpp Q8_0 answers");
ratio("guessed / llama.cpp Q8_0", `answers, ${DRAFT} guessed`, "llama.cpp Q8_0 answers");
ratio("guessed / llama.cpp guessed", `answers, ${DRAFT} guessed`, "llama.cpp Q8_0 answers, guessed");
ratio("batch 16 / llama.cpp Q8_0", "decode 16", "llama.cpp Q8_0 decode 1");
ratio("prefill / llama.cpp F32", "prefill", "llama.cpp F32 prefill");
if (values.json) console.log(JSON.stringify({ threads, weights: values.weights, tokens_per_s: best, ratios, timers }));
else {
  for (const [name, rate] of Object.entries(best)) console.log(`${name.padEnd(26)} ${rate.toFixed(1)} tokens/s`);
  for (const [batch, share] of Object.entries(timers))
    console.log(`${`timers while writing ${batch}`.padEnd(26)} ${(100 * share).toFixed(0)} %`);
  for (const [name, value] of Object.entries(ratios)) console.log(`${name.padEnd(26)} ${value.toFixed(2)}×`);
}
