import { UsageError } from "../errors.js";

/** A place under a data folder where a copy may lie. */
export interface LocalCopy {
  path: string;
  /** What lies there, where it is another set that can stand in for this one. */
  holds: { title: string; rows: number };
}

/** Where a public data set comes from, and how its rows are taken. */
export interface DataSource {
  name: string;
  aliases: readonly string[];
  title: string;
  licence: string;
  /** Rows of the whole set, those that are not taken included. */
  rows: number;
  remote: { repo: string; file: string } | { url: string };
  /** Places under a data folder where a copy is looked for, best first. */
  local: readonly (string | LocalCopy)[];
  /** Keep only the first this many single-turn rows. */
  firstSingleTurn?: number;
  /** Text that ends every completion for one kind of model: taken off, with the blanks around the completion. */
  endMarker?: string;
}

const SELF_INSTRUCT = "https://raw.githubusercontent.com/yizhongw/self-instruct/main";

/** The sets that both papers train on. Any other Hub data set or local file works as well, by reference or path. */
export const DATA_SOURCES: readonly DataSource[] = [
  {
    name: "lima",
    aliases: [],
    title: "LIMA: 1,000 curated prompts and responses (Zhou et al. 2023); the 30 multi-turn talks are left out",
    licence: "CC BY-NC-SA, gated on the Hub (HF_TOKEN)",
    rows: 1030,
    remote: { repo: "GAIR/lima", file: "train.jsonl" },
    local: ["sft/lima_train.jsonl", "lima/train.jsonl", "lima_train.jsonl", "lima.jsonl"],
    firstSingleTurn: 1000,
  },
  {
    name: "alpaca",
    aliases: ["alpaca-cleaned"],
    title: "Alpaca, cleaned: machine-written instructions and responses (Taori et al. 2023; Ruebsamen)",
    licence: "CC BY-NC 4.0",
    rows: 51760,
    remote: { repo: "yahma/alpaca-cleaned", file: "alpaca_data_cleaned.json" },
    local: [
      "alpaca/alpaca_data_cleaned.json",
      "alpaca_data_cleaned.json",
      "alpaca.jsonl",
      { path: "sft/alpaca_subset.jsonl", holds: { title: "Stanford Alpaca, not cleaned", rows: 52002 } },
    ],
  },
  {
    name: "dolly",
    aliases: ["dolly-15k"],
    title: "Dolly 15k: instructions and responses by Databricks employees (Conover et al. 2023)",
    licence: "CC BY-SA 3.0",
    rows: 15011,
    remote: { repo: "databricks/databricks-dolly-15k", file: "databricks-dolly-15k.jsonl" },
    local: ["dolly/databricks-dolly-15k.jsonl", "databricks-dolly-15k.jsonl", "dolly.jsonl", "sft/dolly_subset.jsonl"],
  },
  {
    name: "self-instruct",
    aliases: ["self-instruct-82k"],
    title: "Self-Instruct: 82,000 machine-made instances (Wang et al. 2023)",
    licence: "Apache 2.0",
    rows: 82439,
    remote: { url: `${SELF_INSTRUCT}/data/gpt3_generations/batch_221203/all_instances_82K.jsonl` },
    local: [
      "self-instruct/all_instances_82K.jsonl",
      "self_instruct/all_instances_82K.jsonl",
      "all_instances_82K.jsonl",
    ],
  },
  {
    name: "self-instruct-finetuning",
    aliases: ["self-instruct-gpt3"],
    title:
      "Self-Instruct: the fine-tuning file as released, the 82,000 instances and the 175 seed tasks in GPT-3's form",
    licence: "Apache 2.0",
    rows: 82612,
    remote: { url: `${SELF_INSTRUCT}/data/finetuning/self_instruct_221203/gpt3_finetuning_data.jsonl` },
    local: [
      "self-instruct-finetuning/gpt3_finetuning_data.jsonl",
      "self_instruct/gpt3_finetuning_data.jsonl",
      "originals/self-instruct/data/finetuning/self_instruct_221203/gpt3_finetuning_data.jsonl",
      "gpt3_finetuning_data.jsonl",
    ],
    endMarker: "<|endoftext|>",
  },
  {
    name: "self-instruct-seeds",
    aliases: ["seed-tasks"],
    title: "Self-Instruct: the 175 seed tasks written by people (Wang et al. 2023)",
    licence: "Apache 2.0",
    rows: 175,
    remote: { url: `${SELF_INSTRUCT}/data/seed_tasks.jsonl` },
    local: ["self-instruct-seeds/seed_tasks.jsonl", "self_instruct/seed_tasks.jsonl", "seed_tasks.jsonl"],
  },
  {
    name: "gsm8k",
    aliases: [],
    title: "GSM8K: arithmetic word problems with worked answers (Cobbe et al. 2021), for tuning on a single task",
    licence: "MIT",
    rows: 7473,
    remote: { repo: "openai/gsm8k", file: "main/train-00000-of-00001.parquet" },
    local: ["core/gsm8k/train.jsonl", "gsm8k/train.jsonl"],
  },
  {
    name: "safety",
    aliases: ["safety-examples"],
    title: "Safety examples: unsafe requests and safe responses (Bianchi et al. 2024), for the refusal mixture",
    licence: "CC BY-NC 4.0",
    rows: 2483,
    remote: {
      url: "https://raw.githubusercontent.com/vinid/safety-tuned-llamas/main/data/training/safety_only_data_Instructions.json",
    },
    local: [
      "safety/safety_only_data_Instructions.json",
      "sft/safety_only_data_Instructions.json",
      "safety_only_data_Instructions.json",
    ],
  },
];

/** The catalogue's entry of that name or alias; undefined for anything else. */
export function findSource(name: string): DataSource | undefined {
  const wanted = name.toLowerCase();
  return DATA_SOURCES.find((source) => source.name === wanted || source.aliases.includes(wanted));
}

/** @throws UsageError that lists the names there are. */
export function unknownSource(name: string): UsageError {
  const names = DATA_SOURCES.map((source) => source.name).join(", ");
  return new UsageError(`${name}: no such data set or file; expected a path, hf:ORG/NAME, or one of ${names}`);
}
