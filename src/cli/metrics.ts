import { Command, Option } from "commander";
import { readRows } from "../data/read-rows.js";
import { UsageError } from "../errors.js";
import type { BertScorerOptions } from "../eval/bert-scorer.js";
import type { NumberedRow } from "../files/jsonl.js";
import { BLEU_TOKENIZERS, type BleuTokenizer, corpusBleu } from "../metrics/bleu.js";
import { meanRouge } from "../metrics/rouge.js";
import { addBertScoreFlags, type BertScoreFlags, bertScoreOptions } from "./bert-score-flags.js";
import { type GlobalOptions, globalOptions, printJson, say } from "./output.js";

interface TextOptions extends BertScoreFlags {
  predictions: string;
  field: string;
  reference: string;
  tokenizer: BleuTokenizer;
}

const ROUGE_TYPES = ["rougeL", "rouge1", "rouge2"] as const;
/** Scripts that put no blanks between words: Chinese, Japanese, Thai, Lao, Khmer, Burmese. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

/** `evoke metrics [text]`. */
export function metricsCommand(): Command {
  const metrics = new Command("metrics").description("Score texts against references.");
  const text = metrics
    .command("text", { isDefault: true })
    .description(
      "BLEU (as sacreBLEU), stemmed ROUGE-1, ROUGE-2 and ROUGE-L F-measures (as rouge_score) and, on request, BERTScore (as bert-score) of a file's rows.",
    )
    .requiredOption(
      "--predictions <file>",
      "rows with a prediction and a reference (or a list of them): JSON Lines, JSON array, CSV, …",
    )
    .option("--field <name>", "field of the prediction", "response")
    .option("--reference <name>", "field of the reference, or of the list of references", "target")
    .addOption(
      new Option("--tokenizer <name>", "BLEU's, by sacreBLEU's names; char for Chinese, Japanese or Thai")
        .choices([...BLEU_TOKENIZERS])
        .default("13a"),
    );
  addBertScoreFlags(text).action(scoreText);
  return metrics;
}

async function scoreText(options: TextOptions, self: Command): Promise<void> {
  const globals = globalOptions(self);
  const asked = bertScoreOptions(options);
  const bert = asked && { ...asked, deviceName: globals.device, say: (line: string) => say(line, globals) };
  const predictions: string[] = [];
  const references: string[][] = [];
  for await (const numbered of readRows(options.predictions)) {
    predictions.push(textOf(numbered, options.field, options.predictions).trim());
    references.push(textsOf(numbered, options.reference, options.predictions).map((text) => text.trim()));
  }
  if (predictions.length === 0) throw new UsageError(`${options.predictions}: holds no rows to score`);
  warnOfUnspacedText(predictions, references.flat(), options, globals);
  const { score, signature } = corpusBleu(predictions, references, { tokenizer: options.tokenizer });
  const rouge = bestRouge(references, predictions);
  const single = references.map(([first, ...more]) => (more.length === 0 ? first! : undefined));
  if (bert && single.includes(undefined))
    throw new UsageError(`${options.predictions}: --bertscore takes one reference a row`);
  const bertscore = bert && (await bertScoreOf(bert, predictions, single as string[], globals));
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

/** Means of each row's best F-measure over its references, as rouge_score's `score_multi` takes it. */
function bestRouge(references: readonly (readonly string[])[], predictions: readonly string[]) {
  const sums = { rougeL: 0, rouge1: 0, rouge2: 0 };
  for (const [i, targets] of references.entries()) {
    const each = targets.map((target) => meanRouge([target], [predictions[i]!], ROUGE_TYPES, { stemmer: true }));
    for (const type of ROUGE_TYPES) sums[type] += Math.max(...each.map((scores) => scores[type]));
  }
  for (const type of ROUGE_TYPES) sums[type] /= predictions.length;
  return sums;
}

function warnOfUnspacedText(
  predictions: readonly string[],
  references: readonly string[],
  { tokenizer }: TextOptions,
  globals: GlobalOptions,
): void {
  const rows = [...predictions, ...references].filter((text) => UNSPACED.test(text)).length;
  if (rows === 0) return;
  if (tokenizer !== "char")
    say(
      `warning: ${rows} texts are in a script without blanks between words, of which BLEU's tokenizer ${tokenizer} makes single words; --tokenizer char compares characters`,
      globals,
    );
  say("warning: ROUGE (as rouge_score) reads Latin letters and digits alone; it says nothing of such texts", globals);
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

/** The references of a row: a text, or a list of them. */
function textsOf(numbered: NumberedRow, field: string, file: string): string[] {
  const value = numbered.row[field];
  if (!Array.isArray(value)) return [textOf(numbered, field, file)];
  if (value.length === 0 || !value.every((each) => typeof each === "string"))
    throw new UsageError(`${file}:${numbered.line}: field "${field}" is not a list of texts`);
  return value as string[];
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
