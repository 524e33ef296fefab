/**
 * BLEU and ROUGE of the eight published prediction files of Self-Instruct (8 × 252 rows).
 *
 * Usage: EVOKE_DATA=… npx tsx bench/text-metrics.ts
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { corpusBleu } from "../src/metrics/bleu.js";
import { meanRouge } from "../src/metrics/rouge.js";

const folder = join(
  process.env.EVOKE_DATA ?? join(import.meta.dirname, "../../shared/data"),
  "self_instruct/predictions",
);
const files = readdirSync(folder)
  .sort()
  .map((name) => {
    const rows = readFileSync(join(folder, name), "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { response: string; target: string });
    return { name, responses: rows.map((row) => row.response.trim()), targets: rows.map((row) => row.target.trim()) };
  });

const started = performance.now();
const results = files.map(({ name, responses, targets }) => ({
  file: name,
  BLEU: corpusBleu(responses, targets).score.toFixed(2),
  ...meanRouge(targets, responses, ["rougeL", "rouge1", "rouge2"], { stemmer: true }),
}));
const took = (performance.now() - started) / 1000;
console.table(results);
console.log(`${files.length} files: BLEU, ROUGE-1, ROUGE-2 and ROUGE-L with stemming in ${took.toFixed(2)} s`);
