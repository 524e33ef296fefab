/** Feeds of a block graph with an adapter: factors filled up to the graph's ranks, and what the block does not adapt. */
import { hostTensor, type Tensor, type TensorScope } from "../runtime/device.js";
import { type Adapter, type AdapterShape, type GraphAdapter, graphAdapter, padded } from "./adapter.js";
import { type LinearName, linearShape } from "./decoder-layer.js";
import { rowNorms } from "./dora.js";
import { inputName } from "./layer-graph.js";
import type { DecoderWeights } from "./weights.js";

export class AdapterFeeds {
  readonly graph: GraphAdapter;
  private readonly fixedFeeds: Promise<Record<string, Tensor>>[] = [];
  private readonly zeros = new Map<string, Promise<Tensor>>();

  constructor(
    private readonly weights: DecoderWeights,
    private readonly shape: AdapterShape,
    /** Owner of what stays on the device. */
    private readonly scope: TensorScope,
  ) {
    this.graph = graphAdapter(shape);
  }

  /**
   * The scales of a block's adapted layers and, for layers that other blocks adapt and this one does not, factors (and
   * gradient sums, `NAME.acc`) of zeros: their product is zero, whatever the scale.
   */
  fixed(layer: number): Promise<Record<string, Tensor>> {
    return (this.fixedFeeds[layer] ??= this.makeFixed(layer));
  }

  private async makeFixed(layer: number): Promise<Record<string, Tensor>> {
    const { config, layers } = this.weights;
    const feeds: Record<string, Tensor> = {};
    const absent = async (name: string, dims: number[]): Promise<void> => {
      feeds[name] = feeds[`${name}.acc`] = await this.zero(dims);
    };
    const vector = (data: Float32Array): Promise<Tensor> => this.scope.upload("float32", data, [data.length]);
    for (const [name, rank] of this.graph.ranks) {
      const adapted = this.shape.layers[layer]!.get(name);
      feeds[inputName.scaling(name)] = await vector(Float32Array.of(adapted?.scaling ?? 0));
      if (adapted) continue;
      const [out, width] = linearShape(config, name);
      await absent(inputName.loraA(name), [rank, width]);
      await absent(inputName.loraB(name), [out, rank]);
      if (!this.shape.dora) continue;
      await absent(inputName.magnitude(name), [out]);
      // The length a row has: no change.
      const norms = rowNorms(layers[layer]!.linear.get(name)!, [out, width]);
      feeds[inputName.magnitude(name)] = await vector(norms);
    }
    return feeds;
  }

  /** All feeds of a block for an adapter that is not trained. */
  async of(adapter: Adapter, layer: number): Promise<Record<string, Tensor>> {
    const feeds = { ...(await this.fixed(layer)) };
    for (const [name, { a, b, magnitude }] of adapter.layers[layer]!) {
      const [out, width] = linearShape(this.weights.config, name);
      const { rank } = adapter.shape.layers[layer]!.get(name)!;
      const full = this.graph.ranks.get(name)!;
      feeds[inputName.loraA(name)] = hostTensor("float32", padded(a, width, full, width), [full, width]);
      feeds[inputName.loraB(name)] = hostTensor("float32", padded(b, rank, out, full), [out, full]);
      if (magnitude) feeds[inputName.magnitude(name)] = hostTensor("float32", magnitude, [out]);
    }
    return feeds;
  }

  private zero(dims: number[]): Promise<Tensor> {
    const key = dims.join();
    let found = this.zeros.get(key);
    if (!found) this.zeros.set(key, (found = this.scope.device.zeros(dims).then((tensor) => this.scope.own(tensor))));
    return found;
  }
}

/** Names of a graph's adapter inputs that are trained. */
export const isTrained = (name: string): boolean => /\.lora_(A|B|magnitude)$/.test(name);

/** Whether a layer of a block is adapted at all. */
export const isAdapted = (shape: AdapterShape, layer: number, name: LinearName): boolean =>
  shape.layers[layer]!.has(name);
