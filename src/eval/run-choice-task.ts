import { join } from "node:path";
import { UsageError } from "../errors.js";
import { sha256 } from "../files/sha256.js";
import { poolGroups } from "../metrics/statistics.js";
import { type LoadedRows, loadSplit } from "./load-rows.js";
import { choiceRequests, type Request, ShotSampler } from "./prompts.js";
import { meanMetric, plainMetric, type Sample, type SuiteOutput, type SuiteResult } from "./results.js";
import type { Row } from "./row.js";
import { type Score, scoreInBlocks } from "./score-in-blocks.js";
import type { SuiteContext } from "./suite.js";
import type { ChoiceDoc, ChoiceTask } from "./task.js";

/** A row that can be scored, or why it cannot. */
interface Prepared {
  index: number;
  part?: string;
  doc?: ChoiceDoc;
  requests: Request[];
  problem?: string;
}

/** Scores a multiple-choice benchmark: for each choice the log-probability of its text after the question. */
export async function runChoiceTask(task: ChoiceTask, context: SuiteContext): Promise<SuiteOutput> {
  const { source, skipInvalid } = context;
  const shots = context.shots ?? task.shots;
  const invalid: string[] = [];
  const rowSource = {
    ...source,
    file: context.files[task.name],
    ...(skipInvalid ? { onInvalid: (message: string) => void invalid.push(message) } : {}),
  };
  const loaded = await loadSplit(task.data, task.split, rowSource);
  const pool = shots > 0 && !task.fewShot.fixed ? await loadSplit(task.data, task.fewShot.split, source) : undefined;

  const prepared = prepareRows(task, loaded.rows, pool?.rows ?? [], shots, context);
  const scorable = prepared.filter(({ requests }) => requests.length > 0);
  const progress = context.progress(task.name, scorable.length);
  let scores: Score[][];
  try {
    scores = await scoreInBlocks(
      context.model!,
      scorable.map(({ requests }) => requests),
      join(context.out, "journal-scores.jsonl"),
      { signal: context.signal, onProgress: progress },
    );
  } finally {
    progress();
  }
  const scoresOf = new Map(scorable.map((row, i) => [row, scores[i]!]));
  const samples = prepared.map((row) => sampleOf(task, row, scoresOf.get(row)));
  const config = configOf(task, context, shots, loaded, pool, prepared);
  return { results: report(task, samples, invalid.length, config), samples: { [task.name]: samples } };
}

/** Rows of each part in file order, the first `limit` of each, with their requests. */
function prepareRows(
  task: ChoiceTask,
  rows: readonly Row[],
  pool: readonly Row[],
  shots: number,
  context: SuiteContext,
): Prepared[] {
  const samplers = new Map<string, { sampler: ShotSampler; seen: number }>();
  const prepared: Prepared[] = [];
  for (const [index, row] of rows.entries()) {
    try {
      const part = task.parts?.of(row);
      let state = samplers.get(part ?? "");
      if (!state) {
        const own = part === undefined ? pool : pool.filter((each) => task.parts!.of(each) === part);
        samplers.set(part ?? "", (state = { sampler: new ShotSampler(task, own, shots), seen: 0 }));
      }
      if (context.limit !== undefined && state.seen >= context.limit) continue;
      state.seen++;
      const drawn = state.sampler.next(row);
      const doc = task.read(row);
      prepared.push({ index, part, doc, ...requestsOf(task, row, doc, drawn, part, context) });
    } catch (error) {
      if (!context.skipInvalid || !(error instanceof UsageError)) throw error;
      prepared.push({ index, requests: [], problem: error.message });
    }
  }
  return prepared;
}

function requestsOf(
  task: ChoiceTask,
  row: Row,
  doc: ChoiceDoc,
  shots: ReturnType<ShotSampler["next"]>,
  part: string | undefined,
  { chat, template, bos }: SuiteContext,
): Pick<Prepared, "requests" | "problem"> {
  if (doc.gold < 0 || doc.gold >= doc.choices.length)
    throw row.problem("answer", `points at choice ${doc.gold} of ${doc.choices.length}`);
  // With nothing to choose from every model is right; such a row measures nothing.
  if (doc.choices.length < 2) return { requests: [], problem: "a single choice" };
  const description = part === undefined ? undefined : task.parts!.describe(part);
  const renderer = template === "tulu" || template === "model" ? chat : undefined;
  const { requests } = choiceRequests(task, doc, shots, { description, chat: renderer });
  return { requests: bos ? requests.map((request) => ({ ...request, bos })) : requests };
}

