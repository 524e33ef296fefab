/**
 * Forward passes over packed rows: hidden states, logits, and log-probabilities of chosen tokens. Passes may overlap: each
 * has its own activations, and takes turns with the others where they share buffers.
 */
import { Graph, ops } from "../graph/index.js";

import { type Device, type Executable, hostTensor, type Tensor, zeros } from "../runtime/device.js";
import { SessionCache } from "../runtime/session-cache.js";
import { type Adapter, type AdapterShape, graphKey } from "./adapter.js";
import { AdapterFeeds } from "./adapter-feeds.js";

import { normalise } from "./decoder-layer.js";
import { layerGraph } from "./layer-graph.js";
import { LayerParameters } from "./layer-parameters.js";
import { attentionFeeds, type PackedRow } from "./packed-row.js";
import { type Rope, RopeTableStore, type RopeTables } from "./rope.js";
import type { DecoderWeights } from "./weights.js";

/** Keys and values of one layer over a row: [tokens, kvHeads · headDim] each, keys rotated. */
export interface LayerKeysValues {
  k: Float32Array;
  v: Float32Array;
}

export interface ForwardOptions {
  adapter?: Adapter;
  /** Told the keys and values of each layer (for filling a cache). */
  onKeysValues?(layer: number, kv: LayerKeysValues): void;
  /** Ends the pass after the layer that is under way. */
  signal?: Pick<AbortSignal, "throwIfAborted">;
}

/** Largest logits block made at once, in numbers: 64 MB. */
const LOGITS_BLOCK = 16 << 20;
/** Compiled row lengths that are kept. */
const COMPILED_ROWS = 6;

export class PackedModel {
  readonly parameters: LayerParameters;
  private readonly layers = new SessionCache(COMPILED_ROWS);
  private readonly heads = new SessionCache(COMPILED_ROWS);
  private readonly feedsOf = new WeakMap<AdapterShape, AdapterFeeds>();
  private readonly ropeTables = new RopeTableStore();
  private readonly ropeFeeds = new Map<Rope, { tables: RopeTables; feeds: Record<string, Tensor> }>();

  constructor(
    readonly weights: DecoderWeights,
    readonly device: Device,
  ) {
    this.parameters = new LayerParameters(weights, device);
  }

  get config() {
    return this.weights.config;
  }

  /** Embeddings of a row, scaled as the model wants them: [tokens, hidden]. */
  embed(row: PackedRow): Float32Array {
    const { hiddenSize, embeddingScale } = this.config;
    const x = new Float32Array(row.tokens.length * hiddenSize);
    this.weights.embed(row.tokens, x);
    if (embeddingScale !== 1) for (let i = 0; i < x.length; i++) x[i]! *= embeddingScale;
    return x;
  }

  /** The feeds of a row besides weights: positions, rotary tables, and attention, by layer. */
  async rowFeeds(row: PackedRow): Promise<(layer: number) => Record<string, Tensor>> {
    const { rope, slidingWindow } = this.config;
    // ONNX Runtime asks for tables as long as the row, whatever the positions in it.
    const longest = row.positions.reduce((most, p) => Math.max(most, p + 1), row.tokens.length);
    for (const one of new Set(rope)) await this.placeRope(one, longest);
    const positions = hostTensor("int64", BigInt64Array.from(row.positions, BigInt), [1, row.positions.length]);
    const byWindow = new Map<number | undefined, Record<string, Tensor>>();
    return (layer) => {
      const window = slidingWindow[layer];
      let attention = byWindow.get(window);
      if (!attention) byWindow.set(window, (attention = attentionFeeds(row, window)));
      return { positions, ...this.ropeFeeds.get(rope[layer]!)!.feeds, ...attention };
    };
  }

  private async placeRope(rope: Rope, positions: number): Promise<void> {
    const tables = this.ropeTables.for(rope, positions);
    if (this.ropeFeeds.get(rope)?.tables === tables) return;
    const cos = await this.device.upload("float32", tables.cos, tables.dims);
    const sin = await this.device.upload("float32", tables.sin, tables.dims);
    this.ropeFeeds.set(rope, { tables, feeds: { cos, sin } });
  }

