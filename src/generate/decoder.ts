/** Runs decoding steps: compiled graphs per adapter shape, fed with views of the cache. */
import { type Adapter, type AdapterShape, shapeKey } from "../model/adapter.js";
import { linearShape } from "../model/decoder-layer.js";
import { scaledFactors } from "../model/dora.js";
import { embedTokens } from "../model/embedding.js";
import { inputName } from "../model/layer-graph.js";
import { RopeTableStore, type RopeTables } from "../model/rope.js";
import type { DecoderWeights } from "../model/weights.js";
import { type Device, type Executable, hostTensor, type Tensor, zeros } from "../runtime/device.js";
import { type DecodePrecision, decodeGraph, decodeName, type Segment, segments, stepBytes } from "./decode-graph.js";
import type { KvCache } from "./kv-cache.js";
import { rotatable, rotateFactors, rotateStream } from "./rotation.js";
import type { StepDecoder } from "./step-decoder.js";

/** Added to the scores of positions that may not be seen. */
const HIDDEN = -1e30;

interface CompiledSegment extends Segment {
  executable: Executable;
}

export interface DecoderOptions {
  /** Whether a step may add several tokens to one sequence; steps of one are a little slower then. */
  several?: boolean;
  /**
   * Whether the residual stream is held as `rotation.ts` describes. Default: where activations are rounded in blocks, if
   * the model allows it. (4-bit codes fit the grids of 4-bit checkpoints only where weights stay as they are.)
   */
  rotated?: boolean;
}

export class Decoder implements StepDecoder {
  private readonly several: boolean;
  private readonly rotated: boolean;
  private readonly compiled = new Map<string, Promise<CompiledSegment[]>>();
  private readonly factorFeeds = new WeakMap<Adapter, Record<string, Tensor>[]>();
  private readonly outputs = new Map<string, Tensor>();
  private readonly ropeTables = new RopeTableStore();
  private readonly placedRopes: { tables: RopeTables; feeds: Record<string, Tensor> }[] = [];

  constructor(
    readonly weights: DecoderWeights,
    readonly device: Device,
    readonly precision: DecodePrecision,
    options: DecoderOptions = {},
  ) {
    this.several = options.several ?? false;
    this.rotated = options.rotated ?? (precision === "int8" && rotatable(weights.config));
  }

  get weightBytes(): number {
    return stepBytes(this.weights.config, this.precision);
  }

  /** Compiles what steps with this adapter need; `step` does so by itself. */
  prepare(adapter?: AdapterShape): Promise<unknown> {
    return this.segmentsFor(adapter);
  }

  private segmentsFor(adapter: AdapterShape | undefined): Promise<CompiledSegment[]> {
    const key = adapter ? shapeKey(adapter) : "";
    let compiled = this.compiled.get(key);
    if (!compiled) {
      compiled = this.compile(adapter);
      this.compiled.set(key, compiled);
      // A graph that failed to compile is forgotten: the next step tries again.
      compiled.catch(() => this.compiled.delete(key));
    }
    return compiled;
  }

  private async compile(adapter: AdapterShape | undefined): Promise<CompiledSegment[]> {
    const result: CompiledSegment[] = [];
    const { several } = this;
    const rotated = this.rotates(adapter);
    try {
      for (const segment of segments(this.weights.config, this.precision)) {
        const graph = decodeGraph(this.weights, segment, this.precision, { several, rotated, adapter });
        result.push({ ...segment, executable: await this.device.compile(graph, { outputsOn: "host" }) });
      }
    } catch (error) {
      for (const { executable } of result) await executable.dispose();
      throw error;
    }
    return result;
  }

  /**
   * Adds tokens to the open slots of the cache.
   * @param tokens ids of one token per slot or, in a decoder for several, of successive ones for the only slot.
   * @returns logits [tokens, vocab], in memory that the next step overwrites.
   */
  async step(cache: KvCache, tokens: ArrayLike<number>, adapter?: Adapter): Promise<Float32Array> {
    const { config } = this.weights;
    const { slots } = cache;
    const rows = tokens.length;
    const own = rows / slots;
    if (own !== 1 && !(this.several && slots === 1)) throw new Error(`${rows} tokens for ${slots} slots`);
    const longest = Math.max(...cache.lengths) + own;
    cache.reserve(slots, longest);
    const compiled = await this.segmentsFor(adapter?.shape);
    const { kvHeads, headDim, hiddenSize, vocabSize } = config;
    const places = Array.from({ length: rows }, (_, row) => cache.lengths[Math.floor(row / own)]! + (row % own));
    const common = {
      positions: integers(places, [1, rows]),
      cachedAndOwn: integers([cache.capacity, own], [2]),
      ownShape: integers([slots, own, kvHeads, 1, headDim], [5]),
      ...this.ropeFeeds(longest),
      ...this.biasFeeds(cache, own),
    };
    let x: Tensor = hostTensor("float32", this.embed(tokens, places, this.rotates(adapter?.shape)), [rows, hiddenSize]);
    for (const { from, to, executable } of compiled) {
      const feeds: Record<string, Tensor> = { x };
      for (let layer = from; layer < to; layer++) {
        const { keys, values } = cache.views(layer);
        const dims = [slots, kvHeads, 1, cache.capacity, headDim];
        feeds[decodeName.keys(layer)] = hostTensor("float32", keys, dims);
        feeds[decodeName.values(layer)] = hostTensor("float32", values, dims);
        if (adapter) Object.assign(feeds, this.factors(adapter, layer));
      }
      for (const name of executable.inputNames) feeds[name] ??= common[name as keyof typeof common]!;
      const last = to === config.layers;
      const outputs = {
        k: this.output(`k${from}`, [to - from, rows, kvHeads * headDim]),
        v: this.output(`v${from}`, [to - from, rows, kvHeads * headDim]),
        ...(last
          ? { logits: this.output("logits", [rows, vocabSize]) }
          : { y: this.output(`y${from}`, [rows, hiddenSize]) }),
      };
      const result = await executable.run(feeds, outputs);
      cache.append(result.k!.data as Float32Array, result.v!.data as Float32Array, from, to - from, own);
      x = last ? result.logits! : result.y!;
    }
    cache.advance(own);
    return x.data as Float32Array;
  }

