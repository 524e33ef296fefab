/** bert-score with all-MiniLM-L6-v2 on the eight published prediction files of the 252 user tasks (tools/golden/encoders.py). */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BertScorer } from "../../src/eval/bert-scorer.js";
import { readAllJsonl } from "../../src/files/jsonl.js";

type Figures = Record<"precision" | "recall" | "f1", number[]>;

const root = fileURLToPath(new URL("../../", import.meta.url));
const encoder = process.env.EVOKE_TEST_MINILM;
const predictions = join(process.env.EVOKE_DATA ?? join(root, "..", "shared", "data"), "self_instruct", "predictions");
const packed = readFileSync(join(root, "src/model/encoder/fixtures/user-tasks.json.gz"));
const golden = (JSON.parse(gunzipSync(packed).toString()) as { models: Record<string, Figures & { layers: number }> })
  .models;

describe.skipIf(!encoder || !existsSync(predictions))(
  "BERTScore with MiniLM (set EVOKE_TEST_MINILM to its folder; needs the published predictions)",
  () => {
    const scorers = new Map<string, Promise<BertScorer>>();
    beforeAll(() => {
      scorers.set("plain", BertScorer.open({ encoder, layer: 6 }));
      scorers.set("idf", BertScorer.open({ encoder, layer: 5, idf: true }));
    });
    afterAll(async () => {
      for (const scorer of scorers.values()) await (await scorer).dispose();
    });

    it.each(Object.keys(golden))("%s: every row within 1e-4", { timeout: 1_800_000 }, async (name) => {
      const [model, kind = "plain"] = name.split(" ") as [string, string?];
      const rows = await readAllJsonl(join(predictions, `${model}_predictions.jsonl`));
      const scorer = await scorers.get(kind)!;
      expect(scorer.layer).toBe(golden[name]!.layers);
      const scores = await scorer.score(
        rows.map(({ response }) => String(response)),
        rows.map(({ target }) => String(target)),
      );
      expect(scores).toHaveLength(252);
      for (const figure of ["precision", "recall", "f1"] as const) {
        const differences = scores.map((score, i) => Math.abs(score[figure] - golden[name]![figure][i]!));
        expect(Math.max(...differences), figure).toBeLessThan(1e-4);
      }
    });
  },
);
