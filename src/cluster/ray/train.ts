/** A training run on a Ray cluster: the same recipe, the same run folder as a local one. */
import { randomBytes } from "node:crypto";
import { rmdirSync } from "node:fs";
import { join } from "node:path";
import { EvokeError, FailureError, UsageError } from "../../errors.js";
import { acquireRunLock } from "../../files/run-lock.js";
import { sha256OfFile } from "../../files/sha256.js";
import { type ClusterSettings, clusterSchema } from "../../recipe/cluster.js";
import type { TrainingRecipe } from "../../recipe/schema.js";
import { localTime } from "../../tokenizer/template-date.js";
import { checkSameRun, versions } from "../../train/identity.js";
import type { TrainRunOptions } from "../../train/run.js";
import { RunFolder, type RunRecord } from "../../train/run-folder.js";
import { addressWarnings, parseAddress } from "./address.js";
import { RayClient } from "./client.js";
import { toldSettings } from "./field-effects.js";
import { followJob, type Outcome } from "./follow.js";
import { JobView } from "./job-view.js";
import { type PreparedJob, prepareJob } from "./prepare.js";
import { type SettledCluster, settleGpus } from "./resources.js";
import { fetchResult, listedResult } from "./result.js";
import { checkStorage } from "./storage-check.js";
import { submitJob } from "./submit.js";
import type { Job } from "./wire.js";

export interface ClusterRunOptions extends TrainRunOptions {
  /** Address that wins over the recipe's. */
  on?: string;
  /** Start a job of its own although there may be one of the same recipe. */
  fresh?: boolean;
  /** Milliseconds between two looks at the job; for tests. */
  interval?: number;
}

/** The client for a recipe's cluster, after warning of what is unsafe about its address. */
function openCluster(cluster: ClusterSettings, options: { say(line: string): void; signal?: AbortSignal }): RayClient {
  if (!cluster.address) throw new UsageError("cluster.address is missing; name the cluster there or with --on");
  const address = parseAddress(cluster.address);
  const token = process.env[cluster.token_env]?.trim() || undefined;
  for (const line of addressWarnings(address, token, cluster.token_env)) options.say(line);
  return new RayClient(address, { token, tokenEnv: cluster.token_env, signal: options.signal });
}

/**
 * Trains a recipe on its cluster and waits for the result. A run of the same recipe that is on the cluster already is
 * joined; one that failed or was stopped is submitted again with `resume`, and goes on from its last checkpoint where
 * `cluster.storage` keeps checkpoints. With `fresh` it gets a name that no other run joins.
 *
 * Aborting `signal` ends the waiting, not the job. Throws UsageError, FailureError or the reason of the abort; the run folder
 * tells the state in all cases.
 */
export async function clusterTrainRun(recipe: TrainingRecipe, options: ClusterRunOptions): Promise<RunRecord> {
  const { out, say, signal } = options;
  signal?.throwIfAborted();
  const given = clusterSchema.parse({ ...recipe.cluster, ...(options.on ? { address: options.on } : {}) });
  const folder = new RunFolder(out);
  const before = folder.exists() ? folder.record() : undefined;
  if (before && !before.cluster && !options.resume)
    throw new UsageError(`${out}: already holds a run of this machine; use another --out`);
  if (before && options.fresh)
    throw new UsageError(`${out}: already holds a run, and --fresh begins another; use another --out`);
  const client = openCluster(given, { say, signal });
  const { ray_version } = await client.version(); // first: whether there is a cluster that lets us in
  const cluster = await settleGpus(client, given, say, usedGpus(before));
  // An earlier attempt's date is kept: templates may write it.
  const templateTime = before?.templateTime ?? localTime();
  const prepared = await prepareJob(recipe, cluster, {
    say,
    templateTime,
    apart: options.fresh ? randomBytes(3).toString("hex") : apartOf(before),
  });
  const told = toldSettings(recipe, cluster);
  if (before) checkSameRun(before, prepared.identity, out);
  if (before?.status === "done") {
    say(`${out}: this run is finished (${before.progress.step} steps); nothing to do`);
    return before;
  }
  await checkStorage(cluster, prepared.id, say);
  const record = newRecord(recipe, cluster, client, prepared, ray_version, templateTime, before);
  const lock = acquireRunLock(out);
  const leave = (): void =>
    say(`leaving the job running; the same command joins it again, evoke jobs stop ${out} ends it`);
  signal?.addEventListener("abort", leave, { once: true });
  let view: JobView | undefined;
  let waiting: NodeJS.Timeout | undefined;
  let submitted = false; // until then an earlier attempt's record stands
  try {
    const again = options.resume || before === undefined;
    let state = await submitJob(client, prepared, cluster, { again, told, say });
    submitted = true;
    folder.create(recipe);
    folder.write(record);
    folder.log(`${state}: ${prepared.id} on ${client.address.url}, Ray ${ray_version}`);
    view = new JobView(folder, record, prepared, options);
    waiting = setTimeout(() => view!.started || say(noWorkers(prepared.id, cluster)), PATIENCE_FOR_WORKERS);
    for (let losses = 0; ; losses++) {
      const outcome = await followJob(client, prepared.id, {
        onLine: (line) => view!.line(line),
        say,
        patienceMinutes: cluster.patience_minutes,
        signal,
        interval: options.interval,
      });
      if (outcome.end === "job") {
        finish(outcome, view, prepared);
        break;
      }
      if (losses >= cluster.retries)
        throw new FailureError(`${client.address.url} has lost ${prepared.id} ${losses + 1} times; giving up`);
      const line = `${client.address.url} knows ${prepared.id} no more (was its head restarted?): submitting it again`;
      say(line);
      folder.log(line);
      state = await submitJob(client, prepared, cluster, { again: true, told, say });
    }
    await bringResult(view, recipe, prepared, cluster, out);
    record.status = "done";
    record.finished = new Date().toISOString();
    if (view.bestStep !== undefined) {
      record.message = `best validation loss at step ${view.bestStep}`;
      folder.keepStep(record, view.bestStep);
    }
    folder.log(`done after ${record.progress.step} steps`);
    return record;
  } catch (error) {
    const stopped = error instanceof JobStopped || error instanceof NotFetched;
    if (error instanceof JobFailed) record.status = "failed";
    else if (stopped) record.status = "interrupted";
    const { message } = error as Error;
    record.message = signal?.aborted ? `${message}; the job goes on` : message;
    throw error;
  } finally {
    clearTimeout(waiting);
    if (submitted) folder.write(record);
    view?.close();
    signal?.removeEventListener("abort", leave);
    lock.release();
    if (!folder.exists()) removeIfEmpty(out); // nothing was submitted
  }
}

