/** Puts a model's weights, and an adapter's, where the programs read them. */
import type { Adapter } from "../../model/adapter.js";
import { blockNorms, type NormSpec } from "../../model/block-spec.js";
import type { DecoderConfig } from "../../model/decoder-config.js";
import { linearShape } from "../../model/decoder-layer.js";
import { type DecoderWeights, decodeWeight } from "../../model/weights.js";
import type { SoloAdapter, SoloWeights } from "./solo-layout.js";
import type { SoloMemory } from "./solo-memory.js";

export function placeWeights(memory: SoloMemory, { config, layers, finalNorm, head }: DecoderWeights): SoloWeights {
  const { hiddenSize, vocabSize } = config;
  const place = ({ offset }: NormSpec, weight: Float32Array): number => memory.vector(weight.map((w) => w + offset));
  const norms = blockNorms(config.block).filter(({ weight }) => weight !== undefined);
  const ones = memory.vector(new Float32Array(hiddenSize).fill(1));
  return {
    layers: layers.map(({ linear, biases, vectors }) => ({
      linear: new Map(
        [...linear].map(([name, stored]) => {
          const shape = linearShape(config, name);
          const data = decodeWeight(stored, () => new Float32Array(shape[0] * shape[1]));
          return [name, memory.linear(data, shape, biases.get(name))];
        }),
      ),
      vectors: new Map(norms.map((norm) => [norm.weight!, place(norm, vectors.get(norm.weight!)!)])),
    })),
    finalNorm: finalNorm ? place(config.finalNorm, finalNorm) : ones,
    ones,
    head: memory.linear(head, [vocabSize, hiddenSize]),
  };
}

export function placeAdapter(memory: SoloMemory, config: DecoderConfig, { shape, layers }: Adapter): SoloAdapter {
  return {
    shape,
    layers: layers.map(
      (factors, layer) =>
        new Map(
          [...factors].map(([name, { a, b }]) => {
            const [out, width] = linearShape(config, name);
            const { rank, scaling } = shape.layers[layer]!.get(name)!;
            return [name, { a: memory.linear(a, [rank, width]), b: memory.linear(b, [out, rank], undefined, scaling) }];
          }),
        ),
    ),
  };
}
