/**
 * Loss and gradients of packed rows: embeddings, blocks (layer-runner.ts), loss (loss.ts) and back. Tensors of a pass
 * belong to its scope; on the host they lie in one pool, which every step writes over.
 */
import type { Adapter } from "../model/adapter.js";
import { BlockForward } from "../model/block-forward.js";
import { embedRow, embedTokens } from "../model/embedding.js";
import { ONE_GRAPH_TOKENS } from "../model/long-attention.js";
import { PackedModel } from "../model/packed-model.js";
import type { PackedRow } from "../model/packed-row.js";
import { type DecoderWeights, embedFrom } from "../model/weights.js";
import { type Device, type Parameter, type Tensor, TensorPool, TensorScope } from "../runtime/device.js";
import type { DropoutKey } from "./dropout-mask.js";
import { addRowGradients } from "./embedding-gradient.js";
import type { TrainingRow } from "./examples.js";
import { GradientSums } from "./gradient-sums.js";
import { LayerRunner } from "./layer-runner.js";
import { LossHead } from "./loss.js";
import { adapterGroups, fullGroups, type ParameterGroup } from "./parameter-store.js";

export interface TrainingModelOptions {
  /** Adapter to train, with its starting values; undefined trains all weights. */
  adapter?: Adapter;
  /** Blocks whose activations are kept; the rest are recomputed. */
  keptLayers: number;
  /** Σ of the row lengths whose compiled passes are held at once; at least the newest is. Default no limit. */
  compiledTokens?: number;
  /** Tokens up to which a row's block is one graph; longer rows take attention block by block. Default 2048. */
  oneGraphTokens?: number;
  /** Aborted: a pass under way throws the reason before its next block. */
  signal?: AbortSignal;
}

export class TrainingModel {
  private readonly model: PackedModel;
  private readonly pool: TensorPool;
  private readonly runner: LayerRunner;
  private readonly evaluation: BlockForward;
  private readonly head: LossHead;
  private readonly sums: GradientSums;

  private constructor(
    readonly device: Device,
    readonly weights: DecoderWeights,
    readonly groups: ParameterGroup[],
    private readonly options: TrainingModelOptions,
  ) {
    const {
      adapter,
      keptLayers,
      compiledTokens = Number.POSITIVE_INFINITY,
      oneGraphTokens = ONE_GRAPH_TOKENS,
    } = options;
    this.model = new PackedModel(weights, device);
    this.pool = new TensorPool(device);
    this.runner = new LayerRunner(this.model, groups, this.pool, {
      adapter: adapter?.shape,
      keptLayers,
      compiledTokens,
      oneGraphTokens,
      signal: options.signal,
    });
    this.evaluation = new BlockForward(weights.config, device, oneGraphTokens);
    this.head = new LossHead(this.model, adapter ? undefined : groups[groups.length - 1]);
    this.sums = new GradientSums(device);
  }

  static async create(device: Device, weights: DecoderWeights, options: TrainingModelOptions): Promise<TrainingModel> {
    const { adapter } = options;
    const groups = adapter ? await adapterGroups(device, weights, adapter) : await fullGroups(device, weights);
    return new TrainingModel(device, weights, groups, options);
  }

  /** Sets all gradient sums to zero. */
  zeroGradients(): Promise<void> {
    return this.sums.clear(this.groups);
  }

  /**
   * Adds the gradients of Σ loss(target) / `normaliser` over a row to the gradient sums.
   * @param dropoutKey names the draw of the dropout masks, together with each example's index.
   * @returns Σ loss(target) / `normaliser`.
   */
  accumulate(batch: TrainingRow, normaliser: number, dropoutKey: DropoutKey): Promise<number> {
    const { row } = batch;
    return this.inScope(async (scope) => {
      const trace = await this.runner.forward(scope, batch, await this.embed(scope, row), dropoutKey);
      const hidden = trace.states[trace.states.length - 1]!;
      const { loss, dx } = await this.head.lossAndGradient(scope, { batch, hidden, normaliser }, this.sums);
      const gradient = await this.runner.backward(scope, batch, trace, dx, this.sums);
      if (!this.options.adapter) await this.addEmbeddingGradient(row, gradient);
      return loss;
    });
  }

  /** Σ of the losses at a row's targets, without gradients or dropout, and how many targets there are. */
  evaluate(batch: TrainingRow): Promise<{ loss: number; targets: number }> {
    const { row, targets } = batch;
    const { layers } = this.weights.config;
    const adapter = this.runner.graphAdapter;
    return this.inScope(async (scope) => {
      const inputs = await this.model.rowInputs(scope, row);
      let x = await this.embed(scope, row);
      for (let layer = 0; layer < layers; layer++) {
        this.options.signal?.throwIfAborted();
        x = await this.inScope(async (weights) => {
          const feeds = { ...(await this.runner.weightFeeds(layer, weights)), x };
          const { y } = await this.evaluation.run(scope, inputs, layer, feeds, `y ${layer % 2}`, { adapter });
          scope.free(x);
          return y;
        });
      }
      return { loss: await this.head.loss(scope, { batch, hidden: x, normaliser: 1 }), targets };
    });
  }

  private async inScope<T>(work: (scope: TensorScope) => Promise<T>): Promise<T> {
    const scope = new TensorScope(this.device, this.pool);
    try {
      return await work(scope);
    } finally {
      scope.close();
    }
  }

  /** The trained parameter that tokens are looked up in: the head where the two are tied. */
  private get embedding(): Parameter {
    const name = this.weights.config.tiedEmbeddings ? "head" : "embedding";
    return this.groups[this.groups.length - 1]!.parameters.find((parameter) => parameter.name === name)!;
  }

  /** Trained learned positions, where the model has them. */
  private get positions(): Parameter | undefined {
    return this.groups[this.groups.length - 1]!.parameters.find(({ name }) => name === "positions");
  }

  private embed(scope: TensorScope, row: PackedRow): Promise<Tensor> {
    if (this.options.adapter) return this.model.embed(scope, row);
    const { config } = this.weights;
    const [table, learned] = [this.embedding.value, this.positions?.value];
    const onHost = async (): Promise<Float32Array> => {
      const embed = embedFrom((await this.device.download(table)) as Float32Array, config.hiddenSize);
      const positions = learned && ((await this.device.download(learned)) as Float32Array);
      return embedTokens({ config, embed, positions }, row.tokens, row.positions);
    };
    return embedRow(scope, config, row, onHost, async () => ({ table, learned }));
  }

  private async addEmbeddingGradient({ tokens, positions, used }: PackedRow, dx: Tensor): Promise<void> {
    const { embeddingScale } = this.weights.config;
    await addRowGradients(this.device, this.embedding, tokens.subarray(0, used), dx, embeddingScale);
    if (this.positions) await addRowGradients(this.device, this.positions, positions.subarray(0, used), dx, 1);
  }

  /** Frees the compiled graphs and what the model holds on the device; the model cannot be used after it. */
  async dispose(): Promise<void> {
    await this.runner.dispose();
    await this.evaluation.dispose();
    await this.head.dispose();
    await this.model.dispose();
    for (const { parameters } of this.groups)
      for (const { value, gradient, m, v } of parameters)
        for (const tensor of [value, gradient, m, v]) this.device.free(tensor);
  }
}
