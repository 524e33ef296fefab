/**
 * Writes one sequence as fast as can be: the decoding step without a graph. A graph of one token is some 700 operations,
 * most of them tiny, and a third of its time goes by beside the products; here the step is one pass of a few threads over
 * the weights, limited by how fast they come from memory (WebAssembly SIMD, solo.wat). Weights have 8 bits with a scale for
 * up to 192, activations 16 bits, so that rounding those costs nothing; the cache stays float32.
 */
import { setImmediate } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { FailureError } from "../../errors.js";
import { type Adapter, largestRank } from "../../model/adapter.js";
import { blockNorms } from "../../model/block-spec.js";
import type { DecoderConfig } from "../../model/decoder-config.js";
import { linearWeights } from "../../model/decoder-layer.js";
import { embedTokens } from "../../model/embedding.js";
import { RopeTableStore } from "../../model/rope.js";
import type { DecoderWeights } from "../../model/weights.js";
import type { KvCache } from "../kv-cache.js";
import type { StepDecoder } from "../step-decoder.js";
import {
  cacheBytes,
  MOST_RANK,
  type SoloAdapter,
  type SoloCache,
  type SoloVectors,
  type SoloWeights,
  sharedVectors,
} from "./solo-layout.js";
import { freeUnused, MOST_BYTES, MOST_THREADS, SoloMemory, STATE } from "./solo-memory.js";
import { writeProgram } from "./solo-program.js";
import { startWorkers } from "./solo-threads.js";
import { SOLO_WASM } from "./solo-wasm.js";
import { placeAdapter, placeWeights } from "./solo-weights.js";

/** Positions there is room for at first. */
const FIRST_CAPACITY = 512;
/** Positions that must have room beside the weights. */
const LEAST_CAPACITY = 2048;
/** Bytes of codes and scales for a weight. */
const BYTES_PER_WEIGHT = 1 + 4 / 128;

/** Whether a model's steps can be taken here: blocks like Llama's, in any of their variants, that fit the memory. */
export function soloFits(config: DecoderConfig): boolean {
  const { hiddenSize, headDim, layers, vocabSize } = config;
  const bytes = (linearWeights(config) * layers + vocabSize * hiddenSize) * BYTES_PER_WEIGHT;
  // Attention takes eight numbers of a head at a time, or four and then eight.
  const heads = headDim % 4 === 0 && headDim > 4;
  return isKnownBlock(config) && heads && bytes + cacheBytes(config, LEAST_CAPACITY) < 0.95 * MOST_BYTES;
}

/** Whether the programs have an instruction for everything in a block. */
function isKnownBlock({ block, finalNorm, headDim, rope, logitScale }: DecoderConfig): boolean {
  const { attention, mlp, residual, residualScale } = block;
  return (
    attention.qkv.length === 3 &&
    mlp.gated &&
    mlp.input.length === 2 &&
    mlp.activation !== "gelu" &&
    residual === "sequential" &&
    residualScale === 1 &&
    logitScale === 1 &&
    rope.every(({ dims }) => dims === headDim) &&
    [...blockNorms(block), finalNorm].every(({ bias }) => bias === undefined)
  );
}

/** The threads at work, and where things lie in their memory. */
interface Opened {
  memory: SoloMemory;
  step: () => void;
  workers: Worker[];
  weights: SoloWeights;
  vectors: SoloVectors;
  adapters: Map<Adapter, SoloAdapter>;
  /** Where adapters begin, and where programs and cache do, behind them. */
  weightsEnd: number;
  end: number;
  /** The programs, by part and thread, and what they were written for. */
  written?: { adapter?: Adapter; cache: SoloCache; parts: number[][] };
  /** What there was no memory for: not tried again at every token. */
  refused?: { adapter?: Adapter; positions: number };
  /** What the cache here is a copy of. */
  copied?: { cache: KvCache; contents: number };
}

export class SoloDecoder implements StepDecoder {
  private opening?: Promise<Opened | undefined>;
  private readonly threads: number;
  private readonly ropeTables = new RopeTableStore();

