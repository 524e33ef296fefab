/** A base with an adapter folded in, W + scaling · B·A, seen as a checkpoint: weights are merged as they are read. */
import type { Checkpoint } from "../checkpoint/checkpoint.js";
import { transpose } from "../checkpoint/transpose.js";
import { UsageError } from "../errors.js";
import type { Adapter } from "../model/adapter.js";
import { decoderConfig } from "../model/architectures/index.js";
import type { DecoderConfig } from "../model/decoder-config.js";
import { linearOf } from "../model/decoder-layer.js";
import { addUpdate, type LinearUpdate, rowLength } from "../model/dora.js";

/** @throws UsageError when the adapter has another number of layers. */
export function mergedCheckpoint(base: Checkpoint, adapter: Adapter): Checkpoint {
  const config = decoderConfig(base.config, base.source);
  if (adapter.layers.length !== config.layers)
    throw new UsageError(`the adapter has ${adapter.layers.length} layers, ${base.source} has ${config.layers}`);
  const read = (name: string, out?: Float32Array): Float32Array => {
    const [layer, linear] = linearIn(config, name) ?? [];
    const factors = linear === undefined ? undefined : adapter.layers[layer!]?.get(linear);
    if (!factors || linear === undefined) return base.read(name, out);
    const { shape, transposed } = linearOf(config, linear);
    const { rank, scaling } = adapter.shape.layers[layer!]!.get(linear)!;
    const stored = base.read(name);
    const weight = transposed ? transpose(stored, shape[1], shape[0]) : stored.slice();
    mergeInto(weight, shape, { factors, rank, scaling });
    const merged = transposed ? transpose(weight, shape[0], shape[1]) : weight;
    if (out) out.set(merged);
    return out ?? merged;
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

/** Block and linear layer that a weight of this name belongs to. */
function linearIn({ names, block }: DecoderConfig, weight: string): [layer: number, name: string] | undefined {
  // Checkpoints of a model without its head lack the names' first part (stored-names.ts).
  const prefixes = [`${names.blocks}.`, `${names.blocks.slice(names.blocks.indexOf(".") + 1)}.`];
  const prefix = prefixes.find((one) => weight.startsWith(one));
  const [, layer, name] = (prefix && /^(\d+)\.(.+)\.weight$/.exec(weight.slice(prefix.length))) || [];
  return block.linears.some((linear) => linear.name === name) ? [Number(layer), name!] : undefined;
}

/** weight [out, in] += scaling · b · a; under DoRA each row is then brought to its trained length. */
function mergeInto(weight: Float32Array, [out, width]: readonly [number, number], update: LinearUpdate): void {
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
