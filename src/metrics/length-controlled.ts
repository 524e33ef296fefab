import { UsageError } from "../errors.js";
import { fitLogistic, fitLogisticCrossValidated, type LogisticData, sigmoid } from "./logistic-regression.js";
import { mean, sampleVariance, standardError } from "./statistics.js";

/** One judged instruction. */
export interface LengthControlledRow {
  /** 1 = reference better … 2 = model better, 0 or 1.5 = draw; missing ones train nothing but are predicted. */
  preference: number | null | undefined;
  /** Characters (code points) of the reference's output and of the model's. */
  referenceLength: number;
  modelLength: number;
}

/** A row of the official table of "gamed" baselines, which anchors the regression. */
export interface GamedRow {
  /** Place of the instruction in the benchmark. */
  index: number;
  /** 0–1. */
  preference: number;
  /** Length difference over its standard deviation, before tanh. */
  standardLengthDifference: number;
  difficulty: number;
}

export type DifficultySource = "table" | "fitted" | "none";

export interface LengthControlledOptions {
  /** Difficulty of each row's instruction, in row order: from a table, or from `fitDifficulty`. Left out: no such term. */
  difficulty?: readonly number[];
  /** Where `difficulty` is from; default "table". */
  difficultySource?: Exclude<DifficultySource, "none">;
  /** Rows of the gamed baselines, each with weight 0.1. */
  gamed?: readonly GamedRow[];
}

export interface LengthControlledResult {
  /** Percent. */
  winRate: number;
  standardError: number;
  /** Where the difficulty of the instructions came from. */
  difficulty: DifficultySource;
  /** Fitted coefficients; `difficulty` is 0 without such a term. */
  coefficients: { length: number; difficulty: number; model: number };
  /** Strength of the L1 penalty that cross-validation chose. */
  l1: number;
}

/** Two gamed baselines share a weight of 0.2. */
const GAMED_WEIGHT = 0.1;

const shareOf = (preference: number): number => (preference === 0 ? 0.5 : preference - 1);
const isKnown = (preference: number | null | undefined): preference is number =>
  typeof preference === "number" && Number.isFinite(preference);

/** tanh of the length difference (reference minus model) over its standard deviation across the rows. */
export function lengthFeature(rows: readonly (LengthControlledRow | undefined)[]): Float64Array {
  const differences = rows.map((row) => (row ? row.referenceLength - row.modelLength : Number.NaN));
  const deviation = Math.sqrt(sampleVariance(differences.filter((difference) => !Number.isNaN(difference))));
  return Float64Array.from(differences, (difference) => (deviation > 0 ? Math.tanh(difference / deviation) || 0 : 0));
}

/**
 * Length-controlled win rate (Dubois et al. 2024, arXiv 2404.04475): a logistic regression of the preference on the
 * length difference, the instruction's difficulty and a term for the model; the win rate is the mean prediction with
 * the length difference set to 0.
 *
 * Published figures come out only with the official difficulty table and gamed rows.
 *
 * @throws UsageError when fewer than two rows have a preference, or `difficulty` is not one finite number a row.
 */
