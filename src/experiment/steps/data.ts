import { join } from "node:path";
import { type DataExtent, extentText } from "../../data/extent.js";
import { mixRefusals } from "../../data/mix.js";
import { type Prepared, type PrepareOptions, prepareRows } from "../../data/prepare.js";
import { readPrepared } from "../../data/read-prepared.js";
import { refineRows } from "../../data/refine.js";
import { loadRefineTemplate, originalRefineTemplate, type RefineTemplate } from "../../data/refine-template.js";
import { type LocatedData, locateData } from "../../data/source-files.js";
import { writeJsonl } from "../../files/jsonl.js";
import { withJournal } from "../../llm/journal.js";
import { localRecord } from "../../llm/local-record.js";
import { selfInstructSchema } from "../../self-instruct/recipe.js";
import { runSelfInstruct } from "../../self-instruct/run.js";
import type { Stage } from "../../self-instruct/stages.js";
import {
  type FileRef,
  type MixJob,
  type PrepareJob,
  type RefineJob,
  ROWS_FILE,
  type SelfInstructJob,
  type SourceRef,
} from "../step.js";
import { isSource, type StepContext, type StepSummary, withStepModel } from "./context.js";

const locate = (ref: SourceRef | FileRef, context: StepContext): Promise<LocatedData> => {
  const { dataDir, mirror, say, signal } = context;
  return locateData(isSource(ref) ? ref.source : context.fileOf(ref), { dataDir, mirror, say, signal });
};

/** A source in training form. */
export async function runPrepare(job: PrepareJob, context: StepContext): Promise<StepSummary> {
  let invalid = 0;
  const options: PrepareOptions = {
    maxExamples: job.maxExamples,
    maxCharacters: job.maxCharacters,
    skip: job.skip,
    seed: job.seed,
    columns: job.columns,
    onInvalid: job.skipInvalid ? () => void invalid++ : undefined,
  };
  const { rows, read, multiTurn, extent }: Prepared = await prepareRows(await locate(job.source, context), options);
  writeJsonl(join(context.folder, ROWS_FILE), rows);
  return { rows: rows.length, read, multi_turn: multiTurn, invalid, seed: job.seed, ...saidExtent(extent, context) };
}

/** Responses rewritten by a model. */
export async function runRefine(job: RefineJob, context: StepContext): Promise<StepSummary> {
  const { template, origin } = await templateOf(job, context);
  const rows = await readPrepared(context.fileOf(job.rows));
  return withStepModel(context, job.refiner, { weights: job.weights }, async (model) => {
    const journal = withJournal(model, join(context.folder, "journal.jsonl"));
    const progress = context.progress("refine", rows.length, "rows");
    try {
      const refined = await refineRows(rows, journal, {
        template,
        marker: job.marker,
        maxTokens: job.maxNewTokens,
        temperature: job.temperature,
        seed: job.seed,
        signal: context.signal,
        onProgress: (done) => progress(done),
      });
      writeJsonl(join(context.folder, ROWS_FILE), refined.rows);
      const { counts } = refined;
      const rate = counts.rows > 0 ? counts.extracted / counts.rows : 0;
      return {
        ...counts,
        extraction_rate: rate,
        errors: refined.errors.slice(0, 10),
        open: counts.failed,
        prompts: [origin],
        ...localRecord(model),
      };
    } finally {
      progress();
      journal.close();
    }
  });
}

async function templateOf({ template, prompts }: RefineJob, context: StepContext): Promise<RefineTemplate> {
  const { dataDir, mirror, say, signal } = context;
  if (prompts === "original") return originalRefineTemplate({ dataDir, mirror, say, signal });
  const path = context.fileOf(template);
  return loadRefineTemplate(path, prompts !== "own");
}

/** Refusals appended. */
export async function runMix(job: MixJob, context: StepContext): Promise<StepSummary> {
  const base = (await readPrepared(context.fileOf(job.rows))).map(({ prompt, completion, source, index }) => ({
    prompt,
    completion,
    source,
    index,
  }));
  const { rows: safety, extent } = await prepareRows(await locate(job.safety, context));
  const { rows, counts } = mixRefusals(base, safety, job.count, job.seed);
  writeJsonl(join(context.folder, ROWS_FILE), rows);
  return { rows: rows.length, ...counts, seed: job.seed, ...saidExtent(extent, context) };
}

/** For the step's record, and in the terminal where it is not the whole set. */
function saidExtent(extent: DataExtent | undefined, { say }: StepContext): { extent?: DataExtent } {
  const text = extent && extentText(extent);
  if (text) say(text);
  return extent ? { extent } : {};
}

/** Rows made from seed tasks. The journal and the stage files let a stopped step go on. */
export async function runSelfInstructStep(job: SelfInstructJob, context: StepContext): Promise<StepSummary> {
  const seedTasks = (await locate(job.seedTasks, context)).files[0]!;
  const { dataDir, mirror, say, signal } = context;
  const recipe = selfInstructSchema.parse({
    ...job.recipe,
    model: context.modelOf(job.model),
    seed_tasks: seedTasks,
    original_prompts: job.originals !== undefined,
  });
  const { max_requests, max_tokens, api_key_env, timeout, ...rest } = recipe.llm;
  const options = { ...rest, maxRequests: max_requests, maxTokens: max_tokens, apiKeyEnv: api_key_env };
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return withStepModel(
    context,
    job.model,
    { weights: recipe.weights, ...given, ...(timeout ? { timeoutSeconds: timeout } : {}) },
    async (model) => {
      let stage: Stage | undefined;
      let progress: ReturnType<StepContext["progress"]> | undefined;
      try {
        const { bootstrap, classify, instances, prepare, prompts } = await runSelfInstruct(recipe, {
          folder: context.folder,
          seedTasks,
          model,
          signal,
          source: { dataDir, mirror, say },
          onProgress: (now, done, total) => {
            if (now !== stage) {
              progress?.();
              progress = context.progress(now, total);
              stage = now;
            }
            progress?.(Math.min(done, total));
          },
        });
        const errors = [...(classify?.errors ?? []), ...(instances?.errors ?? [])].slice(0, 10);
        const open = (classify?.failed ?? 0) + (instances?.failed ?? 0);
        const proposals = { proposed: bootstrap?.proposed, too_similar: bootstrap?.tooSimilar };
        return { ...prepare, open, ...proposals, errors, prompts, ...localRecord(model) };
      } finally {
        progress?.();
      }
    },
  );
}
