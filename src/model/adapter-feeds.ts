/** Feeds of a block graph with an adapter: factors filled up to the graph's ranks, and what the block does not adapt. */
import { hostTensor, type Tensor } from "../runtime/device.js";
import { type Adapter, type AdapterShape, type GraphAdapter, graphAdapter, padded } from "./adapter.js";
import { type LinearName, linearShape } from "./decoder-layer.js";
import { rowNorms } from "./dora.js";
import { inputName } from "./layer-graph.js";
import type { DecoderWeights } from "./weights.js";

export class AdapterFeeds {
  readonly graph: GraphAdapter;
  private readonly fixedFeeds: Record<string, Tensor>[] = [];
  private readonly zeros = new Map<string, Tensor>();

  constructor(
    private readonly weights: DecoderWeights,
    private readonly shape: AdapterShape,
  ) {
    this.graph = graphAdapter(shape);
  }

  /**
   * The scales of a block's adapted layers and, for layers that other blocks adapt and this one does not, factors (and
   * gradient sums, `NAME.acc`) of zeros: their product is zero, whatever the scale.
   */
  fixed(layer: number): Record<string, Tensor> {
    return (this.fixedFeeds[layer] ??= this.makeFixed(layer));
  }

  private makeFixed(layer: number): Record<string, Tensor> {
    const { config, layers } = this.weights;
    const feeds: Record<string, Tensor> = {};
    const absent = (name: string, dims: number[]): void => {
      feeds[name] = feeds[`${name}.acc`] = this.zero(dims);
    };
    for (const [name, rank] of this.graph.ranks) {
      const adapted = this.shape.layers[layer]!.get(name);
      feeds[inputName.scaling(name)] = hostTensor("float32", new Float32Array([adapted?.scaling ?? 0]), [1]);
      if (adapted) continue;
      const [out, width] = linearShape(config, name);
      absent(inputName.loraA(name), [rank, width]);
      absent(inputName.loraB(name), [out, rank]);
      if (!this.shape.dora) continue;
      absent(inputName.magnitude(name), [out]);
      // The length a row has: no change.
      const norms = rowNorms(layers[layer]!.linear.get(name)!, [out, width]);
      feeds[inputName.magnitude(name)] = hostTensor("float32", norms, [out]);
    }
    return feeds;
  }

  /** All feeds of a block for an adapter that is not trained. */
  of(adapter: Adapter, layer: number): Record<string, Tensor> {
    const feeds = { ...this.fixed(layer) };
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

  private zero(dims: number[]): Tensor {
    const key = dims.join();
    let found = this.zeros.get(key);
    if (!found) {
      found = hostTensor("float32", new Float32Array(dims.reduce((a, b) => a * b, 1)), dims);
      this.zeros.set(key, found);
    }
    return found;
  }
}

/** Names of a graph's adapter inputs that are trained. */
export const isTrained = (name: string): boolean => /\.lora_(A|B|magnitude)$/.test(name);

/** Whether a layer of a block is adapted at all. */
export const isAdapted = (shape: AdapterShape, layer: number, name: LinearName): boolean =>
  shape.layers[layer]!.has(name);