  /**
   * @param threads share the work; of more than MOST_THREADS only so many.
   * @param others takes the steps of several sequences or tokens, and all steps where there is no memory for these.
   */
  constructor(
    readonly weights: DecoderWeights,
    threads: number,
    private readonly others: StepDecoder,
  ) {
    this.threads = Math.min(threads, MOST_THREADS);
  }

  get weightBytes(): number {
    return this.others.weightBytes;
  }

  async step(cache: KvCache, tokens: ArrayLike<number>, adapter?: Adapter): Promise<Float32Array> {
    // Nothing below waits for anything: timers, signals and streams get their turn here.
    await setImmediate();
    const fits = adapter === undefined || (!adapter.shape.dora && largestRank(adapter.shape) <= MOST_RANK);
    const alone = cache.slots === 1 && tokens.length === 1 && fits;
    this.opening ??= this.open();
    const opened = alone ? await this.opening : undefined;
    const written = opened && this.makeRoom(opened, cache, adapter);
    if (!written) return this.others.step(cache, tokens, adapter);
    const { memory, vectors } = opened;
    const { config } = this.weights;
    const { hiddenSize, vocabSize } = config;
    embedTokens(this.weights, tokens, cache.lengths, memory.floats(vectors.embedding, hiddenSize));
    this.placeRope(opened, cache.lengths[0]!);
    memory.words(0, STATE.programs)[STATE.cached] = cache.lengths[0]!;
    try {
      for (const [i, part] of written.parts.entries()) {
        if (i > 0) await setImmediate();
        memory.words(4 * STATE.programs, this.threads).set(part);
        opened.step();
      }
    } catch (error) {
      // A thread is gone. What is cached is the others' as well, so they can take this step and all that follow.
      if ((error as Error).name !== "RuntimeError") throw error;
      this.opening = Promise.resolve(undefined);
      void stopWorkers(opened);
      return this.others.step(cache, tokens, adapter);
    }
    this.takeNew(opened, written.cache, cache);
    return memory.floats(vectors.logits, vocabSize);
  }

  private async open(): Promise<Opened | undefined> {
    try {
      const memory = new SoloMemory();
      const weights = placeWeights(memory, this.weights);
      const vectors = sharedVectors(memory, this.weights.config, weights, this.threads);
      const module = new WebAssembly.Module(Buffer.from(SOLO_WASM, "base64"));
      const { step } = new WebAssembly.Instance(module, { evoke: { memory: memory.memory } }).exports;
      memory.words(0, STATE.programs)[STATE.threads] = this.threads;
      const workers = await startWorkers(module, memory, this.threads - 1);
      const { end } = memory;
      const adapters = new Map<Adapter, SoloAdapter>();
      return { memory, step: step as () => void, workers, weights, vectors, adapters, weightsEnd: end, end };
    } catch (error) {
      if (error instanceof RangeError || error instanceof FailureError) return undefined;
      throw error;
    }
  }

  /** Programs for the adapter and a cache that has room for a position more and holds what `cache` does. */
  private makeRoom(opened: Opened, cache: KvCache, adapter?: Adapter): Opened["written"] {
    const { memory, copied, refused } = opened;
    const needed = cache.lengths[0]! + 1;
    cache.reserve(1, needed);
    let { written } = opened;
    if (!written || written.adapter !== adapter || written.cache.capacity < needed) {
      if (refused && refused.adapter === adapter && refused.positions <= needed) return undefined;
      written = this.write(opened, needed, adapter);
      if (!written) {
        opened.refused = { adapter, positions: needed };
        return undefined;
      }
      opened.written = written;
      opened.copied = undefined;
    }
    if (opened.copied === undefined || copied?.cache !== cache || copied.contents !== cache.contents) {
      this.copyCache(memory, written.cache, cache);
      opened.copied = { cache, contents: cache.contents };
    }
    return written;
  }

