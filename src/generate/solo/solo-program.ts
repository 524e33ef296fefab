/** Writes the programs that solo.wat carries out: one decoding step of a model, cut in equal parts for the threads. */
import type { LinearName, NormSpec } from "../../model/block-spec.js";
import type { DecoderConfig } from "../../model/decoder-config.js";
import { INSTRUCTION_WORDS, type Instruction, writeInstructions } from "./operations.js";
import {
  type OwnVectors,
  ownVectors,
  type SoloAdapter,
  type SoloCache,
  type SoloVectors,
  type SoloWeights,
} from "./solo-layout.js";
import { blocking, type SoloLinear, type SoloMemory } from "./solo-memory.js";

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
  const own = ownVectors(memory, step.config, step.cache.capacity);
  const parts = new ProgramWriter(step, own, thread, threads).write();
  return parts.map((instructions) => {
    const count = instructions.length * INSTRUCTION_WORDS;
    const at = memory.take(4 * count);
    writeInstructions(instructions, memory.words(at, count), memory.floats(at, count));
    return at;
  });
}

/** Writes what one thread does in a step. The block's arithmetic is that of `decoderLayer` (model/decoder-layer.ts). */
class ProgramWriter {
  private readonly parts: Instruction[][] = [[]];

  constructor(
    private readonly step: SoloStep,
    private readonly own: OwnVectors,
    private readonly thread: number,
    private readonly threads: number,
  ) {}

  write(): Instruction[][] {
    const { config, weights, vectors } = this.step;
    const { own } = this;
    this.add("copy", own.x, vectors.embedding, 4 * config.hiddenSize);
    let bytes = 0;
    for (const [index, layer] of weights.layers.entries()) {
      this.attention(index);
      this.mlp(index);
      for (const { rows, blocks, block } of layer.linear.values()) bytes += rows * blocks * block;
      if (bytes < PART_BYTES) continue;
      bytes = 0;
      this.add("end");
      this.parts.push([]);
    }
    this.normalise(config.finalNorm, own.x, weights.finalNorm, own.normed);
    this.round(own.normed, config.hiddenSize);
    this.product(weights.head, vectors.logits, 0);
    const [from, to] = this.share(config.vocabSize);
    if (config.finalSoftCap !== undefined && to > from)
      this.add("softCap", vectors.logits + 4 * from, to - from, config.finalSoftCap);
    this.add("end");
    return this.parts;
  }

  private attention(index: number): void {
    const { config, vectors, cache } = this.step;
    const { own, thread } = this;
    const { heads, kvHeads, headDim } = config;
    const { norms, attention } = config.block;
    const { linear } = this.layer(index);
    this.readStream(index, norms.beforeAttention);
    this.linears(index, attention.qkv);
    if (attention.clip !== undefined)
      for (const name of attention.qkv) {
        const [from, to] = this.share(linear.get(name)!.rows);
        if (to > from) this.add("clip", this.result(name) + 4 * from, to - from, attention.clip);
      }
    this.add("barrier");
    // Every thread rotates all queries, which takes less than waiting for each other.
    const [queries, keysNow, valuesNow] = attention.qkv.map((name) => this.result(name)) as [number, number, number];
    const rope = vectors.ropes.get(config.rope[index]!)!;
    this.add("copy", own.q, queries, 4 * heads * headDim);
    this.normaliseHeads(index, own.q, heads, attention.queryNorm);
    this.add("rotate", own.q, rope.queryCos, rope.querySin, heads, 2 * headDim);
    const headBytes = 4 * cache.capacity * headDim;
    const keys = cache.at + 2 * index * kvHeads * headBytes;
    const values = keys + kvHeads * headBytes;
    // The last part of the positions is this thread's, so no other reads the new one.
    if (thread === this.threads - 1) {
      this.add("copy", own.k, keysNow, 4 * kvHeads * headDim);
      this.normaliseHeads(index, own.k, kvHeads, attention.keyNorm);
      this.add("rotate", own.k, rope.cos, rope.sin, kvHeads, 2 * headDim);
      this.add("append", own.k, keys, kvHeads, 4 * headDim, cache.capacity);
      this.add("append", valuesNow, values, kvHeads, 4 * headDim, cache.capacity);
    }
    this.attend(index, keys, values);
    this.round(own.attended, heads * headDim);
    this.linears(index, [attention.output]);
    this.add("barrier");
    this.addToStream(index, norms.afterAttention, this.result(attention.output));
  }

