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
