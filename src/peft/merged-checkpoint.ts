/** A base with an adapter folded in, W + scaling · B·A, seen as a checkpoint: weights are merged as they are read. */
import type { Checkpoint } from "../checkpoint/checkpoint.js";
import { UsageError } from "../errors.js";
import type { Adapter } from "../model/adapter.js";
import { decoderConfig } from "../model/architectures/index.js";
import { type LinearName, linearShape } from "../model/decoder-layer.js";
import { addUpdate, type LinearUpdate, rowLength } from "../model/dora.js";

/** @throws UsageError when the adapter has another number of layers. */
export function mergedCheckpoint(base: Checkpoint, adapter: Adapter): Checkpoint {
  const config = decoderConfig(base.config, base.source);
  if (adapter.layers.length !== config.layers)
    throw new UsageError(`the adapter has ${adapter.layers.length} layers, ${base.source} has ${config.layers}`);
  const read = (name: string, out?: Float32Array): Float32Array => {
    const [, layer, linear] = /^model\.layers\.(\d+)\.(.+)\.weight$/.exec(name) ?? [];
    const factors = linear ? adapter.layers[Number(layer)]?.get(linear as LinearName) : undefined;
    if (!factors) return base.read(name, out);
    const weight = out ? base.read(name, out) : base.read(name).slice();
    const { rank, scaling } = adapter.shape.layers[Number(layer)]!.get(linear as LinearName)!;
    mergeInto(weight, linearShape(config, linear as LinearName), { factors, rank, scaling });
    return weight;
  };
  return {
    source: base.source,
    config: base.config,
    generationConfig: base.generationConfig,
    names: () => base.names(),
    has: (name) => base.has(name),
    info: (name) => base.info(name),
    read,
    readRows: (name, rows, out) => base.readRows(name, rows, out),
    readNf4: () => undefined,
    close: () => base.close(),
  };
}

/** weight [out, in] += scaling · b · a; under DoRA each row is then brought to its trained length. */
function mergeInto(weight: Float32Array, [out, width]: [number, number], update: LinearUpdate): void {
  const { magnitude } = update.factors;
  const row = new Float64Array(width);
  for (let o = 0; o < out; o++) {
    const target = weight.subarray(o * width, (o + 1) * width);
    row.set(target);
    addUpdate(row, o, update);
    const gain = magnitude ? magnitude[o]! / rowLength(row) : 1;
    for (let i = 0; i < width; i++) target[i] = row[i]! * gain;
  }
}
