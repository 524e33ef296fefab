/** Writes the programs that solo.wat carries out: one decoding step of a model, cut in equal parts for the threads. */
import type { AdapterShape } from "../../model/adapter.js";
import type { LinearName, NormSpec } from "../../model/block-spec.js";
import type { DecoderConfig } from "../../model/decoder-config.js";
import { linearNames } from "../../model/decoder-layer.js";
import type { Rope } from "../../model/rope.js";
import { INSTRUCTION_WORDS, type Instruction, writeInstructions } from "./operations.js";
import { blocking, type SoloLinear, type SoloMemory } from "./solo-memory.js";

/** Addresses of a model's weights. */
export interface SoloWeights {
  layers: { linear: Map<LinearName, SoloLinear>; vectors: Map<string, number> }[];
  /** Offsets of norms are in their weights; norms without weights have ones. */
  finalNorm: number;
  /** Ones, for norms of the stream without weights. */
  ones: number;
  head: SoloLinear;
}

/** Addresses of an adapter's factors, by block; B has the scaling. */
export interface SoloAdapter {
  shape: AdapterShape;
  layers: Map<LinearName, { a: SoloLinear; b: SoloLinear }>[];
}

/** What the threads hand each other: addresses of vectors. */
export interface SoloVectors {
  embedding: number;
  /** Rotary tables of the token's position by kind of layer; the queries' carry the attention's scale. */
  ropes: Map<Rope, Record<"cos" | "sin" | "queryCos" | "querySin", number>>;
  /** Results of the linear layers. */
  results: Map<LinearName, number>;
  /** The adapters' inner activations [rank]. */
  low: Map<LinearName, number>;
  /** For each thread and query head the values' sum [headDim], the largest score, the sum of shares, and two unused. */
  parts: number;
  activated: number;
  logits: number;
}

/** Cached keys and values at an address: float32 [layers, 2, kvHeads, capacity, headDim]. */
export interface SoloCache {
  at: number;
  /** A multiple of 4. */
  capacity: number;
}

export const cacheBytes = ({ layers, kvHeads, headDim }: DecoderConfig, capacity: number): number =>
  8 * layers * kvHeads * headDim * capacity;

/** What a thread has for itself: addresses. */
interface Own {
  x: number;
  normed: number;
  codes: number;
  scales: number;
  q: number;
  k: number;
  attended: number;
  scores: number;
}

export function sharedVectors(
  memory: SoloMemory,
  config: DecoderConfig,
  weights: SoloWeights,
  threads: number,
): SoloVectors {
  const { hiddenSize, heads, headDim, vocabSize } = config;
  const half = headDim / 2;
  const results = new Map<LinearName, number>();
  const low = new Map<LinearName, number>();
  const ropes: SoloVectors["ropes"] = new Map();
  for (const rope of new Set(config.rope)) {
    const table = (): number => memory.vector(half);
    ropes.set(rope, { cos: table(), sin: table(), queryCos: table(), querySin: table() });
  }
  for (const name of linearNames(config)) {
    results.set(name, memory.vector(weights.layers[0]!.linear.get(name)!.rows));
    low.set(name, memory.vector(MOST_RANK));
  }
  return {
    embedding: memory.vector(hiddenSize),
    ropes,
    results,
    low,
    parts: memory.vector(threads * heads * (headDim + 4)),
    activated: memory.vector(config.block.mlp.width),
    logits: memory.vector(vocabSize),
  };
}

/** The largest rank of an adapter there is room for. */
export const MOST_RANK = 1024;

function ownVectors(memory: SoloMemory, config: DecoderConfig, capacity: number): Own {
  const { hiddenSize, heads, kvHeads, headDim } = config;
  const widest = Math.max(hiddenSize, config.block.mlp.width, heads * headDim, MOST_RANK);
  return {
    x: memory.vector(hiddenSize),
    normed: memory.vector(hiddenSize),
    codes: memory.vector(widest),
    scales: memory.vector(widest),
    q: memory.vector(heads * headDim),
    k: memory.vector(kvHeads * headDim),
    attended: memory.vector(heads * headDim),
    scores: memory.vector((heads / kvHeads) * (capacity + 4)),
  };
}

