/** Turns stored weights into the tensors that a block graph is fed with. */
import { Nf4Buffer } from "../quant/nf4-buffer.js";
import { type Tensor, TensorScope } from "../runtime/device.js";
import { type LinearName, linearShape } from "./decoder-layer.js";
import { DeviceWeights } from "./device-weights.js";
import { inputName } from "./layer-graph.js";
import { type DecoderWeights, decodeWeight, type StoredWeight } from "./weights.js";

export class LayerParameters {
  /** One decoding buffer per kind of linear layer, shared by all blocks. */
  private readonly scratch = new Map<LinearName, Float32Array>();
  private readonly nf4 = new Map<LinearName, Nf4Buffer>();
  private readonly resident: Promise<Record<string, Tensor>>[] = [];
  private readonly onDevice: DeviceWeights;
  /** Settles when the buffers are free. */
  private borrowed: Promise<unknown> = Promise.resolve();

  constructor(
    readonly weights: DecoderWeights,
    /** Owner of what needs no decoding and stays on the device. */
    private readonly scope: TensorScope,
  ) {
    this.onDevice = new DeviceWeights(scope);
  }

  /**
   * Runs `use` with the feeds of a block's frozen weights. Quantised weights are decoded into buffers that belong to this
   * call until `use` has settled: other calls wait for their turn.
   */
  async lend<T>(layer: number, use: (feeds: Record<string, Tensor>) => Promise<T>): Promise<T> {
    const run = async (): Promise<T> => {
      const scope = new TensorScope(this.scope.device);
      try {
        return await use(await this.feeds(layer, scope));
      } finally {
        scope.close();
      }
    };
    const needsBuffers = [...this.weights.layers[layer]!.linear.values()].some(({ kind }) => kind !== "float32");
    if (!needsBuffers) return run();
    const turn = this.borrowed.then(run);
    this.borrowed = turn.catch(() => {});
    return turn;
  }

  /**
   * Feeds for a block's frozen weights. On the host quantised ones are decoded into buffers that the next call overwrites, so
   * this is for owners of a single pass; `lend` is for passes that may overlap. On a GPU they stay as they are, are decoded there,
   * and the scope owns what is decoded.
   */
  async feeds(layer: number, scope: TensorScope): Promise<Record<string, Tensor>> {
    const { config, layers } = this.weights;
    const stored = layers[layer]!;
    const feeds: Record<string, Tensor> = { ...(await (this.resident[layer] ??= this.residentFeeds(layer))) };
    for (const [name, weight] of stored.linear) {
      if (weight.kind === "float32") continue;
      const shape = linearShape(config, name);
      const decode = (): Float32Array => this.decode(name, weight, shape);
      feeds[inputName.weight(name)] = scope.own(await this.onDevice.decoded(weight, decode));
    }
    return feeds;
  }

  private decode(name: LinearName, stored: StoredWeight, shape: readonly [number, number]): Float32Array {
    const count = shape[0] * shape[1];
    if (stored.kind !== "nf4") {
      const buffer = this.scratch.get(name) ?? new Float32Array(count);
      this.scratch.set(name, buffer);
      return decodeWeight(stored, () => buffer);
    }
    const buffer = this.nf4.get(name) ?? new Nf4Buffer(count, stored.weight.blockSize);
    this.nf4.set(name, buffer);
    return buffer.decode(stored.weight);
  }

  /** What needs no decoding stays on the device. */
  private async residentFeeds(layer: number): Promise<Record<string, Tensor>> {
    const { config, layers } = this.weights;
    const stored = layers[layer]!;
    const feeds: Record<string, Tensor> = {};
    for (const [name, data] of stored.vectors) feeds[name] = await this.scope.upload("float32", data, [data.length]);
    for (const [name, data] of stored.biases)
      feeds[inputName.bias(name)] = await this.scope.upload("float32", data, [data.length]);
    for (const [name, weight] of stored.linear)
      if (weight.kind === "float32")
        feeds[inputName.weight(name)] = await this.scope.upload("float32", weight.data, linearShape(config, name));
    return feeds;
  }
}
