/**
 * Loss and gradients of packed rows. Blocks run one at a time; the activations of as many as the memory plan allows are
 * kept for the backward pass, the others are recomputed from their inputs.
 */
import type { Adapter, AdapterShape } from "../model/adapter.js";
import { AdapterFeeds } from "../model/adapter-feeds.js";
import { linearShape } from "../model/decoder-layer.js";
import { inputName } from "../model/layer-graph.js";
import { PackedModel } from "../model/packed-model.js";
import type { PackedRow } from "../model/packed-row.js";
import type { DecoderWeights } from "../model/weights.js";
import { fillMask } from "../random/mask.js";
import { type Device, disposeCompiled, type Executable, hostTensor, type Tensor } from "../runtime/device.js";
import type { TrainingRow } from "./examples.js";
import { LayerPasses } from "./layer-passes.js";
import { headBlockRows, lossHeadGraph } from "./loss-head.js";
import type { Parameter } from "./optimiser.js";
import { adapterGroups, fullGroups, type ParameterGroup } from "./parameter-store.js";

export interface TrainingModelOptions {
  /** Adapter to train, with its starting values; undefined trains all weights. */
  adapter?: Adapter;
  /** Blocks whose activations are kept; the rest are recomputed. */
  keptLayers: number;
  /** Σ of the row lengths whose compiled passes are held at once; at least the newest is. Default no limit. */
  compiledTokens?: number;
}

export interface DropoutKey {
  seed: number;
  epoch: number;
}

export class TrainingModel {
  private readonly model: PackedModel;
  private readonly passes = new Map<number, LayerPasses>();
  private readonly heads = new Map<string, Promise<Executable>>();
  private readonly activations = new Map<string, Float32Array>();
  private readonly masks = new Map<string, Uint8Array>();
  private readonly adapterFeeds: AdapterFeeds | undefined;
  private readonly headRows: number;
  private readonly keptLayers: number;
  private readonly compiledTokens: number;

  private constructor(
    readonly device: Device,
    readonly weights: DecoderWeights,
    readonly groups: ParameterGroup[],
    private readonly shape: AdapterShape | undefined,
    options: TrainingModelOptions,
  ) {
    this.model = new PackedModel(weights, device);
    this.adapterFeeds = shape && new AdapterFeeds(weights, shape);
    this.headRows = headBlockRows(weights.config.vocabSize, weights.config.hiddenSize);
    this.keptLayers = options.keptLayers;
    this.compiledTokens = options.compiledTokens ?? Number.POSITIVE_INFINITY;
  }

  static async create(device: Device, weights: DecoderWeights, options: TrainingModelOptions): Promise<TrainingModel> {
    const { adapter } = options;
    const groups = adapter ? await adapterGroups(device, weights, adapter) : await fullGroups(device, weights);
    return new TrainingModel(device, weights, groups, adapter?.shape, options);
  }

  /** Sets all gradient sums to zero. */
  async zeroGradients(): Promise<void> {
    for (const { parameters } of this.groups)
      for (const parameter of parameters) {
        if (this.device.name === "cpu") (parameter.gradient.data as Float32Array).fill(0);
        else {
          const count = parameter.dims.reduce((a, b) => a * b, 1);
          parameter.gradient.dispose();
          parameter.gradient = await this.device.upload("float32", new Float32Array(count), parameter.dims);
        }
      }
  }

