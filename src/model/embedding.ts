/** Embedding look-up: what the first block reads. */
import { Graph, ops } from "../graph/index.js";
import { hostTensor, type Tensor, type TensorScope } from "../runtime/device.js";
import type { DecoderConfig } from "./decoder-config.js";
import type { PackedRow } from "./packed-row.js";
import type { DecoderWeights } from "./weights.js";

/**
 * What the first block reads: embeddings, scaled as the model wants them, with learned positions added where it has them.
 * @param positions of each token, for learned positions.
 * @param out [tokens, hidden].
 */
export function embedTokens(
  { config, embed, positions: learned }: Pick<DecoderWeights, "config" | "embed" | "positions">,
  tokens: ArrayLike<number>,
  positions: ArrayLike<number>,
  out: Float32Array = new Float32Array(tokens.length * config.hiddenSize),
): Float32Array {
  const { hiddenSize, embeddingScale } = config;
  embed(tokens, out);
  if (embeddingScale !== 1) for (let i = 0; i < out.length; i++) out[i]! *= embeddingScale;
  if (learned)
    for (let token = 0; token < tokens.length; token++) {
      const from = positions[token]! * hiddenSize;
      for (let j = 0; j < hiddenSize; j++) out[token * hiddenSize + j]! += learned[from + j]!;
    }
  return out;
}

/** The tables of a model on a device. */
export interface EmbeddingTables {
  /** [vocab, hidden]. */
  table: Tensor;
  /** [positions, hidden]. */
  learned?: Tensor;
}

/**
 * A row's embeddings [tokens, hidden], which the scope owns.
 * @param onHost as `embedTokens` makes them. @param tables asked for only where the device looks them up itself.
 */
export function embedRow(
  scope: TensorScope,
  config: DecoderConfig,
  row: PackedRow,
  onHost: () => Float32Array | Promise<Float32Array>,
  tables: () => Promise<EmbeddingTables>,
): Promise<Tensor> {
  const { hiddenSize, embeddingScale, vocabSize } = config;
  const learned = config.names.positions !== undefined;
  const indices = (data: Int32Array): Tensor => hostTensor("int32", data, [data.length]);
  return scope.make({
    host: async () => hostTensor("float32", await onHost(), [row.tokens.length, hiddenSize]),
    key: `embed ${vocabSize} ${hiddenSize} ${embeddingScale} ${learned}`,
    graph: () => {
      const graph = new Graph();
      const look = (table: string, rows: number | string, at: string) =>
        ops.rowsAt(graph.input(table, "float32", [rows, hiddenSize]), graph.input(at, "int32", ["tokens"]));
      const words = ops.scale(look("table", vocabSize, "tokens"), embeddingScale);
      graph.output("y", learned ? ops.add(words, look("learned", "positions", "at")) : words);
      return graph;
    },
    feeds: async () => {
      const found = await tables();
      const feeds: Record<string, Tensor> = { table: found.table, tokens: indices(row.tokens) };
      return learned ? { ...feeds, learned: found.learned!, at: indices(row.positions) } : feeds;
    },
  });
}
