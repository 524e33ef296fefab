/** The architecture of a fixture with settings of its own, and random weights. */
import { fileURLToPath } from "node:url";
import { type Checkpoint, openCheckpoint } from "../../src/checkpoint/open.js";
import { decoderConfig } from "../../src/model/architectures/index.js";
import { blockNorms, type NormSpec } from "../../src/model/block-spec.js";
import { Random } from "../../src/random/counter.js";

const fixtures = fileURLToPath(new URL("../../src/model/fixtures/", import.meta.url));

/** Shapes of all weights of a model that shares its embedding, as config.json describes it. */
function shapesOf(fields: Record<string, unknown>): Map<string, number[]> {
  const { block, finalNorm, layers, names, vocabSize, hiddenSize } = decoderConfig(fields, "model");
  const shapes = new Map<string, number[]>([[names.embedding, [vocabSize, hiddenSize]]]);
  const norm = (spec: NormSpec, prefix: string): void => {
    for (const name of [spec.weight, spec.bias]) if (name) shapes.set(`${prefix}${name}`, [spec.size]);
  };
  for (let layer = 0; layer < layers; layer++) {
    const prefix = `${names.blocks}.${layer}.`;
    for (const { name, shape, bias } of block.linears) {
      shapes.set(`${prefix}${name}.weight`, [...shape]);
      if (bias) shapes.set(`${prefix}${name}.bias`, [shape[0]]);
    }
    for (const spec of blockNorms(block)) norm(spec, prefix);
  }
  norm(finalNorm, "");
  return shapes;
}

export function randomModel(name: string, changes: Record<string, unknown>): Checkpoint {
  const base = openCheckpoint(`${fixtures}${name}`);
  const config = { ...base.config, ...changes, tie_word_embeddings: true };
  base.close();
  const shapes = shapesOf(config);
  const read = (weight: string): Float32Array => {
    const shape = shapes.get(weight)!;
    const random = new Random("model", name, weight);
    const size = shape.reduce((a, b) => a * b, 1);
    const [mean, scale] = shape.length > 1 ? [0, 1.4 / Math.sqrt(shape[1]!)] : [name.startsWith("gemma") ? 0 : 1, 0.2];
    return Float32Array.from({ length: size }, () => mean + scale * random.normal());
  };
  return {
    source: name,
    config,
    generationConfig: {},
    names: () => [...shapes.keys()],
    has: (weight) => shapes.has(weight),
    info: (weight) => ({ name: weight, shape: shapes.get(weight)!, format: "F32" }),
    read(weight, out) {
      const data = read(weight);
      out?.set(data);
      return out ?? data;
    },
    readRows(weight, rows, out) {
      const [data, width] = [read(weight), shapes.get(weight)![1]!];
      const some = Array.from(rows).flatMap((row) => [...data.subarray(row * width, (row + 1) * width)]);
      out?.set(some);
      return out ?? Float32Array.from(some);
    },
    readNf4: () => undefined,
    close: () => {},
  };
}