  /**
   * Adds the gradients of Σ loss(target) / `normaliser` over a row to the gradient sums.
   * @param dropoutKey names the draw of the dropout masks, together with each example's index.
   * @returns Σ loss(target) / `normaliser`.
   */
  async accumulate(batch: TrainingRow, normaliser: number, dropoutKey: DropoutKey): Promise<number> {
    const { row } = batch;
    const { config } = this.weights;
    const passes = await this.passesFor(row.tokens.length);
    const rowFeeds = await this.model.rowFeeds(row);
    const dims = [row.tokens.length, config.hiddenSize];
    const first = await this.embed(row);
    const inputs: Tensor[] = [await this.device.upload("float32", first, dims)];
    const kept: (Record<string, Tensor> | undefined)[] = [];
    const masks: (Record<string, Tensor> | undefined)[] = [];
    const layerFeeds = async (layer: number): Promise<Record<string, Tensor>> => ({
      ...rowFeeds(layer),
      ...(await this.weightFeeds(layer)),
      ...(masks[layer] ?? this.dropoutMasks(batch, layer, dropoutKey)),
    });

    for (let layer = 0; layer < config.layers; layer++) {
      const keep = this.keeps(layer);
      if (keep) masks[layer] = this.dropoutMasks(batch, layer, dropoutKey);
      const feeds = { ...(await layerFeeds(layer)), x: inputs[layer]! };
      const executable = keep ? await passes.forwardKeeping() : await passes.forward();
      const outputs =
        this.device.name === "cpu" ? this.buffers(layer, dims, keep ? passes.keptShapes : undefined) : undefined;
      const { y, ...values } = await executable.run(pick(executable, feeds), outputs);
      inputs.push(y!);
      kept.push(keep ? values : undefined);
    }

    const { loss, dx } = await this.head(batch, inputs[config.layers]!, normaliser);
    let gradient = await this.device.upload("float32", dx, dims);
    for (let layer = config.layers - 1; layer >= 0; layer--) {
      const group = this.groups[layer]!;
      const executable = await passes.backward({ kept: kept[layer] !== undefined });
      const feeds: Record<string, Tensor> = {
        ...(await layerFeeds(layer)),
        ...kept[layer],
        x: inputs[layer]!,
        dy: gradient,
      };
      for (const { name, gradient: sum } of group.parameters) feeds[`${name}.acc`] = sum;
      const outputs = this.device.name === "cpu" ? this.gradientBuffers(group, dims, layer) : undefined;
      const result = await executable.run(pick(executable, feeds), outputs);
      this.takeGradients(group, result);
      if (this.device.name !== "cpu") for (const tensor of Object.values(kept[layer] ?? {})) tensor.dispose();
      gradient = result.dx!;
    }
    if (!this.shape) await this.addEmbeddingGradient(row, gradient);
    return loss;
  }

  /** Σ of the losses at a row's targets, without gradients or dropout, and how many targets there are. */
  async evaluate(batch: TrainingRow): Promise<{ loss: number; targets: number }> {
    const { row, targets } = batch;
    const { config } = this.weights;
    const passes = await this.passesFor(row.tokens.length);
    const rowFeeds = await this.model.rowFeeds(row);
    const dims = [row.tokens.length, config.hiddenSize];
    let x = await this.device.upload("float32", await this.embed(row), dims);
    for (let layer = 0; layer < config.layers; layer++) {
      const executable = await passes.evaluation();
      const feeds = { ...rowFeeds(layer), ...(await this.weightFeeds(layer)), x };
      x = (await executable.run(pick(executable, feeds))).y!;
    }
    const { loss } = await this.head(batch, x, 1, false);
    return { loss, targets };
  }

  /** Kept are the last blocks: their activations live the shortest time. */
  private keeps(layer: number): boolean {
    return layer >= this.weights.config.layers - this.keptLayers;
  }

  private async embed(row: PackedRow): Promise<Float32Array> {
    if (this.shape) return this.model.embed(row);
    const { hiddenSize, embeddingScale, tiedEmbeddings } = this.weights.config;
    const rest = this.groups[this.groups.length - 1]!;
    const table = (await this.device.download(
      rest.parameters.find(({ name }) => name === (tiedEmbeddings ? "head" : "embedding"))!.value,
    )) as Float32Array;
    const x = new Float32Array(row.tokens.length * hiddenSize);
    row.tokens.forEach((token, i) => {
      for (let j = 0; j < hiddenSize; j++) x[i * hiddenSize + j] = table[token * hiddenSize + j]! * embeddingScale;
    });
    return x;
  }