/** What set a folder's earlier job apart from others of its recipe. */
function apartOf(before: RunRecord | undefined): string | undefined {
  return /^evoke-[0-9a-f]{16}-([0-9a-f]{6})$/.exec(before?.cluster?.job ?? "")?.[1];
}

/** Whether a folder's earlier job had GPUs. */
function usedGpus(before: RunRecord | undefined): boolean | undefined {
  const used = before?.identityFields?.["cluster.gpus_per_worker > 0"];
  return used === undefined ? undefined : used === "true";
}

function removeIfEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // it holds something, or is gone
  }
}

/** Milliseconds after which a user should hear that nothing trains yet. */
const PATIENCE_FOR_WORKERS = 180_000;

/** Ray waits for ever for resources that a cluster does not have. */
function noWorkers(id: string, { workers, cpus_per_worker, gpus_per_worker }: SettledCluster): string {
  const each = `${cpus_per_worker} CPU${gpus_per_worker ? ` and ${gpus_per_worker} GPU` : ""}`;
  return `${id}: its workers have not started yet; it asks for ${workers} with ${each} each (evoke jobs logs ${id} shows what Ray says)`;
}

/** The job has ended well; its result is still where the job put it. */
class NotFetched extends FailureError {}

/** Fetches what the job made, and the steps that its output did not tell. */
async function bringResult(
  view: JobView,
  recipe: TrainingRecipe,
  { id }: PreparedJob,
  cluster: ClusterSettings,
  out: string,
): Promise<void> {
  try {
    const result = view.result() ?? (await listedResult(recipe.method === "full" ? "model" : "adapter", id, cluster));
    view.fillIn(await fetchResult(result, join(out, result.kind), id, cluster));
  } catch (error) {
    if (!(error instanceof EvokeError)) throw error;
    const next = "the training is done: the same command fetches its result";
    throw new NotFetched(`${error.message}; ${next}`, { cause: error });
  }
}

/** The job ended without a result. */
class JobFailed extends FailureError {}
class JobStopped extends FailureError {}

function finish({ job }: Extract<Outcome, { end: "job" }>, view: JobView, { id }: PreparedJob): void {
  if (job.status === "SUCCEEDED") return;
  if (job.status === "STOPPED")
    throw new JobStopped(`${id} was stopped after step ${view.step}; run again with --resume to submit it anew`);
  const why = view.error ?? deathOf(job) ?? job.message?.trim().split("\n").at(-1) ?? "no reason given";
  const last = !view.error && view.lastLine ? `; its last line: ${view.lastLine.slice(0, 200)}` : "";
  throw new JobFailed(`${id} failed after step ${view.step}: ${why}${last} (evoke jobs logs ${id} shows its output)`);
}

/** What an exit code says of a driver that left no word. */
function deathOf({ driver_exit_code, message }: Job): string | undefined {
  const code = Number(/exit code (-?\d+)/.exec(message ?? "")?.[1] ?? driver_exit_code ?? 0);
  const signal = code < 0 ? -code : code > 128 && code < 160 ? code - 128 : undefined;
  if (signal === 9) return "its driver was killed (signal 9, as the system does when memory runs out)";
  if (signal !== undefined) return `its driver was ended by signal ${signal}`;
  if (code === 127)
    return "there is no python on the path of Ray's nodes; start Ray with its environment's bin folder in PATH";
  return undefined;
}

function newRecord(
  recipe: TrainingRecipe,
  cluster: ClusterSettings,
  client: RayClient,
  prepared: PreparedJob,
  ray: string,
  templateTime: string,
  before: RunRecord | undefined,
): RunRecord {
  return {
    model: recipe.model,
    modelPath: prepared.modelPath,
    method: recipe.method,
    mode: recipe.mode,
    template: recipe.template,
    templateTime,
    seed: recipe.seed,
    status: "running",
    identity: prepared.identity.id,
    identityFields: prepared.identity.fields,
    versions: { ...versions(), ray },
    device: { name: "ray", threads: cluster.workers },
    data: {
      files: Object.fromEntries(recipe.data.path.map((path) => [path, sha256OfFile(path)])),
      examples: prepared.train.length,
      validation: prepared.validation.length,
      truncated: prepared.truncated,
      dropped: prepared.dropped,
    },
    cluster: { address: client.address.url, job: prepared.id, storage: cluster.storage },
    progress: before?.progress ?? { step: 0, steps: prepared.steps, epoch: 0 },
    ...(before?.loss === undefined ? {} : { loss: before.loss }),
    started: before?.started ?? new Date().toISOString(),
  };
}
