/** From a recipe to what a cluster is sent: rows as tokens, the order of the batches, the job's settings and name. */
import type { TrainingExample } from "../../data/encode.js";
import { loadTrainingExamples } from "../../data/training-examples.js";
import { UsageError } from "../../errors.js";
import { canonicalJson } from "../../files/canonical-json.js";
import { sha256 } from "../../files/sha256.js";
import { resolveAdapter } from "../../hub/resolve-adapter.js";
import { resolveModel } from "../../hub/resolve-model.js";
import { adapterParameters } from "../../model/adapter.js";
import { modelShape } from "../../model/model-shape.js";
import { trainedSettings, trainedShape } from "../../peft/trained-adapter.js";
import type { ClusterSettings } from "../../recipe/cluster.js";
import type { TrainingRecipe } from "../../recipe/schema.js";
import { loadTokenizer } from "../../tokenizer/tokenizer.js";
import { type RunIdentity, runIdentity } from "../../train/identity.js";
import { plannedSteps } from "../../train/length.js";
import { arithmeticEnvironment, idleSettings } from "./field-effects.js";
import { type WorkerModel, workerModel } from "./model-source.js";
import { type JobPackage, jobRequirements, packJob, planRun, programHash } from "./package.js";
import type { SettledCluster } from "./resources.js";
import { shareOut } from "./share.js";

/** A recipe made ready for a cluster. */
export interface PreparedJob {
  /** Submission id: the same where everything is that can change the result. */
  id: string;
  /** Hash by which a run folder knows its run. */
  identity: RunIdentity;
  package: JobPackage;
  modelPath: string;
  steps: number;
  perEpoch: number;
  /** Tokens of each update. */
  stepTokens: number[];
  train: readonly TrainingExample[];
  validation: readonly TrainingExample[];
  truncated: number;
  dropped: number;
}

/** Largest result that comes back in the job's output, in bytes of float32 weights. */
const OUTPUT_LIMIT = 64e6;

export interface PrepareOptions {
  say(line: string): void;
  templateTime?: string;
  /** Ends the name of a job that is to be apart from others of the same recipe. */
  apart?: string;
  env?: NodeJS.ProcessEnv;
}

/** @throws UsageError when the recipe asks for what the job cannot do, besides what reading and encoding rows throw. */
export async function prepareJob(
  given: TrainingRecipe,
  cluster: SettledCluster,
  { say, templateTime, apart, env = process.env }: PrepareOptions,
): Promise<PreparedJob> {
  const folder = given.adapter && (await resolveAdapter(given.adapter, { say }));
  const recipe: TrainingRecipe = folder ? { ...given, adapter: folder } : given;
  checkSupported(recipe, cluster);
  const idle = idleSettings(recipe);
  if (idle.length) say(`${idle.join(", ")}: without effect on a cluster`);
  const modelPath = await resolveModel(recipe.model, { say, weights: false });
  const model = workerModel(recipe.model, modelPath, cluster.model);
  const tokenizer = await loadTokenizer(modelPath, { templateTime });
  const { train, validation, truncated, dropped } = await loadTrainingExamples(recipe, tokenizer, say);

  const { workers, micro, accumulation, said } = shareOut({ workers: cluster.workers, ...recipe.batch });
  if (said) say(said);
  const lengths = train.map(({ tokens }) => tokens.length);
  const { perEpoch, steps } = plannedSteps(train.length, recipe.batch.micro * recipe.batch.accumulation, {
    epochs: recipe.epochs,
    maxSteps: recipe.max_steps,
  });
  const plan = planRun(lengths, {
    seed: recipe.seed,
    ...recipe.batch,
    share: micro,
    maxLength: recipe.max_length,
    steps,
  });
  const targets =
    recipe.method === "full" ? [] : trainedSettings(modelShape(modelPath), recipe).settings.target_modules;
  checkResultSize(recipe, cluster, modelPath);

  const { name, revision } = model;
  const identity = await jobIdentity({
    recipe,
    cluster: { ...cluster, workers },
    model,
    train,
    validation,
    steps,
    env,
  });
  const id = `evoke-${identity.id.slice(0, 16)}${apart ? `-${apart}` : ""}`;
  const { cluster: _cluster, out: _out, data: _data, model: _model, ...settings } = recipe;
  const job = {
    id,
    recipe: { ...settings, batch: { micro, accumulation } },
    model: { name, revision },
    adapter: recipe.adapter && "package:adapter",
    target_modules: targets,
    steps,
    steps_per_epoch: perEpoch,
    validation: validation.length > 0,
    workers,
    resources: {
      CPU: cluster.cpus_per_worker,
      ...(cluster.gpus_per_worker ? { GPU: cluster.gpus_per_worker } : {}),
      ...cluster.resources_per_worker,
    },
    precision: cluster.precision,
    storage: cluster.storage,
    retries: cluster.retries,
  };
  const folders = {
    ...(model.upload ? { model: model.upload } : {}),
    ...(recipe.adapter ? { adapter: recipe.adapter } : {}),
  };
  return {
    id,
    identity,
    package: packJob({ job, rows: train, validation, plan, folders }),
    modelPath,
    steps,
    perEpoch,
    stepTokens: plan.map((batches) => batches.flat().reduce((sum, index) => sum + lengths[index]!, 0)),
    train,
    validation,
    truncated,
    dropped,
  };
}

