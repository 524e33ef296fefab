/** Hidden states through all blocks and their gradient back, block by block. */
import type { AdapterShape, GraphAdapter } from "../model/adapter.js";
import { AdapterFeeds } from "../model/adapter-feeds.js";
import { linearShape } from "../model/decoder-layer.js";
import { inputName } from "../model/layer-graph.js";
import { LongAttention } from "../model/long-attention.js";
import type { PackedModel } from "../model/packed-model.js";
import { fillMask } from "../random/mask.js";
import { type Device, hostTensor, SessionCache, type Tensor, type TensorPool, TensorScope } from "../runtime/device.js";
import { type BlockCall, type BlockPasses, type SavedActivations, WholeBlockPasses } from "./block-passes.js";
import type { TrainingRow } from "./examples.js";
import type { GradientSums } from "./gradient-sums.js";
import { LongBlockPasses } from "./long-block-passes.js";
import type { ParameterGroup } from "./parameter-store.js";

export interface DropoutKey {
  seed: number;
  epoch: number;
}

export interface LayerRunnerOptions {
  /** Adapter that is trained; undefined trains all weights. */
  adapter?: AdapterShape;
  /** Blocks whose activations are kept; the rest are recomputed. */
  keptLayers: number;
  /** Σ of the row lengths whose compiled passes are held at once; at least the newest is. */
  compiledTokens: number;
  /** Tokens up to which a row's block is one graph. */
  oneGraphTokens: number;
  /** Looked at before each block. */
  signal?: AbortSignal;
}

/** What a forward pass leaves for the backward pass over the same row. */
export interface ForwardTrace {
  /** Input of each block, and the last one's output: [tokens, hidden] each. */
  states: Tensor[];
  saved: (SavedActivations | undefined)[];
  call(layer: number, weights: TensorScope): Promise<BlockCall>;
}

export class LayerRunner {
  private readonly sessions: SessionCache;
  private readonly attention: LongAttention;
  private readonly adapter: AdapterFeeds | undefined;

  constructor(
    private readonly model: PackedModel,
    private readonly groups: readonly ParameterGroup[],
    private readonly pool: TensorPool,
    private readonly options: LayerRunnerOptions,
  ) {
    this.sessions = new SessionCache(model.device, options.compiledTokens);
    this.adapter = options.adapter && new AdapterFeeds(model.weights, options.adapter);
    this.attention = new LongAttention(model.config, model.device);
  }

  private get device(): Device {
    return this.model.device;
  }

  /** @param x embeddings of the row's tokens. @param dropoutKey names the draw of the masks, with each example's index. */
  async forward(scope: TensorScope, batch: TrainingRow, x: Float32Array, key: DropoutKey): Promise<ForwardTrace> {
    const { layers, hiddenSize } = this.model.config;
    const { row } = batch;
    const inputs = await this.model.rowInputs(row);
    const masks: (Record<string, Tensor> | undefined)[] = [];
    const trace: ForwardTrace = {
      states: [await scope.upload("float32", x, [row.tokens.length, hiddenSize])],
      saved: [],
      call: async (layer, weights) => {
        const drawn = masks[layer] ?? this.dropoutMasks(batch, layer, key);
        if (this.keeps(layer)) masks[layer] = drawn;
        const feeds = { ...(await this.weightFeeds(layer, weights)), ...drawn };
        return { scope, inputs, layer, feeds, x: trace.states[layer]! };
      },
    };
    const passes = this.passesFor(row.tokens.length);
    for (let layer = 0; layer < layers; layer++)
      await this.withWeights(async (weights) => {
        const { y, saved } = await passes.forward(await trace.call(layer, weights), this.keeps(layer));
        trace.states.push(y);
        trace.saved.push(saved);
      });
    return trace;
  }

  /** Adds to the gradient sums of all blocks. @returns the gradient of the embeddings, which the scope owns. */
  async backward(
    scope: TensorScope,
    { row }: TrainingRow,
    trace: ForwardTrace,
    gradient: Tensor,
    sums: GradientSums,
  ): Promise<Tensor> {
    const passes = this.passesFor(row.tokens.length);
    let dy = gradient;
    for (let layer = this.model.config.layers - 1; layer >= 0; layer--)
      await this.withWeights(async (weights) => {
        const saved = trace.saved[layer];
        const dx = await passes.backward(await trace.call(layer, weights), saved, dy, this.groups[layer]!, sums);
        for (const tensor of [dy, trace.states[layer + 1]!, ...Object.values(saved ?? {})]) scope.free(tensor);
        dy = dx;
      });
    return dy;
  }

  /** The adapter as the graphs take it. */
  get graphAdapter(): GraphAdapter | undefined {
    return this.adapter?.graph;
  }

  /** A block's weights as feeds, the trained values among them. */
  async weightFeeds(layer: number, weights: TensorScope): Promise<Record<string, Tensor>> {
    const own = Object.fromEntries(this.groups[layer]!.parameters.map(({ name, value }) => [name, value]));
    if (!this.adapter) return own;
    return { ...(await this.model.parameters.feeds(layer, weights)), ...this.adapter.fixed(layer), ...own };
  }

  /** Decoded weights are on the device as long as their block is at work. */
  private async withWeights(work: (weights: TensorScope) => Promise<void>): Promise<void> {
    this.options.signal?.throwIfAborted();
    const weights = new TensorScope(this.device);
    try {
      await work(weights);
    } finally {
      weights.close();
    }
  }

  private passesFor(tokens: number): BlockPasses {
    const { oneGraphTokens } = this.options;
    const adapter = this.adapter?.graph;
    return tokens > oneGraphTokens
      ? new LongBlockPasses(this.model.config, tokens, { adapter }, this.sessions, this.attention)
      : new WholeBlockPasses(this.model.config, tokens, { adapter }, this.sessions);
  }

  /** Kept are the last blocks: their activations live the shortest time. */
  private keeps(layer: number): boolean {
    return layer >= this.model.config.layers - this.options.keptLayers;
  }

  /** One mask per adapted layer, drawn for each document apart, so that it does not depend on the batching. */
  private dropoutMasks(batch: TrainingRow, layer: number, key: DropoutKey): Record<string, Tensor> {
    const feeds: Record<string, Tensor> = {};
    const adapter = this.adapter?.graph;
    if (!adapter || adapter.dropout === 0) return feeds;
    const tokens = batch.row.tokens.length;
    for (const name of adapter.ranks.keys()) {
      const width = linearShape(this.model.config, name)[1];
      const mask = this.pool.hostBytes(this.keeps(layer) ? `${name} ${layer}` : name, tokens * width);
      mask.fill(0, batch.row.used * width);
      for (const { from, length, index } of batch.documents) {
        const part = mask.subarray(from * width, (from + length) * width);
        fillMask(part, adapter.dropout, ["dropout", key.seed, key.epoch, index, layer, name]);
      }
      feeds[inputName.dropout(name)] = hostTensor("uint8", mask, [tokens, width]);
    }
    return feeds;
  }

  /** Frees the compiled graphs. */
  async dispose(): Promise<void> {
    await this.sessions.dispose();
    await this.attention.dispose();
  }
}