  /** Each thread over its part of the positions; then all parts together. */
  private attend(index: number, keys: number, values: number): void {
    const { config, vectors, cache } = this.step;
    const { own, thread } = this;
    const { heads, kvHeads, headDim } = config;
    const group = heads / kvHeads;
    const window = config.slidingWindow[index] ?? 0;
    const cap = config.attentionSoftCap ?? 0;
    const between = 4 * heads * (headDim + 4);
    for (let head = 0; head < kvHeads; head++) {
      const part = vectors.parts + thread * between + 4 * head * group * (headDim + 4);
      const q = own.q + 4 * head * group * headDim;
      const cached = 4 * head * cache.capacity * headDim;
      this.add("attend", q, keys + cached, values + cached, part, own.scores, group, 4 * headDim, window, cap, thread);
    }
    this.add("barrier");
    this.add("merge", vectors.parts, between, own.attended, heads, 4 * headDim, own.scores);
  }

  private mlp(index: number): void {
    const { config, vectors } = this.step;
    const { norms, mlp } = config.block;
    this.readStream(index, norms.beforeMlp);
    this.linears(index, mlp.input);
    const [from, to] = this.share(mlp.width);
    const [gate, up] = mlp.input.map((name) => this.result(name)) as [number, number];
    const { activated } = vectors;
    const gelu = mlp.activation === "gelu-tanh" ? 1 : 0;
    if (to > from) this.add("activate", gate + 4 * from, up + 4 * from, activated + 4 * from, to - from, gelu);
    this.add("barrier");
    this.round(activated, mlp.width);
    this.linears(index, [mlp.down]);
    this.add("barrier");
    this.addToStream(index, norms.afterMlp, this.result(mlp.down));
  }

  /** The normed stream, or the stream itself, as codes. */
  private readStream(index: number, norm: NormSpec | undefined): void {
    const { own } = this;
    if (norm) this.normalise(norm, own.x, this.vector(index, norm), own.normed);
    this.round(norm ? own.normed : own.x, this.step.config.hiddenSize);
  }

  private addToStream(index: number, norm: NormSpec | undefined, y: number): void {
    const { own } = this;
    if (norm) this.normalise(norm, y, this.vector(index, norm), own.normed);
    this.add("add", own.x, norm ? own.normed : y, this.step.config.hiddenSize);
  }

  /** This thread's rows of linear layers, adapters included, that read what is in the codes. */
  private linears(index: number, group: readonly LinearName[]): void {
    const { adapter, vectors } = this.step;
    const factors = adapter?.layers[index];
    const adapted = group.filter((name) => factors?.has(name));
    for (const name of group) {
      const linear = this.layer(index).linear.get(name)!;
      this.product(linear, this.result(name), linear.bias);
    }
    for (const name of adapted) this.product(factors!.get(name)!.a, vectors.low.get(name)!, 0);
    if (adapted.length > 0) this.add("barrier");
    for (const name of adapted) {
      const { a, b } = factors!.get(name)!;
      this.round(vectors.low.get(name)!, a.rows);
      this.product(b, this.result(name), this.result(name));
    }
  }

  private product({ codes, scales, blocks, block, rows }: SoloLinear, y: number, base: number): void {
    const [from, to] = this.share(rows);
    const { own } = this;
    if (to > from) this.add("product", codes, scales, own.codes, own.scales, y, base, blocks, block, from, to);
  }

  private round(x: number, count: number): void {
    const { blocks, block } = blocking(count);
    this.add("round", x, blocks, block, this.own.codes, this.own.scales);
  }

  private normalise({ size, epsilon, kind }: NormSpec, x: number, weight: number, out: number): void {
    this.add("normalise", x, weight, out, size, epsilon, kind === "layer" ? 1 : 0);
  }

  private normaliseHeads(index: number, x: number, count: number, norm: NormSpec | undefined): void {
    if (!norm) return;
    const weight = this.vector(index, norm);
    for (let at = 0; at < count * this.step.config.headDim; at += norm.size)
      this.normalise(norm, x + 4 * at, weight, x + 4 * at);
  }

  private vector(index: number, { weight }: NormSpec): number {
    return weight === undefined ? this.step.weights.ones : this.layer(index).vectors.get(weight)!;
  }

  private layer(index: number): SoloWeights["layers"][number] {
    return this.step.weights.layers[index]!;
  }

  private result(name: LinearName): number {
    return this.step.vectors.results.get(name)!;
  }

  private share(rows: number): [from: number, to: number] {
    return share(rows, this.thread, this.threads);
  }

  private add(...instruction: Instruction): void {
    this.parts.at(-1)!.push(instruction);
  }
}