interface JobSource {
  recipe: TrainingRecipe;
  cluster: SettledCluster;
  model: WorkerModel;
  train: readonly TrainingExample[];
  validation: readonly TrainingExample[];
  steps: number;
  env: NodeJS.ProcessEnv;
}

/** Everything that can change a job's result (`other` in field-effects.ts), by name. */
async function jobIdentity({ recipe, cluster, model, train, validation, steps, env }: JobSource): Promise<RunIdentity> {
  const { workers, precision, storage, gpus_per_worker, pip, runtime_env } = cluster;
  const { name, revision, upload } = model;
  // Rows lie apart on a cluster, whatever the recipe says.
  const run = await runIdentity({
    recipe: { ...recipe, packing: false },
    model: upload ? { path: upload } : { name: revision ? `${name}@${revision}` : name },
    train,
    validation,
  });
  const own = {
    workers,
    precision,
    storage,
    "gpus_per_worker > 0": gpus_per_worker > 0,
    pip: pip === "default" ? jobRequirements() : pip,
    runtime_env,
    env: arithmeticEnvironment(cluster.env, env),
  };
  const fields = {
    ...run.fields,
    ...Object.fromEntries(
      Object.entries(own).flatMap(([field, value]) =>
        value === undefined ? [] : [[`cluster.${field}`, canonicalJson(value)]],
      ),
    ),
    steps: String(steps),
    "the job's program": programHash(),
  };
  return { id: sha256(canonicalJson(fields)), fields };
}

function checkSupported(recipe: TrainingRecipe, cluster: ClusterSettings): void {
  const { type, block_size } = recipe.quantization;
  if (type === "nf4" && block_size !== 64)
    throw new UsageError(`quantization.block_size: bitsandbytes' workers use blocks of 64, not ${block_size}`);
  if (!/^(job$|hf:[\w.-]+\/[\w.-]+|s3:\/\/[^/]+|\/|[A-Za-z]:[\\/])/.test(cluster.storage))
    throw new UsageError(
      `cluster.storage: ${JSON.stringify(cluster.storage)} is none; use an absolute folder, s3://BUCKET/PREFIX, hf:ORG/NAME or job`,
    );
  if ("working_dir" in cluster.runtime_env)
    throw new UsageError("cluster.runtime_env: working_dir is evoke's own; leave it out");
}

/** A result too large for the job's output is better known before the training than after it. */
function checkResultSize(recipe: TrainingRecipe, cluster: ClusterSettings, modelPath: string): void {
  if (cluster.storage !== "job") return;
  const elsewhere = "set cluster.storage to a shared folder, s3://BUCKET/PREFIX or hf:ORG/NAME";
  if (recipe.method === "full")
    throw new UsageError(`cluster.storage: a fully tuned model does not fit into the job's output; ${elsewhere}`);
  const config = modelShape(modelPath);
  const bytes = 4 * adapterParameters(config, trainedShape(config, recipe));
  if (bytes > OUTPUT_LIMIT)
    throw new UsageError(
      `cluster.storage: the adapter takes ${Math.round(bytes / 1e6)} MB, too much for the job's output (64); ${elsewhere}`,
    );
}
