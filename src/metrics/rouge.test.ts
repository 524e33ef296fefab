import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MersenneTwister } from "../random/mersenne.js";
import { meanRouge, type RougeType, rouge, rougeTokens } from "./rouge.js";

const TYPES: RougeType[] = ["rouge1", "rouge2", "rougeL", "rougeLsum"];
type Triple = [precision: number, recall: number, fmeasure: number];
interface Golden {
  hard: { target: string; prediction: string; plain: Triple[]; stemmed: Triple[] }[];
  pairs: number;
  seed: number;
  first: Record<"plain" | "stemmed", number[]>;
  sha256: Record<"plain" | "stemmed", string>;
}
// Made by tools/golden/metrics.py with rouge_score.
const golden = JSON.parse(readFileSync(new URL("fixtures/rouge.json", import.meta.url), "utf8")) as Golden;

describe("rouge", () => {
  it.each(golden.hard.map((pair) => [pair.target.slice(0, 30), pair] as const))(
    "equals rouge_score on %j",
    (_, pair) => {
      for (const [name, stemmer] of [
        ["plain", false],
        ["stemmed", true],
      ] as const) {
        const scores = rouge(pair.target, pair.prediction, TYPES, { stemmer });
        const ours = TYPES.map((type) => [scores[type].precision, scores[type].recall, scores[type].fmeasure]);
        expect(ours).toEqual(pair[name]);
      }
    },
  );

  it("gives 1 for equal texts, is symmetric but for precision and recall, and stays within 0–1", () => {
    const text = fc
      .array(fc.constantFrom("a", "b", "c", "running", "\n"), { maxLength: 50 })
      .map((words) => words.join(" "));
    fc.assert(
      fc.property(text, text, (a, b) => {
        const ab = rouge(a, b, TYPES);
        const ba = rouge(b, a, TYPES);
        for (const type of ["rouge1", "rouge2", "rougeL"] as const) {
          expect(ab[type].fmeasure).toBe(ba[type].fmeasure);
          expect(ab[type].precision).toBe(ba[type].recall);
        }
        for (const type of TYPES) {
          expect(ab[type].fmeasure).toBeGreaterThanOrEqual(0);
          expect(ab[type].fmeasure).toBeLessThanOrEqual(1);
        }
        if (rougeTokens(a).length > 1)
          expect(rouge(a, a, ["rouge2", "rougeLsum"])).toMatchObject({ rouge2: { fmeasure: 1 } });
      }),
    );
  });

  it("averages F-measures over rows", () => {
    expect(meanRouge(["a b", "c"], ["a b", "d"], ["rougeL"])).toEqual({ rougeL: 0.5 });
  });
});

const data = join(process.env.EVOKE_DATA ?? join(import.meta.dirname, "../../../shared/data"), "self_instruct");

describe.skipIf(!existsSync(data))("rouge on random pairs of real tasks (skipped without the shared data)", () => {
  it.each(["plain", "stemmed"] as const)("equals rouge_score in every bit on 10,000 pairs, %s", (name) => {
    const texts: string[] = [];
    for (const file of ["seed_tasks.jsonl", "user_oriented_instructions.jsonl"]) {
      for (const line of readFileSync(join(data, file), "utf8").split("\n").filter(Boolean)) {
        const task = JSON.parse(line) as { instruction: string; instances: [{ input: string; output: string }] };
        texts.push(...[task.instruction, task.instances[0].input, task.instances[0].output].filter((text) => text));
      }
    }
    const random = new MersenneTwister(golden.seed);
    const values = new Float64Array(golden.pairs * TYPES.length);
    for (let pair = 0; pair < golden.pairs; pair++) {
      const target = texts[random.below(texts.length)]!;
      const prediction = texts[random.below(texts.length)]!;
      const scores = rouge(target, prediction, TYPES, { stemmer: name === "stemmed" });
      values.set(
        TYPES.map((type) => scores[type].fmeasure),
        pair * TYPES.length,
      );
    }
    expect([...values.subarray(0, golden.first[name].length)]).toEqual(golden.first[name]);
    const digest = createHash("sha256").update(new Uint8Array(values.buffer)).digest("hex");
    expect(digest).toBe(golden.sha256[name]);
  });
});
