import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { locateData } from "../data/source-files.js";
import { findSource } from "../data/sources.js";
import { UsageError } from "../errors.js";
import { type LocalRecord, localRecord } from "../llm/local-record.js";
import type { Usage } from "../llm/usage.js";
import { loadSelfInstructRecipe, type SelfInstructRecipe } from "../self-instruct/recipe.js";
import { type RunReport, runSelfInstruct } from "../self-instruct/run.js";
import { STAGES, type Stage } from "../self-instruct/stages.js";
import type { CallOptions, NoticeEvent } from "./events.js";
import { type Model, type ModelOptions, withModel } from "./model.js";
import { Task, type TaskContext } from "./task.js";
import { type TrainEvent, type TrainResult, train } from "./train.js";

/** How far a stage is. */
export interface SelfInstructProgressEvent {
  type: "progress";
  /** The stage under way. */
  stage: Stage;
  /** Instructions, 0 to `total`. */
  done: number;
  /** Instructions in all. */
  total: number;
}

/** An event of the training that follows. */
export interface SelfInstructTrainEvent {
  type: "train";
  /** As `train` tells it. */
  event: TrainEvent;
}

/** What `selfInstruct` tells. */
export type SelfInstructEvent = NoticeEvent | SelfInstructProgressEvent | SelfInstructTrainEvent;

/** Options of `selfInstruct`. */
export interface SelfInstructOptions extends CallOptions<SelfInstructEvent> {
  /** Recipe file (YAML). */
  recipe: string;
  /** Fields over the recipe's, as `evoke self-instruct --set` takes them, such as `num_instructions=50`. */
  set?: readonly string[] | undefined;
  /** Who writes, by name or open; default the recipe's model. */
  model?: string | Model | undefined;
  /** How a model that is given by name is opened; settings that are left out are the recipe's. */
  modelOptions?: ModelOptions | undefined;
  /** Folder of the run; default: `out` of the recipe, else `runs/NAME`. */
  out?: string | undefined;
  /** Stages to do; default all, and then the training that the recipe names. */
  stages?: readonly Stage[] | undefined;
  /** prepare: transcripts in place of the folder's own file. */
  instanceFiles?: readonly string[] | undefined;
  /** prepare: classifications in place of the folder's own file. */
  classificationFiles?: readonly string[] | undefined;
  /** classify and instances: ask for the first so many instructions only; default all. */
  firstInstructions?: number | undefined;
  /** instances: ask for tasks of one kind only; default both. */
  tasksOnly?: "generation" | "classification" | undefined;
  /** Leave malformed rows of stage files out and report them; default false: the first one throws. */
  skipInvalid?: boolean | undefined;
  /** Folder of local data, for seed tasks that are named. */
  dataDir?: string | undefined;
  /** Where a training that follows computes; default the recipe's. */
  device?: ModelOptions["device"];
}

/** What the stages left. */
export interface SelfInstructResult {
  /** Folder of the run. */
  folder: string;
  /** Counts by stage; calls answered from the journal and calls made. */
  report: RunReport;
  /** Why malformed rows were left out; empty unless `skipInvalid`. */
  invalid: string[];
  /** Requests, tokens and cost of a server. */
  usage?: Usage;
  /** How a local model computed. */
  local?: LocalRecord;
  /** The training that the recipe names. */
  trained?: TrainResult;
}

/**
 * Makes instruction data from seed tasks with a language model (Self-Instruct, arXiv 2212.10560). A finished call is never made
 * again: stopped at any moment, the same call goes on.
 *
 * @throws UsageError for a recipe or files that cannot be used; FailureError when the model cannot go on.
 */
export function selfInstruct(options: SelfInstructOptions): Task<SelfInstructEvent, SelfInstructResult> {
  return new Task<SelfInstructEvent, SelfInstructResult>(options, async (call) => {
    const { stages = STAGES } = options;
    const recipe = loadSelfInstructRecipe(options.recipe, options.set);
    const folder = options.out ?? recipe.out ?? join("runs", basename(options.recipe).replace(/\.ya?ml$/, ""));
    for (const path of [...(options.instanceFiles ?? []), ...(options.classificationFiles ?? [])])
      if (!existsSync(path)) throw new UsageError(`${path}: no such file`);
    const invalid: string[] = [];
    const setting = {
      folder,
      seedTasks: await locateSeeds(recipe.seed_tasks, options.dataDir, call),
      stages,
      source: { dataDir: options.dataDir, say: call.say, signal: call.signal },
      signal: call.signal,
      onInvalid: options.skipInvalid ? (message: string) => void invalid.push(message) : undefined,
      instanceFiles: options.instanceFiles && [...options.instanceFiles],
      classificationFiles: options.classificationFiles && [...options.classificationFiles],
      firstInstructions: options.firstInstructions,
      tasksOnly: options.tasksOnly,
      onProgress: (stage: Stage, done: number, total: number): void =>
        call.emit({ type: "progress", stage, done: Math.min(done, total), total }),
    };
    let usage: Usage | undefined;
    let local: LocalRecord | undefined;
    const asks = stages.some((stage) => stage !== "prepare");
    const report = asks
      ? await withModel(options.model ?? recipe.model, modelOptionsOf(recipe, options), call, async (model) => {
          local = localRecord(model.language);
          try {
            return await runSelfInstruct(recipe, { ...setting, model: model.language });
          } finally {
            usage = model.usage;
          }
        })
      : await runSelfInstruct(recipe, setting);
    const trained =
      recipe.train && stages.length === STAGES.length && (await trainOn(recipe.train, folder, options, call));
    return {
      ...{ folder, report, invalid },
      ...(usage ? { usage } : {}),
      ...(local ? { local } : {}),
      ...(trained ? { trained } : {}),
    };
  });
}

/** What the recipe says of its model, under what the call says. */
function modelOptionsOf(
  { llm, adapter, weights: own }: SelfInstructRecipe,
  { modelOptions = {} }: SelfInstructOptions,
): ModelOptions {
  const { timeout, max_requests, max_tokens, api_key_env, ...rest } = llm;
  const limits = { timeoutSeconds: timeout, maxRequests: max_requests, maxTokens: max_tokens, apiKeyEnv: api_key_env };
  const said = Object.entries(modelOptions.server ?? {}).filter(([, value]) => value !== undefined);
  const { adapter: over = adapter, weights = own } = modelOptions;
  return { ...modelOptions, adapter: over, weights, server: { ...rest, ...limits, ...Object.fromEntries(said) } };
}

async function locateSeeds(
  reference: string,
  dataDir: string | undefined,
  { say, signal }: TaskContext<SelfInstructEvent>,
): Promise<string> {
  if (existsSync(reference)) return reference;
  if (!findSource(reference)) throw new UsageError(`${reference}: no such file of seed tasks`);
  const { files } = await locateData(reference, { dataDir, say, signal });
  return files[0]!;
}

/** Runs the recipe's training on the fine-tuning file, going on with one that stopped. */
function trainOn(
  recipe: string,
  folder: string,
  { device = "auto" }: SelfInstructOptions,
  { signal, emit, say }: TaskContext<SelfInstructEvent>,
): Promise<TrainResult> {
  const set = [`data.path=${JSON.stringify(join(folder, "finetuning.jsonl"))}`];
  if (device !== "auto") set.push(`device=${device}`);
  const onProgress = (event: TrainEvent): void =>
    event.type === "notice" ? say(event.message) : emit({ type: "train", event });
  return train({ recipe, set, out: join(folder, "train"), resume: "auto", signal, onProgress });
}
