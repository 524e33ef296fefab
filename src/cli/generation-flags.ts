import { type Command, Option } from "commander";
import type { ModelOptions } from "../api/model.js";
import { PROMPT_TEMPLATES, type PromptTemplate } from "../generate/prompt.js";
import type { SamplingOptions } from "../generate/request.js";
import { checkRules, type Rule } from "../generate/rules.js";
import { parseCount, parseNumber } from "./output.js";

/** Flags of the commands that open a model of our own. */
export interface ModelFlags {
  adapter?: string;
  template?: PromptTemplate;
  weights: "float32" | "int8" | "int4";
  threads?: number;
  batch?: number;
}

/** Flags of the commands that keep a local model's own precision unless told otherwise: those whose results are figures or data. */
export interface LocalFlags {
  weights?: "float32" | "int8" | "int4";
  threads?: number;
}

export function addLocalFlags(command: Command, defaultWeights: string | undefined = "float32"): Command {
  const weights = new Option(
    "--weights <format>",
    "weights of a local model; float32 keeps its own precision, int8 writes faster",
  ).choices(["float32", "int8", "int4"]);
  return command
    .addOption(defaultWeights === undefined ? weights : weights.default(defaultWeights))
    .option("--threads <n>", "CPU threads of a local model (default: all cores)", parseCount);
}

/** Flags of the commands that write text. */
export interface SamplingFlags extends SamplingOptions {
  maxTokens: number;
  stop: string[];
}

export function addModelFlags(command: Command): Command {
  return command
    .option("--adapter <dir>", "PEFT adapter or run folder to apply to the model")
    .addOption(
      new Option("--template <name>", "chat template (default: the run's, else the model's)").choices([
        ...PROMPT_TEMPLATES,
      ]),
    )
    .addOption(
      new Option("--weights <format>", "weight precision for decoding")
        .choices(["float32", "int8", "int4"])
        .default("int8"),
    )
    .option("--threads <n>", "CPU threads (default: all cores)", parseCount)
    .option("--batch <n>", "maximum batch size (default 16, chat: 1); 1 gives the lowest latency", parseCount);
}

/** The flag of the commands that write one answer at a time. */
export function draftOption(most: number): Option {
  return new Option(
    "--draft <n>",
    "draft tokens per step (prompt lookup) for a single sequence; 0 turns it off; ignored by the WebAssembly decoder (8-bit weights with --batch or --max-batch 1)",
  )
    .argParser(parseCount)
    .default(most);
}

/** The flag of the commands that score text. */
export function bosOption(): Option {
  return new Option(
    "--bos <how>",
    "scoring: what stands before a context; tokenizer: what the tokenizer puts, BOS as a rule (lm-eval 0.4.13); none: nothing (0.4.5)",
  )
    .choices(["tokenizer", "none"])
    .default("tokenizer");
}

/** The flag of the commands that write text with a local model. */
export function rulesOption(): Option {
  return new Option(
    "--rules <list>",
    "rules on the next token's distribution by which a base model answers, of eos,diversity,uniform (docs/guides/instructability.md)",
  ).argParser(parseRules);
}

function parseRules(text: string): Rule[] {
  const rules = text.split(",").filter((name) => name !== "");
  checkRules(rules);
  return [...rules];
}

export function addSamplingFlags(command: Command, maxTokens: number): Command {
  return command
    .option("--max-tokens <n>", "most tokens of an answer", parseCount, maxTokens)
    .option("--temperature <t>", "0 takes the most probable token", parseNumber, 0)
    .option("--top-k <n>", "draw among this many tokens; 0: all", parseCount)
    .option("--top-p <p>", "nucleus sampling: the smallest set of tokens that reaches probability p", parseNumber)
    .option("--min-p <p>", "minimum probability, relative to the most probable token", parseNumber)
    .option("--repetition-penalty <x>", "divides logits of tokens already in prompt or answer", parseNumber)
    .option("--presence-penalty <x>", "subtracted from logits of tokens already in the answer", parseNumber)
    .option("--frequency-penalty <x>", "subtracted once for each previous occurrence of a token", parseNumber)
    .addOption(rulesOption())
    .option("--stop <text>", "end before this text (repeatable)", (text, all: string[]) => [...all, text], []);
}

/** The sampling settings among parsed flags, without those that were not given. */
export function samplingOf(flags: SamplingFlags): SamplingOptions & { maxTokens: number; stop?: string[] } {
  const { maxTokens, temperature, topK, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty, rules } =
    flags;
  const penalties = { repetitionPenalty, presencePenalty, frequencyPenalty };
  const all = { maxTokens, temperature, topK, topP, minP, ...penalties, rules };
  const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  return { ...(given as typeof all), ...(flags.stop.length ? { stop: flags.stop } : {}) };
}

/** How a model is opened, from parsed flags. */
export function modelOptions(flags: ModelFlags): ModelOptions {
  const { adapter, template, weights, threads, batch } = flags;
  return { adapter, template, weights, threads, batchSize: batch };
}
