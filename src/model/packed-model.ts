/**
 * Forward passes over packed rows: hidden states, logits, and log-probabilities of chosen tokens. Passes may overlap: each
 * has its own activations, and takes turns with the others where they share buffers.
 */
import { Graph, ops, type Value } from "../graph/index.js";
import {
  type Device,
  type Executable,
  hostTensor,
  SessionCache,
  type Tensor,
  TensorPool,
  TensorScope,
} from "../runtime/device.js";
import type { Adapter, AdapterShape } from "./adapter.js";
import { AdapterFeeds } from "./adapter-feeds.js";
import { BlockForward } from "./block-forward.js";
import type { DecoderConfig } from "./decoder-config.js";
import { normalise } from "./decoder-layer.js";
import { type EmbeddingTables, embedRow, embedTokens } from "./embedding.js";
import { LayerParameters } from "./layer-parameters.js";
import type { PackedRow } from "./packed-row.js";
import { type Past, pastFeeds } from "./past.js";
import { type Rope, RopeTableStore, type RopeTables } from "./rope.js";
import { RowBias } from "./row-bias.js";
import { RowInputs } from "./row-inputs.js";
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
  /** A text that the row's only document goes on from; its positions begin behind it. */
  past?: Past;
  /** Ends the pass after the layer that is under way. */
  signal?: Pick<AbortSignal, "throwIfAborted">;
}

/** Largest logits block made at once, in numbers: 64 MB. */
const LOGITS_BLOCK = 16 << 20;
/** Compiled sizes of a block of logits that are kept. */
const COMPILED_HEADS = 6;

export class PackedModel {
  readonly parameters: LayerParameters;
  /** Tensors that stay as long as the model. */
  private readonly scope: TensorScope;
  private readonly blocks: BlockForward;
  private readonly heads: SessionCache;
  private readonly feedsOf = new WeakMap<AdapterShape, AdapterFeeds>();
  private readonly ropeTables = new RopeTableStore();
  private readonly ropeFeeds = new Map<Rope, { tables: RopeTables; feeds: Record<string, Tensor> }>();

  constructor(
    readonly weights: DecoderWeights,
    readonly device: Device,
  ) {
    this.scope = new TensorScope(device);
    this.parameters = new LayerParameters(weights, this.scope);
    this.blocks = new BlockForward(weights.config, device);
    this.heads = new SessionCache(device, COMPILED_HEADS);
  }

  get config() {
    return this.weights.config;
  }

  /** Embeddings of a row, scaled as the model wants them: [tokens, hidden], which the scope owns. */
  embed(scope: TensorScope, row: PackedRow): Promise<Tensor> {
    const onHost = (): Float32Array => embedTokens(this.weights, row.tokens, row.positions);
    return embedRow(scope, this.config, row, onHost, () => this.embeddingTables());
  }

  private tables?: Promise<EmbeddingTables>;

  /** The tables on the device: the head's where the two are tied. */
  private embeddingTables(): Promise<EmbeddingTables> {
    this.tables ??= (async () => {
      const { vocabSize, hiddenSize, maxPositions, tiedEmbeddings } = this.config;
      const { positions, embed } = this.weights;
      const whole = async (): Promise<Tensor> => {
        const table = new Float32Array(vocabSize * hiddenSize);
        embed(
          Int32Array.from({ length: vocabSize }, (_, i) => i),
          table,
        );
        return this.scope.upload("float32", table, [vocabSize, hiddenSize]);
      };
      return {
        table: tiedEmbeddings ? (await this.headFeeds()).head! : await whole(),
        ...(positions && { learned: await this.scope.upload("float32", positions, [maxPositions, hiddenSize]) }),
      };
    })();
    return this.tables;
  }

  /**
   * What the layers' graphs are fed with for a row, besides weights and hidden states.
   * @param scope owner of what belongs to the row.
   */
  async rowInputs(scope: TensorScope, row: PackedRow, past?: Past): Promise<RowInputs> {
    const { rope, slidingWindow } = this.config;
    // ONNX Runtime asks for tables as long as the row, whatever the positions in it.
    const longest = row.positions.reduce((most, p) => Math.max(most, p + 1), row.tokens.length);
    for (const one of new Set(rope)) await this.placeRope(one, longest);
    const places = BigInt64Array.from(row.positions, BigInt);
    const positions = await scope.upload("int64", places, [1, places.length]);
    const rotary = (layer: number) => ({ positions, ...this.ropeFeeds.get(rope[layer]!)!.feeds });
    const before = past && pastFeeds(this.config, past, row.tokens.length, slidingWindow);
    return new RowInputs(new RowBias(row, scope), slidingWindow, rotary, before);
  }

