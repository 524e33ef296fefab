import { existsSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../errors.js";
import { type JsonRow, readAllJsonl } from "../files/jsonl.js";
import { regularFiles } from "../files/regular-file.js";
import { type BootstrapResult, mean, pairedBootstrap, type SignTestResult, signTest } from "../metrics/statistics.js";
import { textTable } from "./results.js";
import { openResults } from "./results-file.js";
import { rowFigures, rowIdentity } from "./row-figures.js";

export interface Comparison {
  suite: string;
  metric: string;
  /** Questions that both runs have a figure for. */
  n: number;
  a: number;
  b: number;
  bootstrap: BootstrapResult;
  sign: SignTestResult;
}

/** What two runs have in common, and what they have not. */
export interface RunComparison {
  comparisons: Comparison[];
  /** Lines on what was left out and why. */
  notes: string[];
}

/**
 * Compares two result folders question by question: paired bootstrap and sign test for each metric of each suite that both have.
 * Questions are paired by what is asked, never by their place; a question that a file holds several times counts once, by its mean.
 *
 * @throws UsageError when a folder holds no samples, the runs share no suite, or no question has a figure in both.
 */
export async function compareRuns(
  a: string,
  b: string,
  options: { samples?: number; seed?: number } = {},
): Promise<RunComparison> {
  const suites = sampleFiles(a).filter((name) => sampleFiles(b).includes(name));
  if (suites.length === 0) throw new UsageError(`${a} and ${b} have no suite in common`);
  const comparisons: Comparison[] = [];
  const notes: string[] = [];
  for (const suite of suites) {
    const [left, right] = await Promise.all(
      [a, b].map(async (folder) => questionsOf(suite, await readAllJsonl(join(folder, "samples", `${suite}.jsonl`)))),
    );
    notes.push(...leftovers(suite, left!, right!));
    const metrics = paired(left!, right!);
    for (const [metric, [first, second]] of metrics)
      comparisons.push({
        suite,
        metric,
        n: first.length,
        a: mean(first),
        b: mean(second),
        bootstrap: pairedBootstrap(second, first, options),
        sign: signTest(second, first),
      });
    notes.push(...figuresOfRuns(suite, [a, b], [left!, right!], new Set(metrics.keys())));
  }
  if (comparisons.length === 0)
    throw new UsageError(`${a} and ${b}: no question has a figure in both (${notes.join("; ") || suites.join(", ")})`);
  return { comparisons, notes };
}

function sampleFiles(folder: string): string[] {
  const samples = join(folder, "samples");
  if (!existsSync(samples)) throw new UsageError(`${folder}: holds no samples of an evaluation`);
  return regularFiles(samples)
    .filter((name) => name.endsWith(".jsonl"))
    .map((name) => name.slice(0, -".jsonl".length));
}

/** Figures by metric, for each question. */
interface Questions {
  figures: Map<string, Map<string, number>>;
  /** Questions that stand more than once. */
  repeated: number;
}

function questionsOf(suite: string, rows: readonly JsonRow[]): Questions {
  const groups = new Map<string, Map<string, number>[]>();
  for (const row of rows) {
    const id = rowIdentity(row);
    groups.set(id, [...(groups.get(id) ?? []), rowFigures(suite, row)]);
  }
  const figures = new Map([...groups].map(([id, members]) => [id, meanFigures(members)]));
  return { figures, repeated: [...groups.values()].filter(({ length }) => length > 1).length };
}

function meanFigures(members: readonly Map<string, number>[]): Map<string, number> {
  const names = new Set(members.flatMap((member) => [...member.keys()]));
  return new Map(
    [...names].map((name) => [name, mean(members.flatMap((member) => member.get(name) ?? []).sort((x, y) => x - y))]),
  );
}

function paired(left: Questions, right: Questions): Map<string, [number[], number[]]> {
  const values = new Map<string, [number[], number[]]>();
  // In an order of their own, so that the resamples do not depend on the files' order.
  for (const id of [...left.figures.keys()].sort()) {
    const others = right.figures.get(id);
    for (const [metric, value] of left.figures.get(id)!) {
      const against = others?.get(metric);
      if (against === undefined) continue;
      const lists = values.get(metric) ?? [[], []];
      values.set(metric, lists);
      lists[0].push(value);
      lists[1].push(against);
    }
  }
  return values;
}

function leftovers(suite: string, left: Questions, right: Questions): string[] {
  const notes: string[] = [];
  const only = (mine: Questions, other: Questions): number =>
    [...mine.figures.keys()].filter((id) => !other.figures.has(id)).length;
  const [inA, inB] = [only(left, right), only(right, left)];
  if (inA + inB > 0) notes.push(`${suite}: ${inA} questions are in A alone, ${inB} in B alone; they are left out`);
  const repeated = Math.max(left.repeated, right.repeated);
  if (repeated > 0) notes.push(`${suite}: ${repeated} questions are there several times; each counts once`);
  return notes;
}

/** What tells a reader of `results.json` why a figure is not here, or is another one here, and how the runs worked theirs out. */
function figuresOfRuns(
  suite: string,
  folders: readonly string[],
  questions: readonly Questions[],
  compared: ReadonlySet<string>,
): string[] {
  const whole = new Set<string>();
  const otherwise = new Set<string>();
  const how: string[] = [];
  for (const [i, folder] of folders.entries())
    for (const [metric, { value, how: given }] of Object.entries(openResults(folder)?.[suite]?.metrics ?? {})) {
      if (given !== undefined) how.push(`${suite}, ${metric} of ${"AB"[i]}: ${given}`);
      const rows = [...questions[i]!.figures.values()].flatMap((row) => row.get(metric) ?? []);
      if (!compared.has(metric)) whole.add(metric);
      else if (value !== null && Math.abs(mean(rows) - value) > 1e-9 * Math.max(1, Math.abs(value)))
        otherwise.add(metric);
    }
  const are = (names: ReadonlySet<string>): string => (names.size === 1 ? "is a figure" : "are figures");
  return [
    ...(whole.size > 0 ? [`${suite}: ${[...whole].join(", ")} ${are(whole)} of a whole run, not of rows`] : []),
    ...(otherwise.size > 0
      ? [
          `${suite}: ${[...otherwise].join(", ")} here: the mean over questions; a run's own figure weighs its rows otherwise (subsets, repeats)`,
        ]
      : []),
    ...how,
  ];
}

/** The comparison as a table; the difference is B minus A. */
export function comparisonText({ comparisons, notes }: RunComparison): string {
  const rows = comparisons.map(({ suite, metric, n, a, b, bootstrap, sign }) => [
    suite,
    metric,
    String(n),
    a.toFixed(4),
    b.toFixed(4),
    signed(bootstrap.difference),
    bootstrap.low === null || bootstrap.high === null ? "–" : `[${signed(bootstrap.low)}, ${signed(bootstrap.high)}]`,
    bootstrap.pValue.toFixed(4),
    `${sign.wins}/${sign.losses}/${sign.ties}`,
    sign.pValue.toFixed(4),
  ]);
  const head = ["suite", "metric", "n", "A", "B", "B − A", "95 % interval", "p", "wins/losses/ties", "p (sign)"];
  return `${textTable([head, ...rows], [0, 1])}${notes.map((note) => `${note}\n`).join("")}`;
}

const signed = (value: number): string => `${value >= 0 ? "+" : ""}${value.toFixed(4)}`;
