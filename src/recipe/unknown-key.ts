import { nearest } from "./nearest.js";

/** Names that other trainers use for our keys, so that they (and slips of them) lead to the right key. */
const familiar: readonly (readonly [string, string])[] = [
  ["learning_rate", "optimizer.lr"],
  ["adam_epsilon", "optimizer.eps"],
  ["lora_r", "lora.r"],
  ["lora_rank", "lora.r"],
  ["rank", "lora.r"],
  ["lora_alpha", "lora.alpha"],
  ["lora_dropout", "lora.dropout"],
  ["lora_target_modules", "lora.target_modules"],
  ["lr_scheduler", "schedule.type"],
  ["lr_scheduler_type", "schedule.type"],
  ["bnb_4bit_quant_type", "quantization.type"],
  ["micro_batch_size", "batch.micro"],
  ["per_device_train_batch_size", "batch.micro"],
  ["batch_size", "batch.micro"],
  ["gradient_accumulation_steps", "batch.accumulation"],
  ["grad_accumulation", "batch.accumulation"],
  ["num_epochs", "epochs"],
  ["num_train_epochs", "epochs"],
  ["max_seq_length", "max_length"],
  ["sequence_len", "max_length"],
  ["grad_clip", "max_grad_norm"],
  ["sample_packing", "packing"],
  ["gradient_checkpointing", "memory.recompute"],
  ["eval_steps", "validation.every_steps"],
  ["val_set_size", "data.validation"],
  ["save_steps", "checkpoint.every_steps"],
  ["save_total_limit", "checkpoint.keep"],
  ["output_dir", "out"],
  ["base_model", "model"],
  ["datasets", "data.path"],
  ["train_file", "data.path"],
];

/** The part of a JSON Schema that names the keys of an object. */
interface ObjectSchema {
  properties?: Record<string, ObjectSchema>;
  /** Of a map whose keys the user chooses: its entries. */
  additionalProperties?: ObjectSchema | boolean;
}

function entriesOf(block: ObjectSchema | undefined): ObjectSchema | undefined {
  const entries = block?.additionalProperties;
  return typeof entries === "object" ? entries : undefined;
}

/** All dotted key paths of an object schema, outer keys first. */
function keyPaths(schema: ObjectSchema, prefix = ""): string[] {
  const own = Object.keys(schema.properties ?? {});
  return [
    ...own.map((key) => prefix + key),
    ...own.flatMap((key) => keyPaths(schema.properties![key]!, `${prefix}${key}.`)),
  ];
}

/**
 * The message for a key that the schema lacks: with the nearest valid key, or all valid keys where none is near.
 * @param parent path of the block that holds the key; empty at the top level.
 */
export function unknownKeyMessage(key: string, parent: readonly string[], schema: object): string {
  let block: ObjectSchema | undefined = schema as ObjectSchema;
  for (const part of parent) block = block?.properties?.[part] ?? entriesOf(block);
  const here = Object.keys(block?.properties ?? {});
  const prefix = parent.length ? `${parent.join(".")}.` : "";
  // A key of the same block is written as it goes there, any other with its whole path.
  const shown = (path: string): string =>
    path.startsWith(prefix) && !path.slice(prefix.length).includes(".") ? path.slice(prefix.length) : path;
  const elsewhere = keyPaths(schema as ObjectSchema).map((path) => [path.split(".").at(-1)!, shown(path)] as const);
  const suggestion =
    nearest(
      key,
      here.map((name) => [name, name]),
    ) ?? nearest(key, [...familiar.map(([name, path]) => [name, shown(path)] as const), ...elsewhere]);
  const start = `unknown key ${JSON.stringify(key)}${prefix ? ` in ${parent.join(".")}` : ""}`;
  const valid = `valid keys here: ${here.length ? here.join(", ") : "none"}`;
  if (suggestion === undefined) return `${start}; ${valid}`;
  return suggestion === key
    ? `${start}: it belongs at the top level; ${valid}`
    : `${start}; did you mean "${suggestion}"?`;
}
