/**
 * `adapter_config.json` of PEFT 0.21, field by field: what is read, what changes nothing here, and what is refused by
 * name because it would change what the adapter computes. Fields of other versions are refused unless they are off.
 */
import { FailureError, UsageError } from "../errors.js";
import type { PeftSettings } from "../model/adapter.js";

export interface LoraConfig {
  settings: PeftSettings;
  dropout: number;
  /** `none` unless biases were trained too. */
  bias: string;
  baseModel?: string;
}

type Fields = Record<string, unknown>;

/** Fields that are read below. */
const READ = new Set([
  ...["peft_type", "task_type", "base_model_name_or_path", "r", "lora_alpha", "lora_dropout", "bias"],
  ...["target_modules", "exclude_modules", "use_rslora", "use_dora", "rank_pattern", "alpha_pattern"],
  ...["layers_to_transform", "layers_pattern", "init_lora_weights"],
]);

/** Fields without influence on what a finished adapter computes, whatever they say. */
const WITHOUT_EFFECT = new Set([
  ...["auto_mapping", "peft_version", "revision", "inference_mode"],
  // How layers with transposed weights are adapted: the factors are stored the same way.
  "fan_in_fan_out",
  // Settings of starting values, which `init_lora_weights` decides about.
  ...["loftq_config", "eva_config", "corda_config", "lora_ga_config"],
  // Names a library that only `megatron_config` turns on, and a group size that only `use_qalora` does.
  ...["megatron_core", "qalora_group_size"],
  // For tied embeddings that are adapted or trained, which is refused itself.
  ...["ensure_weight_tying", "runtime_config"],
]);

/** Starting values that leave the base as it is. All others subtract something from its weights. */
const BASE_KEPT = new Set<unknown>([true, false, null, undefined, "gaussian", "eva", "orthogonal"]);

/** @throws UsageError naming the field that is not supported, FailureError for values that are none. */
export function readLoraConfig(path: string, fields: Fields): LoraConfig {
  const refuse = (what: string, why = "is not supported; LoRA, rsLoRA and DoRA on linear layers are"): never => {
    throw new UsageError(`${path}: ${what} ${why}`);
  };
  if (fields.peft_type !== "LORA") refuse(`peft_type ${JSON.stringify(fields.peft_type)}`);
  const task = fields.task_type ?? "CAUSAL_LM";
  if (task !== "CAUSAL_LM") refuse(`task_type ${JSON.stringify(task)}`, "is not supported; CAUSAL_LM is");
  const start = fields.init_lora_weights;
  if (!BASE_KEPT.has(start))
    refuse(
      `init_lora_weights ${JSON.stringify(start)}`,
      "is not supported, because it changes the base's weights; save the adapter in converted form " +
        "(PEFT: save_pretrained with path_initial_model_for_weight_conversion)",
    );
  for (const [name, value] of Object.entries(fields))
    if (!READ.has(name) && !WITHOUT_EFFECT.has(name) && !isOff(value)) refuse(`${name} ${short(value)}`);

  const { positive, numbers, names, flag } = readers(path, fields);
  const { layers_to_transform: chosen } = fields;
  const isLayer = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0;
  if (chosen != null && !(Array.isArray(chosen) ? chosen.every(isLayer) : isLayer(chosen)))
    throw new FailureError(`${path}: layers_to_transform must be layer numbers, found ${short(chosen)}`);
  const dropout = fields.lora_dropout ?? 0;
  if (typeof dropout !== "number" || !(dropout >= 0 && dropout < 1))
    throw new FailureError(`${path}: lora_dropout must be 0 to below 1, found ${short(dropout)}`);
  const settings: PeftSettings = {
    r: positive("r"),
    lora_alpha: positive("lora_alpha"),
    target_modules:
      names("target_modules") ?? refuse("target_modules null", "names no layer; an adapter lists its modules"),
    exclude_modules: names("exclude_modules"),
    use_rslora: flag("use_rslora"),
    use_dora: flag("use_dora"),
    rank_pattern: numbers("rank_pattern"),
    alpha_pattern: numbers("alpha_pattern"),
    layers_to_transform: (chosen ?? null) as number | number[] | null,
    layers_pattern: names("layers_pattern"),
  };
  if (!Number.isInteger(settings.r))
    throw new FailureError(`${path}: r must be a whole number above 0, found ${settings.r}`);
  const base = fields.base_model_name_or_path;
  return {
    settings,
    dropout,
    bias: typeof fields.bias === "string" ? fields.bias : "none",
    ...(typeof base === "string" && base !== "" ? { baseModel: base } : {}),
  };
}

/** The fields by kind. Each throws FailureError for a value of another kind. */
function readers(path: string, fields: Fields) {
  const wrong = (name: string, wanted: string): FailureError =>
    new FailureError(`${path}: ${name} must be ${wanted}, found ${short(fields[name])}`);
  const isPositive = (value: unknown): value is number =>
    typeof value === "number" && value > 0 && Number.isFinite(value);
  return {
    positive(name: string): number {
      const value = fields[name];
      if (!isPositive(value)) throw wrong(name, "a number above 0");
      return value;
    },
    numbers(name: string): Record<string, number> {
      const value = fields[name] ?? {};
      if (typeof value !== "object" || Array.isArray(value) || !Object.values(value!).every(isPositive))
        throw wrong(name, "an object of numbers above 0");
      return value as Record<string, number>;
    },
    names(name: string): string[] | string | null {
      const value = fields[name] ?? null;
      const isNames = Array.isArray(value) && value.every((entry) => typeof entry === "string");
      if (value !== null && typeof value !== "string" && !isNames) throw wrong(name, "a list of names or a pattern");
      return value as string[] | string | null;
    },
    flag(name: string): boolean {
      const value = fields[name] ?? false;
      if (typeof value !== "boolean") throw wrong(name, "true or false");
      return value;
    },
  };
}

const isOff = (value: unknown): boolean =>
  value === null || value === false || (typeof value === "object" && Object.keys(value).length === 0);

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
