/** Hidden states through all blocks and their gradient back, block by block. */
import type { AdapterShape, GraphAdapter } from "../model/adapter.js";
import { AdapterFeeds } from "../model/adapter-feeds.js";
import { linearShape } from "../model/decoder-layer.js";
import { inputName } from "../model/layer-graph.js";
import { LongAttention } from "../model/long-attention.js";
import type { PackedModel } from "../model/packed-model.js";
import { type Device, SessionCache, type Tensor, type TensorPool, TensorScope } from "../runtime/device.js";
import { type BlockCall, type BlockPasses, type SavedActivations, WholeBlockPasses } from "./block-passes.js";
import { type DropoutKey, DropoutSite, RowDropout } from "./dropout-mask.js";
import type { TrainingRow } from "./examples.js";
import type { GradientSums } from "./gradient-sums.js";
import { LongBlockPasses } from "./long-block-passes.js";
import type { ParameterGroup } from "./parameter-store.js";

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
  /** Tensors that stay as long as the runner. */
  private readonly scope: TensorScope;
  private readonly sites = new Map<string, DropoutSite>();

  constructor(
    private readonly model: PackedModel,
    private readonly groups: readonly ParameterGroup[],
    private readonly pool: TensorPool,
    private readonly options: LayerRunnerOptions,
  ) {
    this.sessions = new SessionCache(model.device, options.compiledTokens);
    this.scope = new TensorScope(model.device);
    this.adapter = options.adapter && new AdapterFeeds(model.weights, options.adapter, this.scope);
    this.attention = new LongAttention(model.config, model.device);
  }

  private get device(): Device {
    return this.model.device;
  }

  /** @param x embeddings of the row's tokens, which the scope owns. @param dropoutKey names the draw of the masks, with each example's index. */
  async forward(scope: TensorScope, batch: TrainingRow, x: Tensor, key: DropoutKey): Promise<ForwardTrace> {
    const { layers } = this.model.config;
    const { row } = batch;
    const inputs = await this.model.rowInputs(scope, row);
    const dropout = new RowDropout(scope, batch, inputs.bias, this.adapter?.graph.dropout ?? 0, key);
    const masks: (Record<string, Tensor> | undefined)[] = [];
    const trace: ForwardTrace = {
      states: [x],
      saved: [],
      call: async (layer, weights) => {
        const kept = this.keeps(layer);
        const drawn = masks[layer] ?? (await this.dropoutMasks(dropout, layer, kept ? scope : weights));
        if (kept) masks[layer] = drawn;
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
    return { ...(await this.model.parameters.feeds(layer, weights)), ...(await this.adapter.fixed(layer)), ...own };
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

  /** One mask per adapted layer, which `owner` frees. */
  private async dropoutMasks(dropout: RowDropout, layer: number, owner: TensorScope): Promise<Record<string, Tensor>> {
    const feeds: Record<string, Tensor> = {};
    const adapter = this.adapter?.graph;
    if (!adapter || adapter.dropout === 0) return feeds;
    for (const name of adapter.ranks.keys()) {
      const width = linearShape(this.model.config, name)[1];
      const place = this.keeps(layer) ? `${name} ${layer}` : name;
      const memory = (bytes: number): Uint8Array => this.pool.hostBytes(place, bytes);
      feeds[inputName.dropout(name)] = owner.own(await dropout.mask(width, this.site(layer, name), memory));
    }
    return feeds;
  }

  private site(layer: number, name: string): DropoutSite {
    const key = `${layer} ${name}`;
    let found = this.sites.get(key);
    if (!found) this.sites.set(key, (found = new DropoutSite(this.scope, layer, name)));
    return found;
  }

  /** Frees the compiled graphs and what stays on the device. */
  async dispose(): Promise<void> {
    this.scope.close();
    await this.sessions.dispose();
    await this.attention.dispose();
  }
}