export function lengthControlledWinRate(
  rows: readonly LengthControlledRow[],
  options: LengthControlledOptions = {},
): LengthControlledResult {
  const { difficulty, gamed = [] } = options;
  const known = rows.flatMap((row, i) => (isKnown(row.preference) ? [i] : []));
  if (known.length < 2) throw new UsageError("length-controlled win rate: fewer than two rows have a preference");
  if (difficulty && (difficulty.length !== rows.length || !difficulty.every(Number.isFinite))) {
    throw new UsageError(
      `length-controlled win rate: the difficulty table must give one number for each of the ${rows.length} rows`,
    );
  }
  const lengths = lengthFeature(rows);
  const anchors = difficulty ? gamed : [];
  const column = (ofRow: (row: number) => number, ofAnchor: (anchor: GamedRow) => number) =>
    Float64Array.from([...anchors.map(ofAnchor), ...known.map(ofRow)]);
  const data: LogisticData = {
    columns: [
      column(
        (row) => lengths[row]!,
        (anchor) => Math.tanh(anchor.standardLengthDifference),
      ),
      ...(difficulty
        ? [
            column(
              (row) => difficulty[row]!,
              (anchor) => anchor.difficulty,
            ),
          ]
        : []),
      column(
        () => 1,
        () => 0,
      ),
    ],
    target: column(
      (row) => shareOf(rows[row]!.preference!),
      (anchor) => anchor.preference,
    ),
    weight: column(
      () => 1,
      () => GAMED_WEIGHT,
    ),
  };
  const { coefficients, l1 } = fitLogisticCrossValidated(data);
  const named = {
    length: coefficients[0]!,
    difficulty: difficulty ? coefficients[1]! : 0,
    model: coefficients.at(-1)!,
  };
  const predictions = rows.map((_, i) => sigmoid(named.model + named.difficulty * (difficulty?.[i] ?? 0)));
  return {
    winRate: 100 * mean(predictions),
    standardError: 100 * standardError(predictions),
    difficulty: difficulty ? (options.difficultySource ?? "table") : "none",
    coefficients: named,
    l1,
  };
}

/**
 * Length-controlled win rate between any two models from published coefficients: the mean over instructions of
 * sigmoid(Δmodel + Δdifficulty · difficulty).
 */
export function predictFromCoefficients(
  model: { model: number; difficulty: number },
  baseline: { model: number; difficulty: number },
  difficulty: readonly number[],
): number {
  return (
    100 *
    mean(difficulty.map((d) => sigmoid(model.model - baseline.model + (model.difficulty - baseline.difficulty) * d)))
  );
}

/**
 * Difficulty of each instruction from the judgements of several models on the same instructions: a joint logistic
 * regression with one number per instruction (shrunk towards 0) and a length and a model term for each model.
 *
 * @param models rows of each model, all in the same instruction order; undefined where a model has none.
 * @returns one number an instruction, with mean 0; larger means the models win more often.
 * @throws UsageError with fewer than two models, or lists of unequal length.
 */
export function fitDifficulty(models: readonly (readonly (LengthControlledRow | undefined)[])[]): number[] {
  const n = models[0]?.length ?? 0;
  if (models.length < 2 || models.some((rows) => rows.length !== n)) {
    throw new UsageError("instruction difficulty: needs the judgements of two or more models on the same instructions");
  }
  const difficulty = new Float64Array(n);
  const lengths = models.map(lengthFeature);
  const ones = new Float64Array(n).fill(1);
  const targets = models.map((rows) =>
    Float64Array.from(rows, (row) => (isKnown(row?.preference) ? shareOf(row.preference) : 0)),
  );
  const weights = models.map((rows) => Float64Array.from(rows, (row) => (isKnown(row?.preference) ? 1 : 0)));
  let terms: number[][] = models.map(() => [0, 0]);
  for (let round = 0; round < 50; round++) {
    terms = models.map((_, m) =>
      fitLogistic(
        { columns: [lengths[m]!, ones], target: targets[m]!, weight: weights[m]! },
        { offset: difficulty, start: terms[m], l2: 1e-6 },
      ),
    );
    let largest = 0;
    for (let i = 0; i < n; i++) {
      let gradient = difficulty[i]!;
      let curvature = 1;
      for (let m = 0; m < models.length; m++) {
        const p = sigmoid(terms[m]![0]! * lengths[m]![i]! + terms[m]![1]! + difficulty[i]!);
        gradient += weights[m]![i]! * (p - targets[m]![i]!);
        curvature += weights[m]![i]! * p * (1 - p);
      }
      const step = gradient / curvature;
      difficulty[i]! -= step;
      largest = Math.max(largest, Math.abs(step));
    }
    if (largest < 1e-6) break;
  }
  const centre = mean([...difficulty]);
  return Array.from(difficulty, (d) => d - centre);
}
