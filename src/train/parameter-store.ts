/** The trainable tensors of a run, in groups that are updated together: one per block, one for the rest. */
import type { Adapter, AdapterShape } from "../model/adapter.js";
import { linearShape } from "../model/decoder-layer.js";
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
  const zeros = () => device.upload("float32", new Float32Array(data.length), dims);
  return {
    name,
    dims,
    value: await device.upload("float32", data, dims),
    gradient: await zeros(),
    m: await zeros(),
    v: await zeros(),
  };
}

/** A new adapter as PEFT initialises it: A uniform in ±1/√in (Kaiming, a = √5), B zero. */
export function newAdapter(weights: Pick<DecoderWeights, "config">, shape: AdapterShape, seed: number): Adapter {
  const { config } = weights;
  const layers = Array.from({ length: config.layers }, (_, layer) => {
    const factors: Adapter["layers"][number] = new Map();
    for (const name of shape.targets) {
      const [out, width] = linearShape(config, name);
      const random = new Random("lora-init", seed, layer, name);
      const bound = 1 / Math.sqrt(width);
      const a = Float32Array.from({ length: shape.rank * width }, () => (2 * random.uniform() - 1) * bound);
      factors.set(name, { a, b: new Float32Array(out * shape.rank) });
    }
    return factors;
  });
  return { shape, layers };
}

/** Parameters of an adapter. */
export async function adapterGroups(
  device: Device,
  weights: DecoderWeights,
  adapter: Adapter,
): Promise<ParameterGroup[]> {
  const groups: ParameterGroup[] = [];
  for (const [layer, factors] of adapter.layers.entries()) {
    const parameters: Parameter[] = [];
    for (const [name, { a, b }] of factors) {
      const [out, width] = linearShape(weights.config, name);
      parameters.push(await parameter(device, inputName.loraA(name), [adapter.shape.rank, width], a.slice()));
      parameters.push(await parameter(device, inputName.loraB(name), [out, adapter.shape.rank], b.slice()));
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
  const layers: Adapter["layers"] = [];
  for (const { parameters } of groups) {
    const byName = new Map(parameters.map((p) => [p.name, p]));
    const factors: Adapter["layers"][number] = new Map();
    for (const name of shape.targets) {
      const read = async (key: string) => (await device.download(byName.get(key)!.value)) as Float32Array;
      factors.set(name, { a: await read(inputName.loraA(name)), b: await read(inputName.loraB(name)) });
    }
    layers.push(factors);
  }
  return { shape, layers };
}
