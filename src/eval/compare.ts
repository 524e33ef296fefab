import { existsSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../errors.js";
import { type JsonRow, readAllJsonl } from "../files/jsonl.js";
import { regularFiles } from "../files/regular-file.js";
import { type BootstrapResult, pairedBootstrap, type SignTestResult, signTest } from "../metrics/statistics.js";
import { textTable } from "./results.js";

export interface Comparison {
  suite: string;
  metric: string;
  /** Rows that both runs scored. */
  n: number;
  a: number;
  b: number;
  bootstrap: BootstrapResult;
  sign: SignTestResult;
}

/** Fields of samples that are figures of a row. */
const METRICS = ["acc", "acc_norm", "exact_match_strict", "exact_match_flexible", "preference", "rougeL"];
const REFUSED = "refused";
const ASPECTS = "scores";

/**
 * Compares two result folders row by row: paired bootstrap and sign test for each metric of each suite that both have.
 * Rows are paired by index; a row that differs in its text between the runs is an error, not a comparison.
 *
 * @throws UsageError when a folder holds no samples or the runs share no suite.
 */
export async function compareRuns(
  a: string,
  b: string,
  options: { samples?: number; seed?: number } = {},
): Promise<Comparison[]> {
  const suites = sampleFiles(a).filter((name) => sampleFiles(b).includes(name));
  if (suites.length === 0) throw new UsageError(`${a} and ${b} have no suite in common`);
  const comparisons: Comparison[] = [];
  for (const suite of suites) {
    const [left, right] = await Promise.all(
      [a, b].map((folder) => readAllJsonl(join(folder, "samples", `${suite}.jsonl`))),
    );
    for (const [metric, first, second] of paired(suite, left!, right!)) {
      const n = first.length;
      comparisons.push({
        suite,
        metric,
        n,
        a: first.reduce((sum, value) => sum + value, 0) / n,
        b: second.reduce((sum, value) => sum + value, 0) / n,
        bootstrap: pairedBootstrap(second, first, options),
        sign: signTest(second, first),
      });
    }
  }
  return comparisons;
}

function sampleFiles(folder: string): string[] {
  const samples = join(folder, "samples");
  if (!existsSync(samples)) throw new UsageError(`${folder}: holds no samples of an evaluation`);
  return regularFiles(samples)
    .filter((name) => name.endsWith(".jsonl"))
    .map((name) => name.slice(0, -".jsonl".length));
}

function paired(suite: string, left: readonly JsonRow[], right: readonly JsonRow[]): [string, number[], number[]][] {
  const others = new Map(right.map((row) => [row.index, row]));
  const values = new Map<string, [number[], number[]]>();
  for (const row of left) {
    const other = others.get(row.index);
    if (!other) continue;
    if (textOf(row) !== textOf(other))
      throw new UsageError(`${suite}: row ${row.index} is not the same question in both runs`);
    const mine = figures(row);
    const theirs = figures(other);
    for (const [metric, value] of mine) {
      const against = theirs.get(metric);
      if (against === undefined) continue;
      const lists = values.get(metric) ?? [[], []];
      values.set(metric, lists);
      lists[0].push(value);
      lists[1].push(against);
    }
  }
  return [...values].map(([metric, [first, second]]) => [metric, first, second]);
}

/** What was asked, in a form that does not depend on shots or templates. */
function textOf(row: JsonRow): string {
  return JSON.stringify([row.instruction ?? null, row.choices ?? null, row.gold ?? null, row.target ?? null]);
}

function figures(row: JsonRow): Map<string, number> {
  const found = new Map<string, number>();
  for (const metric of METRICS) if (typeof row[metric] === "number") found.set(metric, row[metric]);
  const label = row.refusal_clf_label ?? row.phrases_label;
  if (label === "refusal" || label === "compliance") found.set(REFUSED, Number(label === "refusal"));
  const scores = row[ASPECTS] as Record<string, { score?: number }> | undefined;
  for (const [aspect, { score }] of Object.entries(scores ?? {}))
    if (typeof score === "number") found.set(aspect, score);
  return found;
}

/** The comparison as a table; the difference is B minus A. */
export function comparisonText(comparisons: readonly Comparison[]): string {
  const rows = comparisons.map(({ suite, metric, n, a, b, bootstrap, sign }) => [
    suite,
    metric,
    String(n),
    a.toFixed(4),
    b.toFixed(4),
    signed(bootstrap.difference),
    `[${signed(bootstrap.low)}, ${signed(bootstrap.high)}]`,
    bootstrap.pValue.toFixed(4),
    `${sign.wins}/${sign.losses}/${sign.ties}`,
    sign.pValue.toFixed(4),
  ]);
  const head = ["suite", "metric", "n", "A", "B", "B − A", "95 % interval", "p", "wins/losses/ties", "p (sign)"];
  return textTable([head, ...rows], [0, 1]);
}

const signed = (value: number): string => `${value >= 0 ? "+" : ""}${value.toFixed(4)}`;
