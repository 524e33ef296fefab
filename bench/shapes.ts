/** Models of known shape with random NF4 weights: training costs the same whatever the weights are. */
import { randomFillSync } from "node:crypto";
import { decoderConfig } from "../src/model/architectures/index.js";
import { vectorShapes } from "../src/model/decoder-layer.js";
import { type DecoderWeights, embedFrom, type StoredLayer } from "../src/model/weights.js";
import { NESTED_BLOCK, signedDynamicMap } from "../src/quant/dynamic-map.js";

const llama = { model_type: "llama", hidden_act: "silu", rms_norm_eps: 1e-5, rope_theta: 500000 };

/** config.json of models that the papers tune. */
const SHAPES: Record<string, Record<string, unknown>> = {
  "qwen2.5-0.5b": {
    model_type: "qwen2",
    vocab_size: 151936,
    hidden_size: 896,
    intermediate_size: 4864,
    num_hidden_layers: 24,
    num_attention_heads: 14,
    num_key_value_heads: 2,
    max_position_embeddings: 32768,
    rms_norm_eps: 1e-6,
    rope_theta: 1000000,
    tie_word_embeddings: true,
  },
  "llama-3.1-8b": {
    ...llama,
    vocab_size: 128256,
    hidden_size: 4096,
    intermediate_size: 14336,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    max_position_embeddings: 131072,
    tie_word_embeddings: false,
  },
};

export const shapeNames = Object.keys(SHAPES);

/** Random weights of a named shape: NF4 with nested scales in the blocks, float32 embedding and head. */
export function randomWeights(name: string): DecoderWeights {
  const fields = SHAPES[name];
  if (!fields) throw new Error(`no shape "${name}"; there are ${shapeNames.join(", ")}`);
  const config = decoderConfig(fields, name);
  const code = signedDynamicMap();
  const layers = Array.from({ length: config.layers }, (): StoredLayer => {
    const stored: StoredLayer = { linear: new Map(), biases: new Map(), vectors: new Map() };
    for (const { name: linear, shape: sizes, bias } of config.block.linears) {
      const shape: [number, number] = [...sizes];
      const blocks = (shape[0] * shape[1]) / 64;
      const absmax = {
        codes: randomFillSync(new Uint8Array(blocks)),
        absmax: new Float32Array(Math.ceil(blocks / NESTED_BLOCK)).fill(0.5 / Math.sqrt(shape[1])),
        code,
        offset: 2 / Math.sqrt(shape[1]),
      };
      const packed = randomFillSync(new Uint8Array((shape[0] * shape[1]) / 2));
      stored.linear.set(linear, { kind: "nf4", weight: { shape, packed, absmax, blockSize: 64, quantType: "nf4" } });
      if (bias) stored.biases.set(linear, new Float32Array(shape[0]));
    }
    for (const [vector, size] of vectorShapes(config)) stored.vectors.set(vector, new Float32Array(size).fill(1));
    return stored;
  });
  const { vocabSize, hiddenSize, tiedEmbeddings } = config;
  const head = new Float32Array(vocabSize * hiddenSize);
  for (let i = 0; i < head.length; i++) head[i] = (((i * 2654435761) >>> 8) / 2 ** 24 - 0.5) * 0.04;
  return {
    config,
    source: name,
    layers,
    finalNorm: new Float32Array(hiddenSize).fill(1),
    head,
    // An untied embedding of this size is read from the file row by row (model/weights.ts).
    embed: tiedEmbeddings
      ? embedFrom(head, hiddenSize)
      : (tokens, out) => {
          for (let i = 0; i < tokens.length * hiddenSize; i++) out[i] = Math.sin(i * 0.37) * 0.05;
        },
    close: () => {},
  };
}