  /** Gains of single channels (DoRA) and a rotated basis do not go together. */
  private rotates(adapter: AdapterShape | undefined): boolean {
    return this.rotated && !adapter?.dora;
  }

  private embed(tokens: ArrayLike<number>, positions: ArrayLike<number>, rotated: boolean): Float32Array {
    const x = embedTokens(this.weights, tokens, positions);
    if (rotated) rotateStream(x);
    return x;
  }

  private ropeFeeds(positions: number): Record<string, Tensor> {
    const { rope, attentionScale } = this.weights.config;
    const feeds: Record<string, Tensor> = {};
    [...new Set(rope)].forEach((one, kind) => {
      const tables = this.ropeTables.for(one, Math.max(2048, positions));
      let placed = this.placedRopes[kind];
      if (placed?.tables !== tables) {
        const { cos, sin, dims } = tables;
        const names = decodeName.rope(kind);
        const tensor = (data: Float32Array): Tensor => hostTensor("float32", data, dims);
        placed = {
          tables,
          feeds: {
            [names.cos]: tensor(cos),
            [names.sin]: tensor(sin),
            [names.queryCos]: tensor(scaled(cos, attentionScale)),
            [names.querySin]: tensor(scaled(sin, attentionScale)),
          },
        };
        this.placedRopes[kind] = placed;
      }
      Object.assign(feeds, placed.feeds);
    });
    return feeds;
  }

  /** For each window size of the model, which cached positions and new tokens of its slot each new token sees. */
  private biasFeeds(cache: KvCache, own: number): Record<string, Tensor> {
    const { capacity, lengths, slots } = cache;
    const width = capacity + own;
    const feeds: Record<string, Tensor> = {};
    for (const window of new Set(this.weights.config.slidingWindow)) {
      const bias = new Float32Array(slots * own * width).fill(HIDDEN);
      lengths.forEach((length, slot) => {
        for (let i = 0; i < own; i++) {
          const row = (slot * own + i) * width;
          const first = window === undefined ? 0 : Math.max(0, length + i - window + 1);
          bias.fill(0, row + first, row + length);
          bias.fill(0, row + capacity + Math.max(0, first - length), row + capacity + i + 1);
        }
      });
      feeds[decodeName.bias(window)] = hostTensor("float32", bias, [slots * own, 1, 1, 1, width]);
    }
    return feeds;
  }

  private factors(adapter: Adapter, layer: number): Record<string, Tensor> {
    let all = this.factorFeeds.get(adapter);
    if (!all) {
      all = adapter.layers.map((_, index) => this.layerFactors(adapter, index));
      this.factorFeeds.set(adapter, all);
    }
    return all[layer]!;
  }

  private layerFactors(adapter: Adapter, layer: number): Record<string, Tensor> {
    const { config, layers } = this.weights;
    const stored = layers[layer]!;
    const feeds: Record<string, Tensor> = {};
    const feed = (key: string, data: Float32Array, dims: number[]): void =>
      void (feeds[decodeName.factor(layer, key)] = hostTensor("float32", data, dims));
    for (const name of adapter.layers[layer]!.keys()) {
      const [out, width] = linearShape(config, name);
      const { rank } = adapter.shape.layers[layer]!.get(name)!;
      const { factors, gain } = scaledFactors(stored.linear.get(name)!, [out, width], adapter, layer, name);
      const { a, b } = this.rotates(adapter.shape) ? rotateFactors(config, stored, name, factors) : factors;
      feed(inputName.loraA(name), a, [rank, width]);
      feed(inputName.loraB(name), b, [out, rank]);
      if (!gain) continue;
      feed(inputName.magnitude(name), gain, [out]);
      // The bias stays as it is: what the gain makes of it is put right.
      const bias = stored.biases.get(name);
      if (bias)
        feed(
          inputName.bias(name),
          bias.map((value, i) => (1 - gain[i]!) * value),
          [out],
        );
    }
    return feeds;
  }

  /** Host memory that is written anew in every step of this many tokens. */
  private output(name: string, dims: number[]): Tensor {
    const found = this.outputs.get(name);
    if (found?.dims.every((size, i) => size === dims[i])) return found;
    const tensor = zeros(dims);
    this.outputs.set(name, tensor);
    return tensor;
  }

  async dispose(): Promise<void> {
    for (const outcome of await Promise.allSettled(this.compiled.values()))
      if (outcome.status === "fulfilled") for (const { executable } of outcome.value) await executable.dispose();
    this.compiled.clear();
    this.outputs.clear();
  }
}

const integers = (values: readonly number[], dims: number[]): Tensor =>
  hostTensor("int64", BigInt64Array.from(values, BigInt), dims);

const scaled = (x: Float32Array, factor: number): Float32Array => x.map((value) => value * factor);
