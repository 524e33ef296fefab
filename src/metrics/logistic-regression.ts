/** Rows of a weighted logistic regression without intercept whose targets may be any probability. */
export interface LogisticData {
  /** Feature columns, each with one number a row. */
  columns: readonly Float64Array[];
  /** Probability of the positive class, 0–1, a row. */
  target: Float64Array;
  /** Weight a row; all 1 when left out. */
  weight?: Float64Array;
}

export interface LogisticOptions {
  /** Strength of the L1 penalty Σ|β| against the summed loss; default 0. */
  l1?: number;
  /** Strength of the L2 penalty ½Σβ²; default 0. */
  l2?: number;
  /** Fixed part of each row's logit. */
  offset?: Float64Array;
  /** Where to begin; zeros when left out. */
  start?: readonly number[];
}

/** 1 / (1 + e^−x), without overflow. */
export function sigmoid(x: number): number {
  return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
}

const MAX_ROUNDS = 200;
const MAX_STEP = 5;

function logits(
  { columns, target }: LogisticData,
  coefficients: readonly number[],
  offset?: Float64Array,
): Float64Array {
  const z = offset ? Float64Array.from(offset) : new Float64Array(target.length);
  columns.forEach((column, k) => {
    for (let i = 0; i < z.length; i++) z[i]! += coefficients[k]! * column[i]!;
  });
  return z;
}

/**
 * Coefficients that minimise Σ w·crossEntropy(target, sigmoid(offset + Xβ)) + l1·Σ|β| + l2·½Σβ², by coordinate-wise
 * Newton steps with soft thresholding; for the handful of features that the evaluations use.
 */
export function fitLogistic(data: LogisticData, options: LogisticOptions = {}): number[] {
  const { columns, target, weight } = data;
  const { l1 = 0, l2 = 0, offset, start } = options;
  const coefficients = start ? [...start] : columns.map(() => 0);
  const z = logits(data, coefficients, offset);
  for (let round = 0; round < MAX_ROUNDS; round++) {
    let largest = 0;
    for (let k = 0; k < columns.length; k++) {
      const column = columns[k]!;
      let gradient = l2 * coefficients[k]!;
      let curvature = l2 + 1e-12;
      for (let i = 0; i < z.length; i++) {
        const p = sigmoid(z[i]!);
        const w = (weight ? weight[i]! : 1) * column[i]!;
        gradient += w * (p - target[i]!);
        curvature += w * column[i]! * p * (1 - p);
      }
      const moved = softThreshold(coefficients[k]! - gradient / curvature, l1 / curvature);
      const step = Math.max(-MAX_STEP, Math.min(MAX_STEP, moved - coefficients[k]!));
      if (step === 0) continue;
      coefficients[k]! += step;
      for (let i = 0; i < z.length; i++) z[i]! += step * column[i]!;
      largest = Math.max(largest, Math.abs(step));
    }
    if (largest < 1e-9) break;
  }
  return coefficients;
}

function softThreshold(value: number, by: number): number {
  return Math.sign(value) * Math.max(Math.abs(value) - by, 0);
}

/** Predicted probabilities of the rows. */
function predictLogistic(data: LogisticData, coefficients: readonly number[]): Float64Array {
  return logits(data, coefficients).map(sigmoid);
}

/** Mean over rows of weight times cross-entropy. */
function logLoss(data: LogisticData, coefficients: readonly number[]): number {
  const predicted = predictLogistic(data, coefficients);
  let sum = 0;
  for (let i = 0; i < predicted.length; i++) {
    const p = Math.min(1 - 1e-15, Math.max(1e-15, predicted[i]!));
    const y = data.target[i]!;
    sum -= (data.weight ? data.weight[i]! : 1) * (y * Math.log(p) + (1 - y) * Math.log(1 - p));
  }
  return sum / predicted.length;
}

/** The rows for which `keep` says so. */
function selectRows(data: LogisticData, keep: (row: number) => boolean): LogisticData {
  const pick = (values: Float64Array) => values.filter((_, i) => keep(i));
  return { columns: data.columns.map(pick), target: pick(data.target), weight: data.weight && pick(data.weight) };
}

const PENALTIES = Array.from({ length: 10 }, (_, i) => 10 ** (4 - (8 * i) / 9));
const FOLDS = 5;

/**
 * Fit with the L1 strength (from 10⁴ down to 10⁻⁴ in ten steps) that predicts held-out fifths of the rows best; the
 * last of equally good ones in that order does not win.
 */
export function fitLogisticCrossValidated(data: LogisticData): { coefficients: number[]; l1: number } {
  const n = data.target.length;
  const losses = PENALTIES.map(() => 0);
  for (let fold = 0; fold < FOLDS; fold++) {
    const held = (row: number) => (n - 1 - row) % FOLDS === fold;
    const training = selectRows(data, (row) => !held(row));
    const test = selectRows(data, held);
    let start: number[] | undefined;
    PENALTIES.forEach((l1, i) => {
      start = fitLogistic(training, { l1, start });
      losses[i]! += logLoss(test, start);
    });
  }
  const l1 = PENALTIES[losses.indexOf(Math.min(...losses))]!;
  return { coefficients: fitLogistic(data, { l1 }), l1 };
}