  private adapterFeeds({ shape }: Adapter): AdapterFeeds {
    let feeds = this.feedsOf.get(shape);
    if (!feeds) this.feedsOf.set(shape, (feeds = new AdapterFeeds(this.weights, shape)));
    return feeds;
  }

  /** The last layer's output [tokens, hidden], before the final norm. */
  async hidden(row: PackedRow, options: ForwardOptions = {}): Promise<Tensor> {
    const tokens = row.tokens.length;
    const { adapter, onKeysValues } = options;
    const adapterFeeds = adapter && this.adapterFeeds(adapter);
    const key = `${tokens} ${adapterFeeds ? graphKey(adapterFeeds.graph) : ""} ${onKeysValues ? "kv" : ""}`;
    const compile = (): Promise<Executable> => {
      const built = layerGraph(this.config, tokens, { adapter: adapterFeeds?.graph });
      built.graph.output("y", built.y);
      if (onKeysValues) {
        built.graph.output("k", built.graph.kept.get("k")!);
        built.graph.output("v", built.graph.kept.get("v")!);
      }
      return this.device.compile(built.graph);
    };
    return this.layers.use(key, compile, (executable) => this.runLayers(executable, row, options));
  }

  private async runLayers(executable: Executable, row: PackedRow, options: ForwardOptions): Promise<Tensor> {
    const { hiddenSize, layers } = this.config;
    const { adapter, onKeysValues, signal } = options;
    const tokens = row.tokens.length;
    const rowFeeds = await this.rowFeeds(row);
    let x = await this.device.upload("float32", this.embed(row), [tokens, hiddenSize]);
    const buffers = this.device.name === "cpu" ? this.outputBuffers(tokens, onKeysValues !== undefined) : undefined;
    for (let layer = 0; layer < layers; layer++) {
      signal?.throwIfAborted();
      const factors = adapter && this.adapterFeeds(adapter).of(adapter, layer);
      const result = await this.parameters.lend(layer, (feeds) =>
        executable.run({ x, ...rowFeeds(layer), ...feeds, ...factors }, buffers?.[layer % 2]),
      );
      x = result.y!;
      if (onKeysValues) {
        const k = (await this.device.download(result.k!)) as Float32Array;
        const v = (await this.device.download(result.v!)) as Float32Array;
        onKeysValues(layer, { k, v });
      }
    }
    return x;
  }

  /** Memory for the results of the layers with even numbers and of those with odd ones. Rotated keys have a leading 1. */
  private outputBuffers(tokens: number, keysValues: boolean): Record<string, Tensor>[] {
    const { hiddenSize, kvHeads, headDim } = this.config;
    const kv = keysValues
      ? { k: zeros([1, tokens, kvHeads * headDim]), v: zeros([tokens, kvHeads * headDim]) }
      : undefined;
    return [0, 1].map(() => ({ y: zeros([tokens, hiddenSize]), ...kv }));
  }

  /** Logits [positions.length, vocab] of chosen positions of a row. */
  async logits(hidden: Tensor, positions: ArrayLike<number>): Promise<Float32Array> {
    const { vocabSize } = this.config;
    const out = new Float32Array(positions.length * vocabSize);
    await this.eachHeadBlock(hidden, positions, "logits", async (at, count, run) => {
      const { logits } = await run({});
      out.set((logits!.data as Float32Array).subarray(0, count * vocabSize), at * vocabSize);
    });
    return out;
  }

