/** The trainable tensors of a run, in groups that are updated together: one per block, one for the rest. */
import { type Adapter, type AdapterShape, cut, graphAdapter, padded } from "../model/adapter.js";
import { linearShape } from "../model/decoder-layer.js";
import { rowNorms } from "../model/dora.js";
import { inputName } from "../model/layer-graph.js";
import type { DecoderWeights } from "../model/weights.js";
import { Random } from "../random/counter.js";
import type { Device, Parameter } from "../runtime/device.js";

export interface ParameterGroup {
  /** `layers.3`, or `model` for embedding, head and final norm. */
  id: string;
  parameters: Parameter[];
}

async function parameter(
  device: Device,
  name: string,
  dims: readonly number[],
  data: Float32Array,
): Promise<Parameter> {
  const zeros = () => device.zeros(dims);
  return {
    name,
    dims,
    value: await device.upload("float32", data, dims),
    gradient: await zeros(),
    m: await zeros(),
    v: await zeros(),
  };
}

/** A new adapter as PEFT initialises it: A uniform in ±1/√in (Kaiming, a = √5), B zero, DoRA's lengths those of W. */
export function newAdapter(
  weights: Pick<DecoderWeights, "config"> & Partial<Pick<DecoderWeights, "layers">>,
  shape: AdapterShape,
  seed: number,
): Adapter {
  const { config } = weights;
  const layers = shape.layers.map((adapted, layer) => {
    const factors: Adapter["layers"][number] = new Map();
    for (const [name, { rank }] of adapted) {
      const [out, width] = linearShape(config, name);
      const random = new Random("lora-init", seed, layer, name);
      const bound = 1 / Math.sqrt(width);
      const a = Float32Array.from({ length: rank * width }, () => (2 * random.uniform() - 1) * bound);
      const magnitude = shape.dora && rowNorms(weights.layers![layer]!.linear.get(name)!, [out, width]);
      factors.set(name, { a, b: new Float32Array(out * rank), ...(magnitude && { magnitude }) });
    }
    return factors;
  });
  return { shape, layers };
}

/** Parameters of an adapter, as large as `graphAdapter` makes them. */
export async function adapterGroups(
  device: Device,
  weights: DecoderWeights,
  adapter: Adapter,
): Promise<ParameterGroup[]> {
  const groups: ParameterGroup[] = [];
  const { ranks } = graphAdapter(adapter.shape);
  for (const [layer, factors] of adapter.layers.entries()) {
    const parameters: Parameter[] = [];
    const add = async (name: string, dims: number[], data: Float32Array): Promise<void> =>
      void parameters.push(await parameter(device, name, dims, data));
    for (const [name, { a, b, magnitude }] of factors) {
      const [out, width] = linearShape(weights.config, name);
      const { rank } = adapter.shape.layers[layer]!.get(name)!;
      const full = ranks.get(name)!;
      await add(inputName.loraA(name), [full, width], padded(a, width, full, width).slice());
      await add(inputName.loraB(name), [out, full], padded(b, rank, out, full).slice());
      if (magnitude) await add(inputName.magnitude(name), [out], magnitude.slice());
    }
    groups.push({ id: `layers.${layer}`, parameters });
  }
  return groups;
}

/** All weights of a model, for full fine-tuning. Takes the arrays over: the model's own copies must not be used again. */
export async function fullGroups(device: Device, weights: DecoderWeights): Promise<ParameterGroup[]> {
  const { config } = weights;
  const groups: ParameterGroup[] = [];
  for (const [layer, stored] of weights.layers.entries()) {
    const parameters: Parameter[] = [];
    for (const [name, data] of stored.vectors) parameters.push(await parameter(device, name, [data.length], data));
    for (const [name, weight] of stored.linear) {
      if (weight.kind !== "float32") throw new Error("full fine-tuning needs float32 weights");
      parameters.push(await parameter(device, inputName.weight(name), linearShape(config, name), weight.data));
    }
    for (const [name, data] of stored.biases)
      parameters.push(await parameter(device, inputName.bias(name), [data.length], data));
    groups.push({ id: `layers.${layer}`, parameters });
  }
  const table = [config.vocabSize, config.hiddenSize];
  const rest = [await parameter(device, "head", table, weights.head)];
  if (weights.finalNorm) rest.push(await parameter(device, "norm", [config.hiddenSize], weights.finalNorm));
  if (weights.finalNormBias) rest.push(await parameter(device, "normBias", [config.hiddenSize], weights.finalNormBias));
  if (weights.positions)
    rest.push(await parameter(device, "positions", [config.maxPositions, config.hiddenSize], weights.positions));
  if (!config.tiedEmbeddings) {
    const ids = Int32Array.from({ length: config.vocabSize }, (_, i) => i);
    const embedding = new Float32Array(config.vocabSize * config.hiddenSize);
    weights.embed(ids, embedding);
    rest.push(await parameter(device, "embedding", table, embedding));
  }
  groups.push({ id: "model", parameters: rest });
  return groups;
}

/** Adapter values brought back to host memory. */
export async function readAdapter(
  device: Device,
  groups: readonly ParameterGroup[],
  shape: AdapterShape,
): Promise<Adapter> {
  const { ranks } = graphAdapter(shape);
  const layers: Adapter["layers"] = [];
  for (const [layer, adapted] of shape.layers.entries()) {
    const byName = new Map(groups[layer]!.parameters.map((p) => [p.name, p]));
    const read = async (key: string) => (await device.download(byName.get(key)!.value)) as Float32Array;
    const factors: Adapter["layers"][number] = new Map();
    for (const [name, { rank }] of adapted) {
      const b = await read(inputName.loraB(name));
      const a = await read(inputName.loraA(name));
      const full = ranks.get(name)!;
      const magnitude = shape.dora ? { magnitude: (await read(inputName.magnitude(name))).slice() } : {};
      factors.set(name, {
        a: cut(a, a.length / full, rank, a.length / full),
        b: cut(b, full, b.length / full, rank),
        ...magnitude,
      });
    }
    layers.push(factors);
  }
  return { shape, layers };
}
