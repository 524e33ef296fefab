import { type Command, Option } from "commander";
import type { BertScoreOptions } from "../api/evaluate.js";
import { UsageError } from "../errors.js";
import { parseCount } from "./output.js";

/** Flags of commands that compute BERTScore. */
export interface BertScoreFlags {
  bertscore?: boolean;
  encoder?: string;
  layer?: number;
  idf?: boolean;
  baseline?: string;
}

/** @param prefix put before each description, such as the suite that the flags belong to. */
export function addBertScoreFlags<C extends Command>(command: C, prefix = ""): C {
  const options = [
    new Option("--bertscore", `${prefix}also BERTScore`),
    new Option("--encoder <model>", `${prefix}BERT, RoBERTa or MiniLM encoder (default: hf:FacebookAI/roberta-large)`),
    new Option("--layer <n>", `${prefix}layer compared (default: as bert-score chooses, else the last)`).argParser(
      parseCount,
    ),
    new Option("--idf", `${prefix}weigh tokens by inverse document frequency over the references`),
    new Option("--baseline <file>", `${prefix}rescale by this file of baselines (LAYER,P,R,F)`),
  ];
  for (const option of options) command.addOption(option);
  return command;
}

/** What was asked for; undefined when BERTScore was not. @throws UsageError for a flag of it without --bertscore. */
export function bertScoreOptions({
  bertscore,
  encoder,
  layer,
  idf,
  baseline,
}: BertScoreFlags): BertScoreOptions | undefined {
  if (bertscore) return { encoder, layer, idf, baseline };
  const given = Object.entries({ encoder, layer, idf, baseline }).find(([, value]) => value !== undefined);
  if (given) throw new UsageError(`--${given[0]} belongs to --bertscore; give that too`);
  return undefined;
}