  /**
   * For each chosen position, the log-probability of its target token, and whether no token is more likely.
   */
  async logProbabilities(
    hidden: Tensor,
    positions: ArrayLike<number>,
    targets: ArrayLike<number>,
  ): Promise<{ logprobs: Float32Array; greedy: Uint8Array }> {
    const logprobs = new Float32Array(positions.length);
    const greedy = new Uint8Array(positions.length);
    await this.eachHeadBlock(hidden, positions, "logprobs", async (at, count, run, size) => {
      const wanted = new BigInt64Array(size);
      for (let i = 0; i < count; i++) wanted[i] = BigInt(targets[at + i]!);
      const { logprob, below } = await run({ targets: hostTensor("int64", wanted, [size, 1]) });
      for (let i = 0; i < count; i++) {
        logprobs[at + i] = (logprob!.data as Float32Array)[i]!;
        greedy[at + i] = Number((below!.data as Float32Array)[i] === 0);
      }
    });
    return { logprobs, greedy };
  }

  private async eachHeadBlock(
    hidden: Tensor,
    positions: ArrayLike<number>,
    kind: "logits" | "logprobs",
    use: (
      at: number,
      count: number,
      run: (more: Record<string, Tensor>) => Promise<Record<string, Tensor>>,
      size: number,
    ) => Promise<void>,
  ): Promise<void> {
    const { vocabSize, hiddenSize } = this.config;
    const most = Math.max(1, Math.min(256, Math.floor(LOGITS_BLOCK / vocabSize)));
    const states = (await this.device.download(hidden)) as Float32Array;
    const fixed = await this.headFeeds();
    for (let at = 0; at < positions.length; at += most) {
      const count = Math.min(most, positions.length - at);
      const size = Math.min(most, 2 ** Math.ceil(Math.log2(count)));
      const x = new Float32Array(size * hiddenSize);
      for (let i = 0; i < count; i++) {
        const row = positions[at + i]! * hiddenSize;
        x.set(states.subarray(row, row + hiddenSize), i * hiddenSize);
      }
      const feeds = { ...fixed, x: hostTensor("float32", x, [size, hiddenSize]) };
      await this.heads.use(
        `${kind} ${size}`,
        () => this.compileHead(kind, size),
        (executable) => use(at, count, (more) => executable.run({ ...feeds, ...more }), size),
      );
    }
  }

  private compileHead(kind: "logits" | "logprobs", rows: number): Promise<Executable> {
    const graph = new Graph();
    const logits = headLogits(graph, this.weights, rows).logits;
    if (kind === "logits") graph.output("logits", logits);
    else {
      const targets = graph.input("targets", "int64", [rows, 1]);
      const top = ops.reduceMax(logits, [-1], true);
      const shifted = ops.sub(logits, top);
      const total = ops.log(ops.sumLast(ops.exp(shifted)));
      const below = ops.pick(shifted, targets);
      graph.output("logprob", ops.sub(below, total));
      graph.output("below", below);
    }
    return this.device.compile(graph, { outputsOn: "host" });
  }

  private fixedHeadFeeds?: Record<string, Tensor>;

  /** The output projection and the final norm as feeds. */
  async headFeeds(): Promise<Record<string, Tensor>> {
    if (!this.fixedHeadFeeds) {
      const { vocabSize, hiddenSize } = this.config;
      const { head, finalNorm } = this.weights;
      this.fixedHeadFeeds = { head: await this.device.upload("float32", head, [vocabSize, hiddenSize]) };
      if (finalNorm) this.fixedHeadFeeds.norm = await this.device.upload("float32", finalNorm, [hiddenSize]);
    }
    return this.fixedHeadFeeds;
  }

  async dispose(): Promise<void> {
    await this.layers.dispose();
    await this.heads.dispose();
  }
}

/** Final norm, output projection and soft cap for `rows` hidden states. Inputs: x, head, norm. */
export function headLogits(graph: Graph, weights: Pick<DecoderWeights, "config" | "finalNorm">, rows: number) {
  const { config } = weights;
  const x = graph.input("x", "float32", [rows, config.hiddenSize]);
  const head = graph.input("head", "float32", [config.vocabSize, config.hiddenSize]);
  const norm = weights.finalNorm ? graph.input("norm", "float32", [config.hiddenSize]) : undefined;
  const product = ops.gemm(normalise(config, x, norm), head, { transB: true });
  const logits = config.finalSoftCap === undefined ? product : ops.softCap(product, config.finalSoftCap);
  return { x, head, norm, logits };
}
