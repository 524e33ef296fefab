/** `results.json`: what an evaluation's folder holds of each suite. Written here alone; its schema is published. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { UsageError } from "../errors.js";
import { writeFileAtomically } from "../files/atomic-write.js";
import { readRegularFile } from "../files/regular-file.js";
import type { LanguageModel } from "../llm/language-model.js";
import { evokeVersion } from "../version.js";
import type { SuiteResult } from "./results.js";

const metricSchema = z.looseObject({
  value: z.number().nullable().describe("The figure; null where it is not defined, such as a rate over no row."),
  stderr: z.number().nullable().describe("Standard error over rows (sampling error); null where it is not defined."),
  how: z.string().optional().describe("What a reader must know of how it was worked out."),
});

const fileSchema = z.looseObject({
  name: z.string(),
  sha256: z.string(),
  rows: z.number().optional().describe("Rows in it, before any limit."),
});

const extentSchema = z.looseObject({
  set: z.string().describe("The benchmark or data set."),
  rows: z.number().describe("Rows that were there."),
  whole: z.number().describe("Rows of the whole set."),
  asked: z.number().optional().describe("Rows that were asked, where a limit left some out."),
  standIn: z.string().optional().describe("What stands in for the set: another set, or files that were given."),
});

/** Everything that the figures depend on. Suites add their own settings. */
const configSchema = z.looseObject({
  evoke: z.string().optional().describe("Version that wrote it."),
  model: z.string().optional().describe("The model under test, as it was named."),
  model_sha256: z.string().optional().describe("All bytes of a local model and its adapter."),
  judge: z.string().optional().describe("Who judged, as named."),
  judge_sha256: z.string().optional().describe("All bytes of a local judge."),
  precision: z.string().optional().describe("Of a local model's weights while it wrote."),
  held_as: z.string().optional().describe("Of its weights while prompts are read and text is scored, if not float32."),
  judge_precision: z.string().optional().describe("Of a local judge's weights while it wrote."),
  device: z.string().optional().describe("Where a local model ran."),
  threads: z.number().optional().describe("Its CPU threads."),
  bos: z
    .string()
    .nullish()
    .describe(
      "What stands before a prompt: tokenizer (what the tokenizer puts before any text), none, template (what the chat template writes), server (what the server puts there); null where no model was asked.",
    ),
  prompts: z
    .string()
    .optional()
    .describe("Whose prompts: own, original (the original tools'), or benchmark (its form has none to replace)."),
  prompt_origins: z
    .array(z.looseObject({ use: z.string(), origin: z.string(), sha256: z.string() }))
    .optional()
    .describe(
      "Of each prompt: what it is for, whether it is the original tool's, evoke's own or a file's, and its SHA-256.",
    ),
  rows: z.array(fileSchema).optional().describe("Files that rows were read from."),
  rows_sha256: z
    .string()
    .optional()
    .describe("Over what the rows ask and their right answers; their order does not matter."),
  extent: extentSchema.optional().describe("How much of the whole benchmark was there and asked."),
  limit: z.number().optional().describe("Only this many rows of each part were asked."),
});

const suiteSchema = z.looseObject({
  n: z.number().describe("Rows that count in the metrics."),
  missing: z.number().describe("Rows that do not: malformed, failed, or not judged. They are never counted as wrong."),
  metrics: z.record(z.string(), metricSchema),
  details: z.record(z.string(), z.unknown()).optional().describe("Other counts and figures."),
  config: configSchema.optional(),
});

/** `results.json`, by suite. Earlier versions' files pass as well: they lack fields that are optional here. */
const resultsSchema = z.record(z.string(), suiteSchema).describe("Results of an evaluation, by suite.");

/** JSON Schema (draft 2020-12) of `results.json`, which `evoke schema results` prints. */
export function resultsJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(resultsSchema) as Record<string, unknown>;
}

/** Results by suite. */
export type Results = Record<string, SuiteResult>;

/**
 * Reads a folder's results; undefined when it has none.
 *
 * @throws UsageError when the file is not one of results.
 */
export function openResults(folder: string): Results | undefined {
  const path = join(folder, "results.json");
  if (!existsSync(path)) return undefined;
  let data: unknown;
  try {
    data = JSON.parse(readRegularFile(path));
  } catch (error) {
    throw new UsageError(`${path}: not valid JSON (${(error as Error).message})`);
  }
  const parsed = resultsSchema.safeParse(data);
  if (parsed.success) return data as Results;
  const { path: at, message } = parsed.error.issues[0]!;
  throw new UsageError(`${path}: not the results of an evaluation: ${[...at, message].join(": ")}`);
}

/** What every suite's `config` says of the run as a whole. */
export type ResultRecord = Partial<
  Pick<
    z.output<typeof configSchema>,
    "model" | "model_sha256" | "judge_sha256" | "judge_precision" | "precision" | "held_as" | "device" | "threads"
  >
>;

/** The record of a run from the models that it asks. */
export async function resultRecord(run: {
  model?: LanguageModel;
  modelName?: string;
  judge?: LanguageModel;
}): Promise<ResultRecord> {
  const { EmbeddedModel } = await import("../llm/embedded.js");
  const { localRecord } = await import("../llm/local-record.js");
  const { model, modelName, judge } = run;
  const record: ResultRecord = modelName === undefined ? {} : { model: modelName };
  if (model instanceof EmbeddedModel) {
    Object.assign(record, { model_sha256: model.generator.model.identity.id, ...localRecord(model) });
  }
  if (judge instanceof EmbeddedModel) {
    Object.assign(record, { judge_sha256: judge.generator.model.identity.id, judge_precision: judge.precision });
  }
  return record;
}

/**
 * The results that a folder has of other suites, to which a run adds its own.
 *
 * @param own suites that the run is going to write.
 * @throws UsageError when they are another model's.
 */
export function resultsToKeep(folder: string, own: ReadonlySet<string>, record: ResultRecord): Results {
  const kept: Results = {};
  for (const [suite, result] of Object.entries(openResults(folder) ?? {})) {
    const belongs =
      own.has(suite) || [...own].some((name) => suite.startsWith(`${name}_`) && result.config === undefined);
    const parts = Object.keys((result.details?.mean_of as object | undefined) ?? {});
    if (belongs || parts.some((part) => own.has(part))) continue;
    const other = difference(result.config ?? {}, record);
    if (other)
      throw new UsageError(`${folder}: holds results of another model (${suite}: ${other}); use another --out`);
    kept[suite] = result;
  }
  return kept;
}

function difference(config: Record<string, unknown>, record: ResultRecord): string | undefined {
  const { model, model_sha256: hash } = config;
  if (typeof hash === "string" && record.model_sha256 !== undefined)
    return hash === record.model_sha256 ? undefined : `${String(model)}, other weights`;
  if (typeof model !== "string" || record.model === undefined || model === record.model) return undefined;
  return model;
}

/** Writes a folder's results; those with a `config` get the run's record in it. */
export function writeResults(folder: string, results: Results, record: ResultRecord): void {
  writeFileAtomically(join(folder, "results.json"), `${JSON.stringify(recorded(results, record), null, 2)}\n`);
}

/** Results with the run's record in each suite's `config`. Those that were there before keep their own. */
export function recorded(results: Results, record: ResultRecord): Results {
  return Object.fromEntries(
    Object.entries(results).map(([suite, result]) => {
      if (!result.config || result.config.evoke !== undefined) return [suite, result];
      return [suite, { ...result, config: { ...result.config, ...record, evoke: evokeVersion() } }];
    }),
  );
}