/** Index of the largest value, the first of equals. */
function firstBest(values: readonly number[]): number {
  return values.reduce((best, value, i) => (value > values[best]! ? i : best), 0);
}

function sampleOf(task: ChoiceTask, { index, part, doc, requests, problem }: Prepared, scores?: Score[]): Sample {
  const base = { index, ...(part === undefined ? {} : { part }) };
  if (!doc || !scores || problem) return { ...base, missing: problem ?? "not scored" };
  const logprobs = scores.map(({ logprob }) => logprob);
  const question = sha256(JSON.stringify([part, doc.context, doc.choices, doc.gold]));
  const given = { ...base, question, context: requests[0]!.context, choices: doc.choices, gold: doc.gold };
  const failed = scores.find(({ problem }) => problem !== undefined);
  if (failed) return { ...given, missing: failed.problem };
  if (!logprobs.every(Number.isFinite)) return { ...given, missing: "a log-probability is not finite" };
  const predicted = firstBest(logprobs);
  const normalized = firstBest(logprobs.map((logprob, i) => logprob / [...doc.choices[i]!].length));
  return {
    ...given,
    logprobs,
    tokens: scores.map(({ tokens }) => tokens),
    is_greedy: scores.map(({ isGreedy }) => isGreedy),
    predicted,
    acc: Number(predicted === doc.gold),
    ...(task.metrics.includes("acc_norm")
      ? { predicted_norm: normalized, acc_norm: Number(normalized === doc.gold) }
      : {}),
    ...(scores.some(({ truncated }) => truncated) ? { truncated: true } : {}),
  };
}

function report(
  task: ChoiceTask,
  samples: readonly Sample[],
  invalidLines: number,
  config: Record<string, unknown>,
): Record<string, SuiteResult> {
  const summary = (members: readonly Sample[]): SuiteResult => {
    const scored = members.filter((sample) => sample.missing === undefined);
    const truncated = scored.filter((sample) => sample.truncated).length;
    const metrics = Object.fromEntries(
      task.metrics.map((name) => [name, meanMetric(scored.map((sample) => sample[name] as number))]),
    );
    return {
      n: scored.length,
      missing: members.length - scored.length,
      metrics,
      ...(truncated ? { details: { truncated } } : {}),
    };
  };
  const whole = summary(samples);
  whole.missing += invalidLines;
  whole.config = config;
  if (!task.parts) return { [task.name]: whole };

  const parts = new Map<string, Sample[]>();
  for (const sample of samples) {
    const part = String(sample.part ?? "unknown");
    parts.set(part, [...(parts.get(part) ?? []), sample]);
  }
  const byPart = new Map([...parts].map(([name, members]) => [name, summary(members)]));
  const pooled = (members: readonly string[]): SuiteResult => {
    const there = members.flatMap((name) => byPart.get(name) ?? []);
    const filled = there.filter(({ n }) => n > 0);
    const pool = (name: string) => {
      const value = (which: "value" | "stderr") => (each: SuiteResult) => each.metrics[name]![which] ?? Number.NaN;
      const { value: middle, stderr } = poolGroups(
        filled.map((each) => ({ value: value("value")(each), stderr: value("stderr")(each), n: each.n })),
      );
      return filled.length === 0 ? plainMetric(Number.NaN) : plainMetric(middle, stderr);
    };
    return {
      n: there.reduce((sum, { n }) => sum + n, 0),
      missing: there.reduce((sum, { missing }) => sum + missing, 0),
      metrics: Object.fromEntries(task.metrics.map((name) => [name, pool(name)])),
    };
  };
  const results: Record<string, SuiteResult> = {
    [task.name]: { ...whole, metrics: pooled([...byPart.keys()]).metrics },
  };
  for (const [group, members] of Object.entries(task.parts.groups)) {
    const result = pooled(members);
    if (result.n + result.missing > 0) results[`${task.name}_${group}`] = result;
  }
  for (const [part, result] of byPart) results[`${task.name}_${part}`] = result;
  return results;
}

function configOf(
  task: ChoiceTask,
  context: SuiteContext,
  shots: number,
  loaded: LoadedRows,
  pool: LoadedRows | undefined,
  prepared: readonly Prepared[],
): Record<string, unknown> {
  return {
    task_version: task.version,
    split: loaded.standIn ?? task.split,
    shots,
    chat_template: context.template ?? "none",
    bos: context.bos ?? "tokenizer",
    ...(context.limit === undefined ? {} : { limit: context.limit }),
    rows: loaded.files,
    ...(pool ? { shot_rows: pool.files } : {}),
    requests_sha256: sha256(JSON.stringify(prepared.map(({ requests }) => requests))),
  };
}
