import { Random } from "../random/counter.js";
import { normalCdf, normalQuantile, studentCdf, studentQuantile } from "./student-t.js";

/** Arithmetic mean; `NaN` for an empty list. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Sample variance (n − 1); `NaN` for fewer than two values. */
export function sampleVariance(values: readonly number[]): number {
  if (values.length < 2) return Number.NaN;
  const centre = mean(values);
  return values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1);
}

/** Standard error of the mean, from the sample deviation (n − 1); `NaN` for fewer than two values. */
export function standardError(values: readonly number[]): number {
  return Math.sqrt(sampleVariance(values) / values.length);
}

/** One group's result, as parts of a larger benchmark report it. */
export interface GroupResult {
  value: number;
  /** Standard error of the group's mean. */
  stderr: number;
  /** Rows in the group. */
  n: number;
}

/**
 * Mean over the rows of all groups, and its standard error from the groups' pooled variance, the way
 * lm-evaluation-harness aggregates subtasks (MMLU's 57 subjects).
 */
export function poolGroups(groups: readonly GroupResult[]): GroupResult {
  const n = groups.reduce((sum, group) => sum + group.n, 0);
  const value = groups.reduce((sum, group) => sum + group.value * group.n, 0) / n;
  const squares = groups.reduce((sum, group) => sum + (group.n - 1) * group.stderr ** 2 * group.n, 0);
  return { value, stderr: Math.sqrt(squares / (n - groups.length) / n), n };
}

export interface BootstrapOptions {
  /** Resamples; default 10,000. */
  samples?: number;
  /** Default 0. */
  seed?: number;
  /** Share of the interval; default 0.95. */
  confidence?: number;
}

export interface BootstrapResult {
  /** Mean of `a` minus mean of `b` on the rows as they are. */
  difference: number;
  /** Interval of the difference; null with a single row, which says nothing of its own spread. */
  low: number | null;
  high: number | null;
  /** Two-sided; 1 with a single row. */
  pValue: number;
}

/**
 * Paired bootstrap over rows (Efron and Tibshirani 1993; Koehn 2004): both systems are scored on the same resampled rows.
 *
 * Resamples spread too little, by √((n − 1) / n), and few rows tell little of their own spread. Both are put right as in Hesterberg's
 * expanded percentile interval (The American Statistician 69, 2015, section 4.4): the percentiles are those at which the normal
 * distribution stands where Student's t with n − 1 degrees of freedom should, and the p-value goes the same way back. It starts from
 * the share of resamples on the other side of 0 (ties count on both), with the usual +1 correction.
 *
 * @param a scores of one system, row by row. @param b scores of the other on the same rows.
 */
export function pairedBootstrap(
  a: readonly number[],
  b: readonly number[],
  options: BootstrapOptions = {},
): BootstrapResult {
  const { samples = 10_000, seed = 0, confidence = 0.95 } = options;
  if (a.length !== b.length || a.length === 0) {
    throw new RangeError(`paired bootstrap: needs equally many scores on both sides, got ${a.length} and ${b.length}`);
  }
  const differences = Float64Array.from(a, (value, i) => value - b[i]!);
  const n = differences.length;
  const random = new Random("paired-bootstrap", seed);
  const means = new Float64Array(samples);
  for (let s = 0; s < samples; s++) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += differences[Math.floor(random.uniform() * n)]!;
    means[s] = sum / n;
  }
  means.sort();
  let notAbove = 0;
  let notBelow = 0;
  for (const value of means) {
    if (value <= 0) notAbove++;
    if (value >= 0) notBelow++;
  }
  const difference = mean([...differences]);
  if (n < 2) return { difference, low: null, high: null, pValue: 1 };
  const at = (share: number) => means[Math.min(samples - 1, Math.max(0, Math.floor(share * samples)))]!;
  const widen = Math.sqrt(n / (n - 1));
  const tail = normalCdf(-widen * studentQuantile((1 + confidence) / 2, n - 1));
  const share = (Math.min(notAbove, notBelow) + 1) / (samples + 1);
  return {
    difference,
    low: at(tail),
    high: at(1 - tail),
    pValue: share >= 0.5 ? 1 : Math.min(1, 2 * studentCdf(normalQuantile(share) / widen, n - 1)),
  };
}

/** Probabilities of 0..n successes in n trials. */
function binomialPmf(n: number, p: number): Float64Array {
  const pmf = new Float64Array(n + 1);
  if (p <= 0 || p >= 1) {
    pmf[p <= 0 ? 0 : n] = 1;
    return pmf;
  }
  let logChoose = 0;
  for (let k = 0; k <= n; k++) {
    pmf[k] = Math.exp(logChoose + k * Math.log(p) + (n - k) * Math.log1p(-p));
    logChoose += Math.log((n - k) / (k + 1));
  }
  return pmf;
}

/** Exact two-sided binomial test: the probability, under `p`, of all outcomes no likelier than `successes`. */
export function binomialTest(successes: number, trials: number, p = 0.5): number {
  if (trials === 0) return 1;
  const pmf = binomialPmf(trials, p);
  // The tolerance takes outcomes as equally likely that differ by rounding only, as R and SciPy do.
  const limit = pmf[successes]! * (1 + 1e-7);
  let sum = 0;
  for (const probability of pmf) if (probability <= limit) sum += probability;
  return Math.min(1, sum);
}

/** Exact (Clopper–Pearson) confidence interval of a share. */
export function binomialInterval(successes: number, trials: number, confidence = 0.95): { low: number; high: number } {
  const tail = (1 - confidence) / 2;
  const upperTail = (p: number) =>
    binomialPmf(trials, p)
      .slice(successes)
      .reduce((sum, q) => sum + q, 0);
  const lowerTail = (p: number) =>
    binomialPmf(trials, p)
      .slice(0, successes + 1)
      .reduce((sum, q) => sum + q, 0);
  return {
    low: successes === 0 ? 0 : bisect((p) => upperTail(p) - tail),
    high: successes === trials ? 1 : bisect((p) => tail - lowerTail(p)),
  };
}

/** Zero of a function that rises on [0, 1]. */
function bisect(rising: (p: number) => number): number {
  let low = 0;
  let high = 1;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (rising(middle) < 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

export interface SignTestResult {
  /** Rows on which `a` is larger, on which `b` is larger, and on which they are equal. */
  wins: number;
  losses: number;
  ties: number;
  /** Two-sided exact, ties left out. */
  pValue: number;
}

/** Sign test on paired scores. */
export function signTest(a: readonly number[], b: readonly number[]): SignTestResult {
  if (a.length !== b.length) throw new RangeError(`sign test: ${a.length} scores against ${b.length}`);
  let wins = 0;
  let losses = 0;
  for (let i = 0; i < a.length; i++) {
    if (a[i]! > b[i]!) wins++;
    else if (a[i]! < b[i]!) losses++;
  }
  return { wins, losses, ties: a.length - wins - losses, pValue: binomialTest(wins, wins + losses) };
}