/** The share of a thread in so many rows: whole fours, but for the end. */
function share(rows: number, thread: number, threads: number): [from: number, to: number] {
  const cut = (i: number): number => (i === threads ? rows : 4 * Math.round((rows * i) / threads / 4));
  return [cut(thread), cut(thread + 1)];
}

export interface SoloStep {
  config: DecoderConfig;
  weights: SoloWeights;
  vectors: SoloVectors;
  cache: SoloCache;
  adapter?: SoloAdapter;
}

/** Bytes of weights that are read in one go: between two parts of a step other work gets its turn. */
const PART_BYTES = 100e6;

/** Writes a thread's program, with room for what it works on. @returns the addresses of its parts, which go one by one. */
export function writeProgram(memory: SoloMemory, step: SoloStep, thread: number, threads: number): number[] {
  const parts = program(step, ownVectors(memory, step.config, step.cache.capacity), thread, threads);
  return parts.map((instructions) => {
    const count = instructions.length * INSTRUCTION_WORDS;
    const at = memory.take(4 * count);
    writeInstructions(instructions, memory.words(at, count), memory.floats(at, count));
    return at;
  });
}

/** The block's arithmetic is that of `decoderLayer` (model/decoder-layer.ts). */
function program(step: SoloStep, own: Own, thread: number, threads: number): Instruction[][] {
  const { config, weights, vectors, cache, adapter } = step;
  const { heads, kvHeads, headDim, hiddenSize } = config;
  const { norms, attention, mlp } = config.block;
  const parts: Instruction[][] = [[]];
  const add = (...instruction: Instruction): void => void parts.at(-1)!.push(instruction);
  let bytes = 0;
  const result = (name: LinearName): number => vectors.results.get(name)!;
  const normalise = ({ size, epsilon, kind }: NormSpec, x: number, weight: number, out: number): void =>
    add("normalise", x, weight, out, size, epsilon, kind === "layer" ? 1 : 0);
  const product = ({ codes, scales, blocks, block, rows }: SoloLinear, y: number, base: number): void => {
    const [from, to] = share(rows, thread, threads);
    if (to > from) add("product", codes, scales, own.codes, own.scales, y, base, blocks, block, from, to);
  };
  const round = (x: number, count: number): void => {
    const { blocks, block } = blocking(count);
    add("round", x, blocks, block, own.codes, own.scales);
  };

  add("copy", own.x, vectors.embedding, 4 * hiddenSize);
  for (const [index, layer] of weights.layers.entries()) {
    const vector = ({ weight }: NormSpec): number => (weight === undefined ? weights.ones : layer.vectors.get(weight)!);
    /** The normed stream, or the stream itself, as codes. */
    const readStream = (norm: NormSpec | undefined): void => {
      if (norm) normalise(norm, own.x, vector(norm), own.normed);
      round(norm ? own.normed : own.x, hiddenSize);
    };
    const addToStream = (norm: NormSpec | undefined, y: number): void => {
      if (norm) normalise(norm, y, vector(norm), own.normed);
      add("add", own.x, norm ? own.normed : y, hiddenSize);
    };
    /** This thread's rows of linear layers, adapters included, that read what is in the codes. */
    const linears = (group: readonly LinearName[]): void => {
      const factors = adapter?.layers[index];
      const adapted = group.filter((name) => factors?.has(name));
      for (const name of group) {
        const linear = layer.linear.get(name)!;
        product(linear, result(name), linear.bias);
      }
      for (const name of adapted) product(factors!.get(name)!.a, vectors.low.get(name)!, 0);
      if (adapted.length > 0) add("barrier");
      for (const name of adapted) {
        const { a, b } = factors!.get(name)!;
        round(vectors.low.get(name)!, a.rows);
        product(b, result(name), result(name));
      }
    };

    readStream(norms.beforeAttention);
    linears(attention.qkv);
    if (attention.clip !== undefined)
      for (const name of attention.qkv) {
        const [from, to] = share(layer.linear.get(name)!.rows, thread, threads);
        if (to > from) add("clip", result(name) + 4 * from, to - from, attention.clip);
      }
    add("barrier");
    // Every thread rotates all queries, which takes less than waiting for each other.
    const normaliseQk = (x: number, count: number, norm: NormSpec | undefined): void => {
      if (!norm) return;
      for (let at = 0; at < count * headDim; at += norm.size) normalise(norm, x + 4 * at, vector(norm), x + 4 * at);
    };
    const [queries, keysNow, valuesNow] = attention.qkv.map(result) as [number, number, number];
    const rope = vectors.ropes.get(config.rope[index]!)!;
    add("copy", own.q, queries, 4 * heads * headDim);
    normaliseQk(own.q, heads, attention.queryNorm);
    add("rotate", own.q, rope.queryCos, rope.querySin, heads, 2 * headDim);
    const headBytes = 4 * cache.capacity * headDim;
    const keys = cache.at + 2 * index * kvHeads * headBytes;
    const values = keys + kvHeads * headBytes;
    // The last part of the positions is this thread's, so no other reads the new one.
    if (thread === threads - 1) {
      add("copy", own.k, keysNow, 4 * kvHeads * headDim);
      normaliseQk(own.k, kvHeads, attention.keyNorm);
      add("rotate", own.k, rope.cos, rope.sin, kvHeads, 2 * headDim);
      add("append", own.k, keys, kvHeads, 4 * headDim, cache.capacity);
      add("append", valuesNow, values, kvHeads, 4 * headDim, cache.capacity);
    }
    const group = heads / kvHeads;
    const window = config.slidingWindow[index] ?? 0;
    const cap = config.attentionSoftCap ?? 0;
    const between = 4 * heads * (headDim + 4);
    for (let head = 0; head < kvHeads; head++) {
      const part = vectors.parts + thread * between + 4 * head * group * (headDim + 4);
      const q = own.q + 4 * head * group * headDim;
      const cached = head * headBytes;
      add("attend", q, keys + cached, values + cached, part, own.scores, group, 4 * headDim, window, cap, thread);
    }
    add("barrier");
    add("merge", vectors.parts, between, own.attended, heads, 4 * headDim, own.scores);
    round(own.attended, heads * headDim);
    linears([attention.output]);
    add("barrier");
    addToStream(norms.afterAttention, result(attention.output));

    readStream(norms.beforeMlp);
    linears(mlp.input);
    const [from, to] = share(mlp.width, thread, threads);
    const [gate, up] = mlp.input.map(result) as [number, number];
    const { activated } = vectors;
    const gelu = mlp.activation === "gelu-tanh" ? 1 : 0;
    if (to > from) add("activate", gate + 4 * from, up + 4 * from, activated + 4 * from, to - from, gelu);
    add("barrier");
    round(activated, mlp.width);
    linears([mlp.down]);
    add("barrier");
    addToStream(norms.afterMlp, result(mlp.down));
    for (const { rows, blocks, block } of layer.linear.values()) bytes += rows * blocks * block;
    if (bytes < PART_BYTES) continue;
    bytes = 0;
    add("end");
    parts.push([]);
  }
  normalise(config.finalNorm, own.x, weights.finalNorm, own.normed);
  round(own.normed, hiddenSize);
  product(weights.head, vectors.logits, 0);
  const [from, to] = share(config.vocabSize, thread, threads);
  if (config.finalSoftCap !== undefined && to > from)
    add("softCap", vectors.logits + 4 * from, to - from, config.finalSoftCap);
  add("end");
  return parts;
}
