/** The `vllm serve` command that offers what `evoke serve` would (docs.vllm.ai: "vllm serve", "LoRA adapters"). */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { findGguf } from "../../checkpoint/open.js";
import { UsageError } from "../../errors.js";
import { readJsonObject } from "../../files/json-object.js";
import { modelName } from "../../hub/model-name.js";
import { resolveModel } from "../../hub/resolve-model.js";

export interface VllmOptions {
  /** Names of adapters → PEFT adapter or run folders. */
  adapters: Readonly<Record<string, string>>;
  /** Name of the model itself. */
  name?: string;
  host: string;
  port: number;
  /** Clients' key; travels in the environment, never on the command line. */
  token?: string;
  origins: readonly string[];
  /** GPUs that share each weight matrix. */
  tensorParallel?: number;
  dtype?: string;
  quantization?: string;
  template?: "tulu" | "model" | "none";
  /** Further arguments of `vllm serve`, as they are. */
  more: readonly string[];
  say?: (line: string) => void;
}

export interface VllmCommand {
  args: string[];
  env: Record<string, string>;
  /** Names that clients may put into `model`. */
  models: string[];
  notes: string[];
}

/** Ranks that vLLM has memory layouts for (`--max-lora-rank`). */
const RANKS = [8, 16, 32, 64, 128, 256, 320, 512];
const TULU = fileURLToPath(new URL("../../../prompts/chat/tulu.jinja", import.meta.url));

/** A model argument as vLLM takes it. */
interface Base {
  model: string;
  revision?: string;
}

/** @throws UsageError when vLLM could not load the model or an adapter. */
export async function vllmCommand(reference: string, options: VllmOptions): Promise<VllmCommand> {
  const name = options.name ?? modelName(reference);
  const run = runRecord(reference);
  const base = run ? await baseOfRun(reference, run, options) : await baseModel(reference, options);
  // A run folder means the base with its adapter; the bare base gets a name of its own, as in `evoke serve`.
  const own = run && existsSync(join(reference, "adapter", "adapter_config.json"));
  const adapters = { ...(own ? { [name]: reference } : {}), ...options.adapters };
  const baseName = own ? `${name}:base` : name;
  const loaded = Object.entries(adapters).map(([id, folder]) => ({ id, ...readAdapter(folder) }));
  const twice = [baseName, ...Object.keys(options.adapters)].find((id, i, all) => all.indexOf(id) < i);
  if (twice || (own && options.adapters[name]))
    throw new UsageError(`two models would be called ${twice ?? name}; choose other names for the adapters`);
  const template = options.template ?? (run?.template === "tulu" ? "tulu" : "model");
  if (template === "none") throw new UsageError("--template none: vLLM renders conversations; use tulu or model");
  const rank = Math.max(0, ...loaded.map((adapter) => adapter.rank));
  const args = [
    "serve",
    base.model,
    ...(base.revision ? ["--revision", base.revision] : []),
    ...["--served-model-name", baseName, "--host", options.host, "--port", String(options.port)],
    ...(options.tensorParallel === undefined ? [] : ["--tensor-parallel-size", String(options.tensorParallel)]),
    ...(options.dtype === undefined ? [] : ["--dtype", options.dtype]),
    ...(options.quantization === undefined ? [] : ["--quantization", options.quantization]),
    ...(template === "tulu" ? ["--chat-template", TULU] : []),
    ...(loaded.length
      ? [
          ...["--enable-lora", "--max-loras", String(loaded.length), "--max-lora-rank", String(layoutOf(rank))],
          ...["--lora-modules", ...loaded.map(({ id, folder }) => `${id}=${folder}`)],
        ]
      : []),
    ...(options.origins.length ? ["--allowed-origins", JSON.stringify(options.origins)] : []),
    ...options.more,
  ];
  const notes: string[] = [];
  if (run?.nf4 && options.quantization === undefined)
    notes.push("the adapter was trained over an NF4 base; --quantization bitsandbytes serves that base");
  return {
    args,
    env: options.token === undefined ? {} : { VLLM_API_KEY: options.token },
    models: [...loaded.map(({ id }) => id), baseName],
    notes,
  };
}

interface Run {
  model?: string;
  modelPath?: string;
  template?: unknown;
  nf4: boolean;
}

function runRecord(reference: string): Run | undefined {
  const record = join(reference, "run.json");
  if (!existsSync(record)) return undefined;
  const { model, modelPath, template, method } = readJsonObject(record);
  return {
    ...(typeof model === "string" ? { model } : {}),
    ...(typeof modelPath === "string" ? { modelPath } : {}),
    template,
    nf4: method === "qlora",
  };
}

async function baseOfRun(reference: string, run: Run, options: VllmOptions): Promise<Base> {
  if (existsSync(join(reference, "model", "config.json"))) return { model: resolve(reference, "model") };
  if (!existsSync(join(reference, "adapter", "adapter_config.json")))
    throw new UsageError(`${reference}: the run has no adapter yet; finish it with evoke train --resume`);
  if (run.model === undefined) throw new UsageError(`${join(reference, "run.json")}: names no base model`);
  if (!hubName(run.model) && run.modelPath !== undefined && existsSync(run.modelPath))
    return folder(run.model, run.modelPath);
  return baseModel(run.model, options);
}

/** A Hub model is left for vLLM to fetch; all else must be a folder here. */
async function baseModel(reference: string, options: VllmOptions): Promise<Base> {
  const hub = hubName(reference);
  if (hub !== undefined && !existsSync(reference)) {
    const [model, revision] = hub.split("@") as [string, string?];
    return { model, ...(revision ? { revision } : {}) };
  }
  return folder(reference, await resolveModel(reference, { say: options.say }));
}

/** `ORG/NAME[@REV]` when that is the first source of a reference. */
function hubName(reference: string): string | undefined {
  return /^hf:(.+)$/.exec(reference.split(",")[0]!.trim())?.[1];
}

function folder(reference: string, path: string): Base {
  if (findGguf(path) !== undefined || !existsSync(join(path, "config.json")))
    throw new UsageError(`${reference}: vLLM wants a Hugging Face folder or hf:ORG/NAME here, not GGUF`);
  return { model: resolve(path) };
}

function readAdapter(path: string): { folder: string; rank: number } {
  const folder = existsSync(join(path, "run.json")) ? join(path, "adapter") : path;
  const file = join(folder, "adapter_config.json");
  if (!existsSync(file)) throw new UsageError(`${path}: is no PEFT adapter: it has no adapter_config.json`);
  const { r, rank_pattern } = readJsonObject(file);
  const ranks = [r, ...Object.values((rank_pattern ?? {}) as object)].filter((x) => typeof x === "number");
  if (ranks.length === 0) throw new UsageError(`${file}: has no rank (r)`);
  return { folder: resolve(folder), rank: Math.max(...ranks) };
}

function layoutOf(rank: number): number {
  const found = RANKS.find((layout) => layout >= rank);
  if (found === undefined)
    throw new UsageError(`an adapter has rank ${rank}, vLLM serves at most ${RANKS.at(-1)}; merge it with evoke merge`);
  return found;
}
