import { Command } from "commander";
import { UsageError } from "../errors.js";
import { type JsonRow, readJsonl, writeJsonl } from "../files/jsonl.js";
import { SimilarityFilter } from "../self-instruct/similarity-filter.js";
import { globalOptions, parseCount, parseNumber, printJson, say } from "./output.js";

interface FilterOptions {
  pool?: string;
  in: string;
  out: string;
  threshold: number;
  field: string;
  neighbours: number;
}

/** `evoke data filter`: the similarity filter of Self-Instruct over any file of instructions. */
export function dataFilterCommand(): Command {
  return new Command("filter")
    .description("Keep instructions that are unlike a pool and unlike those kept before (ROUGE-L).")
    .option("--pool <file>", "JSON Lines file of instructions to compare with; empty when left out")
    .requiredOption("--in <file>", "JSON Lines file of candidates")
    .requiredOption("--out <file>", "JSON Lines file for the kept rows, with max_similarity and most_similar")
    .option("--threshold <number>", "drop a candidate with a larger similarity than this, 0 to 1", parseNumber, 0.7)
    .option("--field <name>", "field that holds the instruction", "instruction")
    .option(
      "--neighbours <count>",
      "also write that many most similar instructions and the mean similarity, under Self-Instruct's field names",
      parseCount,
      0,
    )
    .action(filter);
}

async function filter(options: FilterOptions, self: Command): Promise<void> {
  const { json, quiet } = globalOptions(self);
  const started = performance.now();
  const { threshold, neighbours } = options;
  const similarity = new SimilarityFilter([], { threshold, neighbours });
  if (options.pool) {
    for await (const { row, line } of readJsonl(options.pool)) {
      similarity.join(instructionOf(row, options.field, `${options.pool}:${line}`));
    }
  }
  const poolSize = similarity.size;
  const kept: JsonRow[] = [];
  let read = 0;
  for await (const { row, line } of readJsonl(options.in)) {
    read++;
    const decision = similarity.offer(instructionOf(row, options.field, `${options.in}:${line}`));
    if (!decision.keep) continue;
    kept.push({
      ...row,
      max_similarity: decision.maxSimilarity,
      most_similar: decision.mostSimilar ?? null,
      ...(decision.nearest && {
        most_similar_instructions: Object.fromEntries(decision.nearest.map(({ text, score }) => [text, score])),
        avg_similarity_score: decision.mean,
      }),
    });
  }
  writeJsonl(options.out, kept);
  const seconds = (performance.now() - started) / 1000;
  const dropped = read - kept.length;
  if (json) printJson({ read, kept: kept.length, dropped, pool: poolSize, out: options.out, seconds });
  say(`kept ${kept.length} of ${read}, pool of ${poolSize} at the start, ${seconds.toFixed(1)} s: ${options.out}`, {
    quiet,
  });
}

function instructionOf(row: JsonRow, field: string, where: string): string {
  const value = row[field];
  if (typeof value !== "string") {
    throw new UsageError(`${where}: field "${field}" is not a text; name the instruction's field with --field`);
  }
  return value;
}
