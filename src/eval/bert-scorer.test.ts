/** bert-score's figures with tiny random encoders (tools/golden/encoders.py). */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BertScore } from "../metrics/bert-score.js";
import { Device } from "../runtime/device.js";
import { tunedLayer } from "./bert-score-layers.js";
import { BertScorer, readBaseline } from "./bert-scorer.js";

interface Scores {
  layers: number;
  precision: number[];
  recall: number[];
  f1: number[];
}

const fixtures = fileURLToPath(new URL("../model/encoder/fixtures/", import.meta.url));
const golden = JSON.parse(readFileSync(join(fixtures, "golden.json"), "utf8")) as {
  pairs: [string, string][];
  encoders: Record<string, { scores: Record<string, Scores> }>;
};
const candidates = golden.pairs.map(([candidate]) => candidate);
const references = golden.pairs.map(([, reference]) => reference);

let device: Device;
let folder: string;
beforeAll(async () => {
  device = await Device.open({ threads: 1 });
  folder = mkdtempSync(join(tmpdir(), "evoke-bertscore-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(["bert", "roberta"])("BERTScore with a tiny %s", (name) => {
  it.each([
    ["plain", {}],
    ["layer 1", {}],
    ["idf", { idf: true }],
    ["baseline", { baseline: join(fixtures, "baseline.tsv") }],
  ] as const)("equals bert-score: %s", async (label, options) => {
    const expected = golden.encoders[name]!.scores[label]!;
    const encoder = join(fixtures, name);
    const scorer = await BertScorer.open({ encoder, device, layer: expected.layers, ...options });
    const progress: number[] = [];
    const scores = await scorer.score(candidates, references, (done) => progress.push(done));
    expect(progress.at(-1)).toBe(candidates.length);
    for (const figure of ["precision", "recall", "f1"] as const) {
      const differences = scores.map((score: BertScore, i) => Math.abs(score[figure] - expected[figure][i]!));
      expect(Math.max(...differences), figure).toBeLessThan(1e-4);
    }
    await scorer.dispose();
  });
});

describe("the layer and the signature", () => {
  it("takes bert-score's layer for encoders that it knows, whatever their source", () => {
    expect(tunedLayer("hf:FacebookAI/roberta-large")).toBe(17);
    expect(tunedLayer("hf:google-bert/bert-base-uncased@abc123")).toBe(9);
    expect(tunedLayer("/models/roberta-base/")).toBe(10);
    expect(tunedLayer("hf:google/bert_uncased_L-2_H-128_A-2")).toBe(1);
    expect(tunedLayer("hf:someone/else")).toBeUndefined();
  });

  it("says so when it takes the last", async () => {
    const said: string[] = [];
    const scorer = await BertScorer.open({ encoder: join(fixtures, "bert"), device, say: (line) => said.push(line) });
    expect(said.join()).toContain("the last, 3, is compared");
    expect(scorer.signature).toBe("bert_L3_no-idf_version=0.3.13(evoke)");
    await scorer.dispose();
    const other = await BertScorer.open({
      encoder: join(fixtures, "bert"),
      device,
      layer: 1,
      idf: true,
      baseline: join(fixtures, "baseline.tsv"),
    });
    expect(other.signature).toBe("bert_L1_idf_version=0.3.13(evoke)-custom-rescaled");
    await other.dispose();
  });
});

describe("baseline files", () => {
  it("are told apart when malformed", () => {
    const file = (text: string): string => {
      const path = join(folder, "baseline.tsv");
      writeFileSync(path, text);
      return path;
    };
    expect(readBaseline(file("LAYER\tP\tR\tF\n0\t0.1\t0.2\t0.3\n"), 0)).toEqual({
      precision: 0.1,
      recall: 0.2,
      f1: 0.3,
    });
    expect(() => readBaseline(file("LAYER,P,R,F\n0,0.1,0.2,0.3\n"), 5)).toThrow("has no baseline of layer 5");
    expect(() => readBaseline(file("LAYER,P,R,F\n0,0.1,x,0.3\n"), 0)).toThrow("not three numbers below 1");
    expect(() => readBaseline(file("LAYER,P,R,F\n0,0.1,0.2,1\n"), 0)).toThrow("not three numbers below 1");
    expect(() => readBaseline(join(folder, "none.tsv"), 0)).toThrow("ENOENT");
  });
});
