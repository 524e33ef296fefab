import { type Command, Option } from "commander";
import { PROMPT_TEMPLATES, type PromptTemplate } from "../generate/prompt.js";
import type { SamplingOptions } from "../generate/request.js";
import { checkRules, type Rule } from "../generate/rules.js";
import type { EmbeddedModelOptions } from "../llm/embedded.js";
import { parseCount, parseNumber } from "./output.js";

/** Flags of the commands that open a model of our own. */
export interface ModelFlags {
  adapter?: string;
  template?: PromptTemplate;
  weights: "float32" | "int8" | "int4";
  threads?: number;
  batch?: number;
}

/** Flags of the commands that write text. */
export interface SamplingFlags extends SamplingOptions {
  maxTokens: number;
  stop: string[];
}

export function addModelFlags(command: Command): Command {
  return command
    .option("--adapter <dir>", "PEFT adapter folder, or a run whose adapter is meant, on top of the model")
    .addOption(
      new Option("--template <name>", "how conversations become text (default: the run's, else the model's)").choices([
        ...PROMPT_TEMPLATES,
      ]),
    )
    .addOption(
      new Option("--weights <format>", "weights while writing").choices(["float32", "int8", "int4"]).default("int8"),
    )
    .option("--threads <n>", "threads of one operation (default: all cores)", parseCount)
    .option(
      "--batch <n>",
      "most answers written at once (default 16, chat: 1); with 1 each is written fastest",
      parseCount,
    );
}

/** The flag of the commands that write one answer at a time. */
export function draftOption(most: number): Option {
  return new Option(
    "--draft <n>",
    "most tokens guessed from repetitions while an answer is written alone; 0: none. The faster steps that 8-bit weights allow with --batch or --max-batch 1 take none",
  )
    .argParser(parseCount)
    .default(most);
}

/** The flag of the commands that write text with a local model. */
/** The flag of the commands that score text. */
export function bosOption(): Option {
  return new Option(
    "--bos <how>",
    "scoring: what stands before a context; tokenizer: what the tokenizer puts, BOS as a rule (lm-eval 0.4.13); none: nothing (0.4.5)",
  )
    .choices(["tokenizer", "none"])
    .default("tokenizer");
}

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
    .option("--top-p <p>", "draw among the fewest tokens with this much probability", parseNumber)
    .option("--min-p <p>", "draw among tokens with this share of the best one's probability", parseNumber)
    .option("--repetition-penalty <x>", "divides logits of tokens already in prompt or answer", parseNumber)
    .option("--presence-penalty <x>", "subtracted from logits of tokens already in the answer", parseNumber)
    .option("--frequency-penalty <x>", "the same, once for each time", parseNumber)
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

/** Options of an embedded model from parsed flags. */
export function modelOptions(flags: ModelFlags): EmbeddedModelOptions {
  const { adapter, template, weights, threads, batch } = flags;
  const all = { adapter, template, weights, threads, maxBatch: batch };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
