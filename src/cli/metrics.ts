import { Command } from "commander";
import { UsageError } from "../errors.js";
import { type NumberedRow, readJsonl } from "../files/jsonl.js";
import { corpusBleu } from "../metrics/bleu.js";
import { meanRouge } from "../metrics/rouge.js";
import { globalOptions, printJson } from "./output.js";

/** Mean BERTScore-F1 of predictions against references by the encoder that `model` names. */
export type BertScoreF1 = (model: string, predictions: string[], references: string[]) => Promise<number>;

interface TextOptions {
  predictions: string;
  field: string;
  reference: string;
  bertscore?: string;
}

/** `evoke metrics text`. @param bertScoreF1 runs `--bertscore`; the option exists only when it is given. */
export function metricsCommand(bertScoreF1?: BertScoreF1): Command {
  const metrics = new Command("metrics").description("Score texts against references.");
  const text = metrics
    .command("text")
    .description(
      "BLEU (as sacreBLEU) and stemmed ROUGE-1, ROUGE-2 and ROUGE-L F-measures (as rouge_score) of a file's rows.",
    )
    .requiredOption("--predictions <file>", "JSON Lines file with a prediction and a reference in each row")
    .option("--field <name>", "field of the prediction", "response")
    .option("--reference <name>", "field of the reference", "target")
    .action(async (options: TextOptions, self: Command) => scoreText(options, self, bertScoreF1));
  if (bertScoreF1) text.option("--bertscore <model>", "also the BERTScore F1 with this encoder");
  return metrics;
}

async function scoreText(options: TextOptions, self: Command, bertScoreF1?: BertScoreF1): Promise<void> {
  const predictions: string[] = [];
  const references: string[] = [];
  for await (const numbered of readJsonl(options.predictions)) {
    predictions.push(textOf(numbered, options.field, options.predictions).trim());
    references.push(textOf(numbered, options.reference, options.predictions).trim());
  }
  if (predictions.length === 0) throw new UsageError(`${options.predictions}: holds no rows to score`);
  const { score, signature } = corpusBleu(predictions, references);
  const rouge = meanRouge(references, predictions, ["rougeL", "rouge1", "rouge2"], { stemmer: true });
  const bertscore_f1 =
    options.bertscore && bertScoreF1 ? await bertScoreF1(options.bertscore, predictions, references) : undefined;
  if (globalOptions(self).json) {
    printJson({ n: predictions.length, bleu: { score, signature }, ...rouge, bertscore_f1 });
    return;
  }
  const lines = [`BLEU          ${score.toFixed(2)}  (${signature})`];
  for (const type of ["rougeL", "rouge1", "rouge2"] as const)
    lines.push(`${type.padEnd(13)} ${rouge[type].toFixed(4)}`);
  if (bertscore_f1 !== undefined) lines.push(`BERTScore F1  ${bertscore_f1.toFixed(4)}`);
  process.stdout.write(`${lines.join("\n")}\nrows          ${predictions.length}\n`);
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