  private async addEmbeddingGradient(row: PackedRow, dx: Tensor): Promise<void> {
    const { hiddenSize, embeddingScale, tiedEmbeddings } = this.weights.config;
    const rest = this.groups[this.groups.length - 1]!;
    const parameter = rest.parameters.find(({ name }) => name === (tiedEmbeddings ? "head" : "embedding"))!;
    const from = (await this.device.download(dx)) as Float32Array;
    const sum = (await this.device.download(parameter.gradient)) as Float32Array;
    for (let i = 0; i < row.used; i++) {
      const at = row.tokens[i]! * hiddenSize;
      for (let j = 0; j < hiddenSize; j++) sum[at + j]! += from[i * hiddenSize + j]! * embeddingScale;
    }
    if (this.device.name !== "cpu") parameter.gradient = await this.device.upload("float32", sum, parameter.dims);
  }

  /** Loss and the gradient of the last hidden states [tokens, hidden]. */
  private async head(
    batch: TrainingRow,
    hidden: Tensor,
    normaliser: number,
    backward = true,
  ): Promise<{ loss: number; dx: Float32Array }> {
    const { row, mask } = batch;
    const { hiddenSize } = this.weights.config;
    const states = (await this.device.download(hidden)) as Float32Array;
    const dx = new Float32Array(backward ? states.length : 0);
    const trainable = this.shape === undefined;
    const rest = this.groups[this.groups.length - 1]!;
    const fixed: Record<string, Tensor> = trainable ? {} : await this.model.headFeeds();
    if (trainable)
      for (const { name, value } of rest.parameters) if (name === "head" || name === "norm") fixed[name] = value;
    const targets: number[] = [];
    for (let i = 1; i < row.used; i++) if (mask[i] && row.documents[i] === row.documents[i - 1]) targets.push(i);
    let loss = 0;
    for (let at = 0; at < targets.length; at += this.headRows) {
      const some = targets.slice(at, at + this.headRows);
      const rows = some.length === this.headRows ? this.headRows : Math.max(8, 2 ** Math.ceil(Math.log2(some.length)));
      const x = new Float32Array(rows * hiddenSize);
      const ids = new Int32Array(rows);
      const weights = new Float32Array(rows);
      some.forEach((target, i) => {
        x.set(states.subarray((target - 1) * hiddenSize, target * hiddenSize), i * hiddenSize);
        ids[i] = row.tokens[target]!;
        weights[i] = 1 / normaliser;
      });
      const executable = await this.headFor(rows, trainable, backward);
      const feeds: Record<string, Tensor> = {
        ...fixed,
        x: await this.device.upload("float32", x, [rows, hiddenSize]),
        targets: await this.device.upload("int32", ids, [rows, 1]),
        weights: await this.device.upload("float32", weights, [rows, 1]),
      };
      if (trainable && backward)
        for (const { name, gradient } of rest.parameters) if (fixed[name]) feeds[`${name}.acc`] = gradient;
      const result = await executable.run(feeds);
      loss += ((await this.device.download(result.loss!)) as Float32Array)[0]!;
      if (!backward) continue;
      if (trainable) this.takeGradients(rest, result);
      const rowGradients = (await this.device.download(result.dx!)) as Float32Array;
      some.forEach((target, i) => {
        dx.set(rowGradients.subarray(i * hiddenSize, (i + 1) * hiddenSize), (target - 1) * hiddenSize);
      });
    }
    return { loss, dx };
  }

  private headFor(rows: number, trainable: boolean, backward: boolean): Promise<Executable> {
    const key = `${rows} ${backward}`;
    let found = this.heads.get(key);
    if (!found) {
      found = this.device.compile(lossHeadGraph(this.weights, rows, { trainable, backward }));
      this.heads.set(key, found);
    }
    return found;
  }

  private takeGradients(group: ParameterGroup, result: Record<string, Tensor>): void {
    for (const parameter of group.parameters) {
      const sum = result[`${parameter.name}.sum`];
      if (!sum) continue;
      if (this.device.name === "cpu") this.spareGradients.set(spareKey(parameter), parameter.gradient);
      else parameter.gradient.dispose();
      parameter.gradient = sum;
    }
  }

  /** The gradient buffers that the last block gave up: the next block of the same shape writes into them. */
  private readonly spareGradients = new Map<string, Tensor>();

