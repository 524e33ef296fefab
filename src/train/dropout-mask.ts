/**
 * Dropout masks of an adapted layer's input, drawn for each document apart, so that they do not depend on the batching: on the
 * host by `fillMask`, on a device by the same function as a graph.
 */
import { Graph, ops, type Value } from "../graph/index.js";
import type { RowBias } from "../model/row-bias.js";
import { fillMask, joinedWords, type KeyWords, keyWords, maskThreshold } from "../random/mask.js";
import { hostTensor, type Tensor, type TensorScope } from "../runtime/device.js";
import type { TrainingRow } from "./examples.js";

export interface DropoutKey {
  seed: number;
  epoch: number;
}

const words = (values: readonly number[]): Tensor => hostTensor("int32", Int32Array.from(values), [values.length]);

/** The masks of one row. */
export class RowDropout {
  private readonly documents: KeyWords[];
  private uploaded?: Promise<Record<string, Tensor>>;

  /** @param scope owner of what belongs to the row. */
  constructor(
    private readonly scope: TensorScope,
    private readonly batch: TrainingRow,
    private readonly bias: RowBias,
    private readonly probability: number,
    key: DropoutKey,
  ) {
    this.documents = batch.documents.map(({ index }) => keyWords("dropout", key.seed, key.epoch, index));
  }

  /**
   * uint8 [tokens, width], 1 where an element survives; for the caller to free.
   * @param site key of the layer, and its words on the device. @param memory of the mask on the host.
   */
  mask(width: number, site: DropoutSite, memory: (bytes: number) => Uint8Array): Promise<Tensor> {
    const { batch, probability } = this;
    const tokens = batch.row.tokens.length;
    if (width % 2) throw new Error(`dropout on an input of ${width} numbers, which is odd`);
    return this.scope.device.make({
      host: () => {
        const mask = memory(tokens * width);
        mask.fill(0, batch.row.used * width);
        for (const [i, { from, length }] of batch.documents.entries()) {
          const part = mask.subarray(from * width, (from + length) * width);
          fillMask(part, probability, joinedWords(this.documents[i]!, site.key));
        }
        return hostTensor("uint8", mask, [tokens, width]);
      },
      key: `mask ${width} ${probability}`,
      graph: () => maskGraph(width, maskThreshold(probability)),
      feeds: async () => ({ ...(await (this.uploaded ??= this.upload())), site: await site.words() }),
    });
  }

  private async upload(): Promise<Record<string, Tensor>> {
    // Padding forms documents of its own at the end; what is drawn there is of no effect.
    const { documents } = this.batch.row;
    const count = documents[documents.length - 1]! + 1;
    const keys = Array.from({ length: count }, (_, i) => this.documents[i] ?? [0, 0]);
    const upload = (part: 0 | 1): Promise<Tensor> =>
      this.scope.upload("int32", words(keys.map((key) => key[part])).data as Int32Array, [count]);
    return { ...(await this.bias.onDevice()), keyA: await upload(0), keyB: await upload(1) };
  }
}

/** Where a mask is used: one layer of one block. */
export class DropoutSite {
  readonly key: KeyWords;
  private uploaded?: Promise<Tensor>;

  constructor(
    private readonly scope: TensorScope,
    layer: number,
    name: string,
  ) {
    this.key = keyWords("dropout", layer, name);
  }

  /** The key's words, which stay on the device. */
  words(): Promise<Tensor> {
    return (this.uploaded ??= this.scope.upload("int32", Int32Array.from(this.key), [2]));
  }
}

/** mask.wat's function for value j of the token at position p: number (p · width + j) / 2, its low half for even j. */
function maskGraph(width: number, threshold: number): Graph {
  const graph = new Graph();
  const half = width / 2;
  const word = (value: number): Value => graph.constant("uint32", [], [value]);
  const documents = graph.input("documents", "int32", ["tokens"]);
  const positions = graph.input("positions", "int32", ["tokens"]);
  const site = ops.cast(graph.input("site", "int32", [2]), "uint32");
  const key = (name: string, part: number): Value => {
    const ofToken = ops.cast(ops.rowsAt(graph.input(name, "int32", ["documents"]), documents), "uint32");
    return ops.reshape(ops.add(ofToken, ops.rowsAt(site, graph.constant("int32", [1], [part]))), ["tokens", 1]);
  };
  const first = ops.reshape(ops.mul(ops.cast(positions, "uint32"), word(half)), ["tokens", 1]);
  const column = graph.constant(
    "uint32",
    [1, half],
    Uint32Array.from({ length: half }, (_, i) => i),
  );
  const shift = word(0x10000);
  const round = (x: Value): Value => {
    const y = ops.mul(x, ops.add(ops.add(x, x), word(1)));
    return ops.add(ops.mul(y, shift), ops.div(y, shift));
  };
  const start = ops.add(ops.add(first, column), key("keyA", 0));
  const x = round(round(ops.add(round(start), key("keyB", 1))));
  const high = ops.div(x, shift);
  const low = ops.sub(x, ops.mul(high, shift));
  const halves = [low, high].map((value) =>
    ops.reshape(ops.cast(ops.lessOrEqual(word(threshold), value), "float32"), ["tokens", half, 1]),
  );
  graph.output("y", ops.cast(ops.reshape(ops.concat(halves, 2), ["tokens", width]), "uint8"));
  return graph;
}
