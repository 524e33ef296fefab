import { Command } from "commander";
import { UsageError } from "../errors.js";
import type { BertScorerOptions } from "../eval/bert-scorer.js";
import { type NumberedRow, readJsonl } from "../files/jsonl.js";
import { corpusBleu } from "../metrics/bleu.js";
import { meanRouge } from "../metrics/rouge.js";
import { addBertScoreFlags, type BertScoreFlags, bertScoreOptions } from "./bert-score-flags.js";
import { type GlobalOptions, globalOptions, printJson } from "./output.js";

interface TextOptions extends BertScoreFlags {
  predictions: string;
  field: string;
  reference: string;
}

/** `evoke metrics [text]`. */
export function metricsCommand(): Command {
  const metrics = new Command("metrics").description("Score texts against references.");
  const text = metrics
    .command("text", { isDefault: true })
    .description(
      "BLEU (as sacreBLEU), stemmed ROUGE-1, ROUGE-2 and ROUGE-L F-measures (as rouge_score) and, on request, BERTScore (as bert-score) of a file's rows.",
    )
    .requiredOption("--predictions <file>", "JSON Lines file with a prediction and a reference in each row")
    .option("--field <name>", "field of the prediction", "response")
    .option("--reference <name>", "field of the reference", "target");
  addBertScoreFlags(text).action(scoreText);
  return metrics;
}

async function scoreText(options: TextOptions, self: Command): Promise<void> {
  const globals = globalOptions(self);
  const bert = bertScoreOptions(options, globals);
  const predictions: string[] = [];
  const references: string[] = [];
  for await (const numbered of readJsonl(options.predictions)) {
    predictions.push(textOf(numbered, options.field, options.predictions).trim());
    references.push(textOf(numbered, options.reference, options.predictions).trim());
  }
  if (predictions.length === 0) throw new UsageError(`${options.predictions}: holds no rows to score`);
  const { score, signature } = corpusBleu(predictions, references);
  const rouge = meanRouge(references, predictions, ["rougeL", "rouge1", "rouge2"], { stemmer: true });
  const bertscore = bert && (await bertScoreOf(bert, predictions, references, globals));
  if (globals.json) {
    printJson({ n: predictions.length, bleu: { score, signature }, ...rouge, bertscore });
    return;
  }
  const lines = [`BLEU          ${score.toFixed(2)}  (${signature})`];
  for (const type of ["rougeL", "rouge1", "rouge2"] as const)
    lines.push(`${type.padEnd(13)} ${rouge[type].toFixed(4)}`);
  if (bertscore) {
    const { f1, precision, recall } = bertscore;
    const sides = `P ${precision.toFixed(4)}, R ${recall.toFixed(4)}`;
    lines.push(`BERTScore F1  ${f1.toFixed(4)}  ${sides}  (${bertscore.signature})`);
  }
  process.stdout.write(`${lines.join("\n")}\nrows          ${predictions.length}\n`);
}

async function bertScoreOf(
  options: BertScorerOptions,
  predictions: string[],
  references: string[],
  { quiet }: GlobalOptions,
): Promise<{ precision: number; recall: number; f1: number; signature: string }> {
  const { BertScorer, meanBertScore } = await import("../eval/bert-scorer.js");
  const { createProgress } = await import("../progress/progress.js");
  const scorer = await BertScorer.open(options);
  const progress = createProgress({ label: "BERTScore", total: predictions.length, unit: "rows", quiet });
  try {
    const scores = await scorer.score(predictions, references, (done) => progress.update(done));
    return { ...meanBertScore(scores)!, signature: scorer.signature };
  } finally {
    progress.finish();
    await scorer.dispose();
  }
}

function textOf({ row, line }: NumberedRow, field: string, file: string): string {
  const value = row[field];
  if (typeof value !== "string") {
    const has = Object.keys(row).join(", ");
    throw new UsageError(
      `${file}:${line}: field "${field}" is not a text (fields there: ${has}); name it with --field or --reference`,
    );
  }
  return value;
}