  /** Writes programs; where memory ends, once more without the other adapters, and then none. */
  private write(opened: Opened, positions: number, adapter?: Adapter): Opened["written"] {
    const { memory, adapters } = opened;
    for (let others = adapters.size > (adapter && adapters.has(adapter) ? 1 : 0); ; others = false) {
      memory.release(opened.end);
      opened.written = undefined;
      try {
        return this.tryWrite(opened, positions, adapter);
      } catch (error) {
        if (!(error instanceof FailureError)) throw error;
        adapters.clear();
        opened.end = opened.weightsEnd;
        memory.release(opened.end);
        if (!others) return undefined;
      }
    }
  }

  private tryWrite(opened: Opened, positions: number, adapter?: Adapter): NonNullable<Opened["written"]> {
    const { memory, adapters, weights, vectors } = opened;
    const { config } = this.weights;
    let factors = adapter && adapters.get(adapter);
    if (adapter && !factors) {
      factors = placeAdapter(memory, config, adapter);
      adapters.set(adapter, factors);
      opened.end = memory.end;
    }
    // Half as many again as are needed, so that growth is rare.
    const capacity = Math.max(FIRST_CAPACITY, 256 * Math.ceil((1.5 * positions) / 256));
    const cache = { at: memory.take(cacheBytes(config, capacity + 4)), capacity };
    const step = { config, weights, vectors, cache, adapter: factors };
    const byThread = Array.from({ length: this.threads }, (_, thread) =>
      writeProgram(memory, step, thread, this.threads),
    );
    const parts = byThread[0]!.map((_, part) => byThread.map((addresses) => addresses[part]!));
    return { adapter, cache, parts };
  }

  private copyCache(memory: SoloMemory, to: SoloCache, cache: KvCache): void {
    const { layers, kvHeads, headDim } = this.weights.config;
    const target = memory.floats(to.at, cacheBytes(this.weights.config, to.capacity) / 4);
    let at = 0;
    for (let layer = 0; layer < layers; layer++)
      for (const source of [cache.keys[layer]!, cache.values[layer]!])
        for (let head = 0; head < kvHeads; head++, at += to.capacity * headDim) {
          const from = head * cache.capacity * headDim;
          target.set(source.subarray(from, from + cache.lengths[0]! * headDim), at);
        }
  }

  /** Hands the new position's keys and values on to `cache`. */
  private takeNew({ memory }: Opened, from: SoloCache, cache: KvCache): void {
    const { layers, kvHeads, headDim } = this.weights.config;
    const source = memory.floats(from.at, cacheBytes(this.weights.config, from.capacity) / 4);
    const width = kvHeads * headDim;
    const [keys, values] = [new Float32Array(layers * width), new Float32Array(layers * width)];
    let at = cache.lengths[0]! * headDim;
    for (let layer = 0; layer < layers; layer++)
      for (const target of [keys, values])
        for (let head = 0; head < kvHeads; head++, at += from.capacity * headDim)
          target.set(source.subarray(at, at + headDim), layer * width + head * headDim);
    cache.append(keys, values, 0, layers);
    cache.advance();
  }

  private placeRope({ memory, vectors }: Opened, position: number): void {
    const { rope, attentionScale } = this.weights.config;
    for (const one of new Set(rope)) {
      const tables = this.ropeTables.for(one, Math.max(2048, position + 1));
      const to = vectors.ropes.get(one)!;
      const half = one.dims / 2;
      for (const name of ["cos", "sin"] as const) {
        const row = tables[name].subarray(position * half, (position + 1) * half);
        memory.floats(to[name], half).set(row);
        const scaled = memory.floats(name === "cos" ? to.queryCos : to.querySin, half);
        for (let i = 0; i < half; i++) scaled[i] = row[i]! * attentionScale;
      }
    }
  }

  async dispose(): Promise<void> {
    if (this.opening) {
      await this.opening.then((opened) => opened && stopWorkers(opened));
      this.opening = Promise.resolve(undefined);
      await freeUnused();
    }
    await this.others.dispose();
  }
}

async function stopWorkers({ memory, workers }: Opened): Promise<void> {
  const state = memory.words(0, STATE.programs);
  state[STATE.stop] = 1;
  Atomics.add(state, STATE.step, 1);
  Atomics.notify(state, STATE.step);
  await Promise.all(workers.map((worker) => worker.terminate()));
}
