import { countWords } from "../../data/count-words.js";
import { type Spread, spread } from "../../data/stats.js";
import type { Tokenizer } from "../../tokenizer/tokenizer.js";
import { type DuplicateFigures, duplicateFigures } from "./duplicate-figures.js";
import { countHistogram, type Histogram } from "./histogram.js";
import { type LanguageFigures, languageFigures } from "./language-figures.js";
import type { ReportedData } from "./read-tasks.js";
import { type SimilarityFigures, similarityTo, similarityWithin } from "./similarity-figures.js";
import { type TokenFigures, tokenFigures } from "./token-figures.js";
import { type VerbFigures, verbFigures } from "./verb-noun.js";

/** The counts of Self-Instruct's table 1, for any instruction data; null where the files do not tell. */
export interface DataCounts {
  instructions: number;
  classification: number | null;
  nonClassification: number | null;
  instances: number;
  emptyInputs: number | null;
  emptyOutputs: number;
  /** Instructions without a single instance. */
  withoutInstances: number;
}

export interface LengthFigures extends Spread {
  histogram: Histogram;
}

export interface DataFigures {
  files: string[];
  counts: DataCounts;
  sources: { name: string; instructions: number; instances: number }[];
  /** In words, of any script; inputs without the empty ones, null when inputs are not told apart. */
  lengths: { instructions: LengthFigures; inputs: LengthFigures | null; outputs: LengthFigures };
  similarity: { within: SimilarityFigures; toSeeds: SimilarityFigures | null };
  verbs: VerbFigures;
  duplicates: DuplicateFigures;
  languages: LanguageFigures;
  tokens: TokenFigures | null;
  /** Rows left out: talks of several turns, and malformed ones. */
  multiTurn: number;
  invalid: number;
  /** Where rows are fewer than the set whose name they have, or another set's. */
  extents: string[];
}

export interface FigureOptions {
  seed?: number;
  /** Instructions of the seed tasks, for the similarity to them. */
  seeds?: readonly string[];
  tokenizer?: { tokenizer: Tokenizer; name: string; template: "tulu" | "model"; maxLength: number };
  invalid?: number;
  extents?: readonly string[];
  /** Told what is worked on next. */
  onPart?: (part: string) => void;
}

/** Everything that the data report shows. */
export function dataFigures(data: ReportedData, options: FigureOptions = {}): DataFigures {
  const { seed = 0, seeds, tokenizer, onPart } = options;
  const { tasks, instances } = data;
  const instructions = tasks.map(({ instruction }) => instruction);
  const begin = <T>(part: string, work: () => T): T => {
    onPart?.(part);
    return work();
  };
  return {
    files: data.files,
    counts: counts(data),
    sources: sources(data),
    lengths: begin("lengths", () => lengths(data)),
    similarity: begin("similarity", () => ({
      within: similarityWithin(instructions, seed),
      toSeeds: seeds ? similarityTo(seeds, instructions, seed) : null,
    })),
    verbs: begin("verbs", () => verbFigures(instructions, seed)),
    duplicates: begin("duplicates", () => duplicateFigures(instances)),
    languages: begin("languages", () => languageFigures(textsOf(data))),
    tokens: tokenizer
      ? begin("tokens", () => tokenFigures(instances, tokenizer.tokenizer, { ...tokenizer, seed }))
      : null,
    multiTurn: data.multiTurn,
    invalid: options.invalid ?? 0,
    extents: [...(options.extents ?? [])],
  };
}

function counts({ tasks, instances, inputsApart }: ReportedData): DataCounts {
  const told = tasks.every(({ isClassification }) => isClassification !== undefined);
  const classification = tasks.filter(({ isClassification }) => isClassification).length;
  const filled = new Set(instances.map(({ instruction }) => instruction));
  return {
    instructions: tasks.length,
    classification: told ? classification : null,
    nonClassification: told ? tasks.length - classification : null,
    instances: instances.length,
    emptyInputs: inputsApart ? instances.filter(({ input }) => input === "").length : null,
    emptyOutputs: instances.filter(({ output }) => output.trim() === "").length,
    withoutInstances: tasks.length - filled.size,
  };
}

function sources({ tasks, instances }: ReportedData): DataFigures["sources"] {
  const found = new Map<string, { name: string; instructions: number; instances: number }>();
  const of = (name: string) => {
    let entry = found.get(name);
    if (!entry) found.set(name, (entry = { name, instructions: 0, instances: 0 }));
    return entry;
  };
  for (const { source } of tasks) of(source).instructions++;
  for (const { source } of instances) of(source).instances++;
  return [...found.values()].sort((a, b) => b.instances - a.instances || b.instructions - a.instructions);
}

function lengths({ tasks, instances, inputsApart }: ReportedData): DataFigures["lengths"] {
  const inputs = instances.filter(({ input }) => input !== "").map(({ input }) => input);
  return {
    instructions: lengthFigures(tasks.map(({ instruction }) => instruction)),
    inputs: inputsApart && inputs.length > 0 ? lengthFigures(inputs) : null,
    outputs: lengthFigures(instances.map(({ output }) => output)),
  };
}

function lengthFigures(texts: readonly string[]): LengthFigures {
  const lengths = texts.map(countWords);
  return { ...spread(lengths), histogram: countHistogram(lengths) };
}

/** A text for each row: all its fields, or the bare instruction. */
function textsOf({ tasks, instances }: ReportedData): string[] {
  if (instances.length === 0) return tasks.map(({ instruction }) => instruction);
  return instances.map(({ instruction, input, output }) => `${instruction}\n${input}\n${output}`);
}