  private async placeRope(rope: Rope, positions: number): Promise<void> {
    const tables = this.ropeTables.for(rope, positions);
    // Shorter tables are left to the scope, as passes that are under way may read them.
    if (this.ropeFeeds.get(rope)?.tables === tables) return;
    const cos = await this.scope.upload("float32", tables.cos, tables.dims);
    const sin = await this.scope.upload("float32", tables.sin, tables.dims);
    this.ropeFeeds.set(rope, { tables, feeds: { cos, sin } });
  }

  private adapterFeeds({ shape }: Adapter): AdapterFeeds {
    let feeds = this.feedsOf.get(shape);
    if (!feeds) this.feedsOf.set(shape, (feeds = new AdapterFeeds(this.weights, shape, this.scope)));
    return feeds;
  }

  /** The last layer's output [tokens, hidden] in host memory, before the final norm. */
  async hidden(row: PackedRow, options: ForwardOptions = {}): Promise<Tensor> {
    const { hiddenSize, layers } = this.config;
    const dims = [row.tokens.length, hiddenSize];
    const { adapter, onKeysValues, signal } = options;
    const factors = adapter && this.adapterFeeds(adapter);
    const wanted = { adapter: factors?.graph, keysValues: onKeysValues !== undefined };
    const scope = new TensorScope(this.device, new TensorPool(this.device));
    try {
      const inputs = await this.rowInputs(scope, row, options.past);
      let x = await this.embed(scope, row);
      for (let layer = 0; layer < layers; layer++) {
        signal?.throwIfAborted();
        const own = adapter && (await factors?.of(adapter, layer));
        const { y, k, v } = await this.parameters.lend(layer, (feeds) =>
          this.blocks.run(scope, inputs, layer, { ...feeds, ...own, x }, `y${layer % 2}`, wanted),
        );
        scope.free(x);
        x = y;
        if (!onKeysValues) continue;
        const [keys, values] = [await this.device.download(k!), await this.device.download(v!)];
        onKeysValues(layer, { k: keys as Float32Array, v: values as Float32Array });
        scope.free(k!);
        scope.free(v!);
      }
      return hostTensor("float32", await this.device.download(x), dims);
    } finally {
      scope.close();
    }
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
      const work = (executable: Executable) => use(at, count, (more) => executable.run({ ...feeds, ...more }), size);
      await this.heads.use(`${kind} ${size}`, () => this.headGraph(kind, size), work, { outputsOn: "host" });
    }
  }

  private headGraph(kind: "logits" | "logprobs", rows: number): Graph {
    const graph = new Graph();
    const logits = headLogits(graph, this.config, rows).logits;
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
    return graph;
  }

  private fixedHeadFeeds?: Promise<Record<string, Tensor>>;

  /** The output projection and the final norm as feeds. */
  headFeeds(): Promise<Record<string, Tensor>> {
    this.fixedHeadFeeds ??= (async () => {
      const { vocabSize, hiddenSize } = this.config;
      const { head, finalNorm, finalNormBias } = this.weights;
      const vector = (data: Float32Array): Promise<Tensor> => this.scope.upload("float32", data, [hiddenSize]);
      return {
        head: await this.scope.upload("float32", head, [vocabSize, hiddenSize]),
        ...(finalNorm && { norm: await vector(finalNorm) }),
        ...(finalNormBias && { normBias: await vector(finalNormBias) }),
      };
    })();
    return this.fixedHeadFeeds;
  }

  /** Frees what the model holds besides its weights. */
  async dispose(): Promise<void> {
    await this.blocks.dispose();
    await this.heads.dispose();
    this.scope.close();
  }
}

/** The final norm; its vectors are the inputs norm and normBias, where there are such. */
export function finalNormed(config: DecoderConfig, x: Value): { y: Value; vectors: Map<string, Value> } {
  const vectors = new Map<string, Value>();
  const y = normalise(config.finalNorm, x, (name, size) => {
    const input = name === config.finalNorm.bias ? "normBias" : "norm";
    const value = x.graph.input(input, "float32", [size]);
    vectors.set(input, value);
    return value;
  });
  return { y, vectors };
}

/** Final norm, output projection and soft cap for `rows` hidden states. Inputs: x, head, norm and normBias where there are. */
export function headLogits(graph: Graph, config: DecoderConfig, rows: number) {
  const { hiddenSize, vocabSize, logitScale, finalSoftCap } = config;
  const x = graph.input("x", "float32", [rows, hiddenSize]);
  const head = graph.input("head", "float32", [vocabSize, hiddenSize]);
  const { y, vectors } = finalNormed(config, x);
  const product = ops.gemm(y, head, { transB: true, alpha: logitScale });
  const logits = finalSoftCap === undefined ? product : ops.softCap(product, finalSoftCap);
  /** The trainable inputs. */
  const parameters = new Map<string, Value>([["head", head], ...vectors]);
  return { x, parameters, logits };
}
