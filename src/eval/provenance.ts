/** What every suite's `config` says of rows and prompts: added in one place, so that no suite can lack it. */
import { type DataExtent, extentText } from "../data/extent.js";
import type { PinnedFile } from "../data/pinned-file.js";
import { canonicalJson } from "../files/canonical-json.js";
import { sha256 } from "../files/sha256.js";
import { EVAL_FILES } from "./eval-files.js";
import type { RowFile } from "./load-rows.js";
import type { Sample, SuiteOutput, SuiteResult } from "./results.js";
import { rowIdentity } from "./row-figures.js";
import type { SuiteContext } from "./suite.js";
import { TASKS } from "./tasks/index.js";
import { WHOLE_ROWS } from "./whole-rows.js";

/** Rows that were there and asked, beside those of the whole benchmark. */
export interface SuiteExtent extends DataExtent {
  /** Fewer than there, by a limit. */
  asked?: number;
}

/** A suite's output with the record of its rows and prompts in the `config` of each result that has one. */
export function withProvenance(output: SuiteOutput, context: SuiteContext): SuiteOutput {
  const results = Object.entries(output.results).map(([suite, result]): [string, SuiteResult] => {
    const samples = output.samples[suite];
    if (!result.config || !samples) return [suite, result];
    const extent = extentOfSuite(suite, result.config, samples.length, context);
    const config = {
      ...result.config,
      bos: bosOf(result.config, context),
      prompts: promptsOf(suite, result.config, context),
      rows_sha256: rowsHash(samples),
      ...(extent ? { extent } : {}),
    };
    return [suite, { ...result, config }];
  });
  return { ...output, results: Object.fromEntries(results) };
}

/** Over what the rows ask and their right answers, whatever their order. */
const rowsHash = (samples: readonly Sample[]): string => sha256(canonicalJson(samples.map(rowIdentity).sort()));

/**
 * What stands before a prompt: "tokenizer", what the model's tokenizer puts before any text; "none"; "template", what the model's own chat
 * template writes; "server", what the server that was asked puts there; null where no model was asked.
 */
function bosOf(config: Record<string, unknown>, context: SuiteContext): string | null {
  if (!context.model || context.outputs) return null;
  if (context.record?.model !== undefined && context.record.model_sha256 === undefined) return "server";
  if (typeof config.bos === "string") return config.bos;
  return config.chat_template === "model" || config.chat_template === "the model's" ? "template" : "tokenizer";
}

/** Whose words stand around the rows: "own" or "original"; "benchmark" where the benchmark's form has none that could be replaced. */
function promptsOf(suite: string, config: Record<string, unknown>, { originalPrompts }: SuiteContext): string {
  if (typeof config.prompts === "string") return config.prompts;
  const task = TASKS.find(({ name }) => name === suite);
  return task?.fewShot.fixed ? (originalPrompts ? "original" : "own") : "benchmark";
}

function extentOfSuite(
  suite: string,
  config: Record<string, unknown>,
  asked: number,
  { files }: SuiteContext,
): SuiteExtent | undefined {
  const read = config.rows as RowFile[];
  const there = read.reduce((sum, { rows }) => sum + rows, 0);
  const part = asked < there ? { asked } : {};
  if (config.extent !== undefined) return { ...(config.extent as DataExtent), ...part };
  const whole = WHOLE_ROWS[suite];
  if (whole === undefined) return undefined;
  const isGiven = Object.keys(files).some((key) => key === suite || (WHOLE_ROWS[key] && key.startsWith(`${suite}_`)));
  const standIns = isGiven ? read.filter(({ sha256: hash }) => !PINNED.has(hash)) : [];
  return {
    ...{ set: suite, rows: there, whole },
    ...part,
    ...(standIns.length > 0 ? { standIn: standIns.map(({ name }) => name).join(", ") } : {}),
  };
}

/** Files that are a benchmark's own, whoever names them. */
const PINNED = new Set(
  Object.values<PinnedFile>(EVAL_FILES).flatMap(({ remote }) => ("sha256" in remote ? [remote.sha256] : [])),
);

/** `piqa: 100 of 1,838 rows`; undefined for a whole benchmark. */
export function suiteExtentText(extent: SuiteExtent): string | undefined {
  const text = extentText(extent);
  if (extent.asked === undefined) return text;
  const asked = extent.asked.toLocaleString("en-US");
  return text ? `${text}; ${asked} of them asked` : extentText({ ...extent, rows: extent.asked });
}

/** What a reader of the figures must know: rows that are not the whole benchmark, and how figures were worked out. */
export function resultNotes(results: Readonly<Record<string, SuiteResult>>): string[] {
  return Object.entries(results).flatMap(([suite, { config, metrics, details }]) => {
    const extent = config?.extent as SuiteExtent | undefined;
    const text = extent && suiteExtentText(extent);
    const how = Object.entries(metrics).flatMap(([name, metric]) =>
      metric.how ? [`${suite}, ${name}: ${metric.how}`] : [],
    );
    const problem = typeof details?.lc_problem === "string" ? [`${suite}: no lc_win_rate: ${details.lc_problem}`] : [];
    return [...(text ? [text] : []), ...how, ...problem];
  });
}