  private gradientBuffers(group: ParameterGroup, dims: readonly number[], layer: number): Record<string, Tensor> {
    const outputs: Record<string, Tensor> = { dx: this.buffer(`dx ${layer % 2}`, dims) };
    for (const parameter of group.parameters) {
      const key = spareKey(parameter);
      const spare = this.spareGradients.get(key);
      this.spareGradients.delete(key);
      const count = parameter.dims.reduce((a, b) => a * b, 1);
      outputs[`${parameter.name}.sum`] = spare ?? hostTensor("float32", new Float32Array(count), parameter.dims);
    }
    return outputs;
  }

  private buffers(
    layer: number,
    dims: readonly number[],
    kept?: Map<string, readonly number[]>,
  ): Record<string, Tensor> {
    const outputs: Record<string, Tensor> = { y: this.buffer(`y ${layer}`, dims) };
    for (const [name, shape] of kept ?? []) outputs[name] = this.buffer(`${name} ${layer}`, shape);
    return outputs;
  }

  /** Memory for an activation, used again at every step; rows of different lengths share it. */
  private buffer(key: string, dims: readonly number[]): Tensor {
    const count = dims.reduce((a, b) => a * b, 1);
    let memory = this.activations.get(key);
    if (!memory || memory.length < count) this.activations.set(key, (memory = new Float32Array(count)));
    return hostTensor("float32", memory.length === count ? memory : memory.subarray(0, count), dims);
  }

  private maskMemory(key: string, count: number): Uint8Array {
    let memory = this.masks.get(key);
    if (!memory || memory.length < count) this.masks.set(key, (memory = new Uint8Array(count)));
    return memory.subarray(0, count);
  }

  private async weightFeeds(layer: number): Promise<Record<string, Tensor>> {
    const own = Object.fromEntries(this.groups[layer]!.parameters.map(({ name, value }: Parameter) => [name, value]));
    if (!this.adapterFeeds) return own;
    return { ...(await this.model.parameters.feeds(layer)), ...this.adapterFeeds.fixed(layer), ...own };
  }

  /** One mask per adapted layer, drawn for each document apart, so that it does not depend on the batching. */
  private dropoutMasks(batch: TrainingRow, layer: number, key: DropoutKey): Record<string, Tensor> | undefined {
    const { shape } = this;
    if (!shape || shape.dropout === 0) return undefined;
    const tokens = batch.row.tokens.length;
    const feeds: Record<string, Tensor> = {};
    for (const name of this.adapterFeeds!.graph.ranks.keys()) {
      const width = linearShape(this.weights.config, name)[1];
      const mask = this.maskMemory(this.keeps(layer) ? `${name} ${layer}` : name, tokens * width);
      mask.fill(0, batch.row.used * width);
      for (const { from, length, index } of batch.documents) {
        const part = mask.subarray(from * width, (from + length) * width);
        fillMask(part, shape.dropout, ["dropout", key.seed, key.epoch, index, layer, name]);
      }
      feeds[inputName.dropout(name)] = hostTensor("uint8", mask, [tokens, width]);
    }
    return feeds;
  }

  /** Releases the compiled graphs; the model cannot be used after it. */
  async dispose(): Promise<void> {
    for (const passes of this.passes.values()) await passes.dispose();
    await disposeCompiled(this.heads.values());
    await this.model.dispose();
  }

  private async passesFor(tokens: number): Promise<LayerPasses> {
    const found = this.passes.get(tokens);
    const passes =
      found ?? new LayerPasses(this.weights.config, tokens, { adapter: this.adapterFeeds?.graph }, this.device);
    this.passes.delete(tokens);
    this.passes.set(tokens, passes);
    const held = (): number => [...this.passes.keys()].reduce((a, b) => a + b, 0);
    while (this.passes.size > 1 && held() > this.compiledTokens) {
      const [oldest, unused] = this.passes.entries().next().value!;
      this.passes.delete(oldest);
      await unused.dispose();
    }
    return passes;
  }
}

const spareKey = (parameter: Parameter): string => `${parameter.name} ${parameter.dims}`;

/** The feeds that a compiled graph asks for. */
function pick(executable: Executable, feeds: Record<string, Tensor>): Record<string, Tensor> {
  const result: Record<string, Tensor> = {};
  for (const name of executable.inputNames) {
    const tensor = feeds[name];
    if (!tensor) throw new Error(`no tensor for graph input ${name}`);
    result[name] = tensor;
  }
  return result;
}
