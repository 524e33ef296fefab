/** Embeddings of a text's tokens: `count` rows of `width` numbers, each row of Euclidean length 1. */
export interface TokenEmbeddings {
  vectors: Float32Array;
  count: number;
  width: number;
  /** Weight of each token's own best match, 0 for special tokens (they may still be matched); all 1 when left out. */
  weights?: Float32Array | readonly number[];
  /**
   * The text stands beside a longer one in a batch: bert-score lets the padding be matched too, with a cosine of 0, so that
   * no token's best match is below it.
   */
  isPadded?: boolean;
}

export interface BertScore {
  precision: number;
  recall: number;
  f1: number;
}

/** Scales every row to Euclidean length 1 in place; a zero row stays. */
export function normalizeRows(vectors: Float32Array, width: number): Float32Array {
  for (let start = 0; start < vectors.length; start += width) {
    let square = 0;
    for (let k = start; k < start + width; k++) square += vectors[k]! * vectors[k]!;
    const scale = square > 0 ? 1 / Math.sqrt(square) : 0;
    for (let k = start; k < start + width; k++) vectors[k]! *= scale;
  }
  return vectors;
}

/** Weighted means of each candidate token's and each reference token's best cosine. */
function greedyMatch(candidate: TokenEmbeddings, reference: TokenEmbeddings): { precision: number; recall: number } {
  const { width } = candidate;
  const weightOf = (side: TokenEmbeddings, i: number) => side.weights?.[i] ?? 1;
  const leastMatch = (side: TokenEmbeddings) => (side.isPadded ? 0 : Number.NEGATIVE_INFINITY);
  const bestOfReference = new Float64Array(reference.count).fill(leastMatch(candidate));
  let precision = 0;
  let candidateWeight = 0;
  for (let i = 0; i < candidate.count; i++) {
    let best = leastMatch(reference);
    for (let j = 0; j < reference.count; j++) {
      let cosine = 0;
      for (let k = 0; k < width; k++) {
        cosine += candidate.vectors[i * width + k]! * reference.vectors[j * width + k]!;
      }
      if (cosine > best) best = cosine;
      if (cosine > bestOfReference[j]!) bestOfReference[j] = cosine;
    }
    const weight = weightOf(candidate, i);
    if (weight === 0) continue;
    precision += weight * best;
    candidateWeight += weight;
  }
  let recall = 0;
  let referenceWeight = 0;
  for (let j = 0; j < reference.count; j++) {
    const weight = weightOf(reference, j);
    if (weight === 0) continue;
    recall += weight * bestOfReference[j]!;
    referenceWeight += weight;
  }
  return candidateWeight > 0 && referenceWeight > 0
    ? { precision: precision / candidateWeight, recall: recall / referenceWeight }
    : { precision: 0, recall: 0 };
}

/**
 * BERTScore (Zhang et al. 2020, equations of section 3) of one candidate against one reference: greedy matching of
 * cosines, weighted by the tokens' weights. A side without a token of positive weight scores 0.
 */
export function bertScore(candidate: TokenEmbeddings, reference: TokenEmbeddings): BertScore {
  if (candidate.width !== reference.width) {
    throw new RangeError(`BERTScore: embeddings of width ${candidate.width} against ${reference.width}`);
  }
  const { precision, recall } = greedyMatch(candidate, reference);
  const sum = precision + recall;
  return { precision, recall, f1: sum === 0 ? 0 : (2 * precision * recall) / sum };
}

/** Baseline rescaling (x − b) / (1 − b), each figure with its own baseline. */
export function rescaleBertScore(score: BertScore, baseline: BertScore): BertScore {
  const rescale = (x: number, b: number) => (x - b) / (1 - b);
  return {
    precision: rescale(score.precision, baseline.precision),
    recall: rescale(score.recall, baseline.recall),
    f1: rescale(score.f1, baseline.f1),
  };
}

/**
 * Inverse document frequencies over the references: log((N + 1) / (df + 1)) for a token in df of N texts.
 *
 * @param documents token ids of each reference, special tokens included.
 * @returns the weight of a token id; unseen tokens get log(N + 1).
 */
export function inverseDocumentFrequency(documents: readonly ArrayLike<number>[]): (token: number) => number {
  const frequency = new Map<number, number>();
  for (const document of documents) {
    for (const token of new Set(Array.from(document))) frequency.set(token, (frequency.get(token) ?? 0) + 1);
  }
  return (token) => Math.log((documents.length + 1) / ((frequency.get(token) ?? 0) + 1));
}
